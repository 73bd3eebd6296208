"""Measures `tercet serve` beside llama-server, on one model file and in one run, the two by turns.

usage: serve.py [--llama-server PATH] [-m MODEL] [--backend cpu] [--device N] [--precision high] [--threads N] [--clients 1,8,32]
                [--prompt N] [--decode N] [--seconds S] [--rounds N] [--build DIR]

Measured by a client on the same machine: requests for one token a second; the time to the first token, the time between two tokens
and all tokens a second while so many clients each have an answer streamed, of prompts that nobody had before; and
how soon the second turn of a conversation begins to be answered beside its first. --llama-server names a built
llama-server (for --backend cuda one with CUDA); without it there is no second column. What it prints is Markdown, for
docs/performance.md: medians of the rounds, and ratios of which more than 1 is better. The client takes a part of the CPU, the same for both.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from run import ROOT, cpu_name, output_of

N_CTX = 2048  # of the demo model; of the others it is enough
START_S = 300


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Server:
    def __init__(self, name, command, port):
        self.name, self.port = name, port
        self.log = open(f"/tmp/bench-serve-{name}-{os.getpid()}.log", "wb")
        self.process = subprocess.Popen([str(word) for word in command], stdout=self.log, stderr=self.log)

    async def wait_ready(self):
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError):
                status, _ = await Client(self).ask("GET", "/health", None)
                if status == 200:
                    return
            await asyncio.sleep(0.1)
        sys.exit(f"{self.name}: not ready; see {self.log.name}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        Path(self.log.name).unlink()


def start_ours(args):
    port = free_port()
    command = [args.build / "tercet", "serve", "-m", args.model, "--port", port, "--backend", args.backend, "--precision", args.precision,
               "--parallel", max(args.clients), "--ctx", N_CTX, "--threads", args.threads, "--quiet"]
    return Server("tercet", command + (["--device", args.device] if args.device else []), port)


def start_peer(args):
    port = free_port()
    n = max(args.clients)
    command = [args.llama_server, "-m", args.model, "--host", "127.0.0.1", "--port", port, "-t", args.threads, "-np", n, "-c", N_CTX * n,
               "-fa", "on", "-ngl", "99" if args.backend == "cuda" else "0"]
    return Server("llama-server", command, port)


class Client:
    """One connection that is kept; asyncio's streams, since a client that costs much would measure itself."""

    def __init__(self, server):
        self.server, self.reader, self.writer = server, None, None

    async def send(self, method, path, body):
        is_old = self.writer is not None
        if not is_old:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.server.port, limit=1 << 22)
        data = b"" if body is None else json.dumps(body).encode()
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                          f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        except (asyncio.IncompleteReadError, ConnectionError):
            if not is_old:
                raise
            self.close()  # it was closed after the answer before, without a word
            return await self.send(method, path, body)
        self.is_kept = "connection: close" not in head
        return int(head.split()[1]), head

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.writer = None

    async def ask(self, method, path, body):
        status, head = await self.send(method, path, body)
        length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length:"))
        text = await self.reader.readexactly(length)
        if not self.is_kept:
            self.close()
        return status, json.loads(text)

    async def stream(self, body):
        """Seconds to the first token, and between those that follow."""
        start = time.perf_counter()
        status, _ = await self.send("POST", "/v1/completions", {**body, "stream": True})
        assert status == 200, status
        first, last, gaps, rest = None, None, [], b""
        while b"[DONE]" not in rest:
            part = await self.reader.read(1 << 16)
            assert part, "the stream ended early"
            rest = rest[-16:] + part
            n = part.count(b'"text":"') - part.count(b'"text":""')
            if n == 0:
                continue
            now = time.perf_counter()
            if first is None:
                first, n = now - start, n - 1
            gaps += [(now - last) / n] * n if last and n else []
            last = now
        while not rest.endswith(b"0\r\n\r\n") and (part := await self.reader.read(1 << 16)):
            rest += part
        if not self.is_kept or not rest.endswith(b"0\r\n\r\n"):
            self.close()
        return first, gaps


class Prompts:
    """Random ids that both servers get alike, and that no request had before."""

    def __init__(self, n_vocab):
        self.random, self.n_vocab = random.Random(1), n_vocab

    def make(self, n):
        return [self.random.randrange(256, self.n_vocab) for _ in range(n)]


def request(prompt, n):
    return {"prompt": prompt, "max_tokens": n, "temperature": 0, "ignore_eos": True, "cache_prompt": True}


async def trivial(server, prompts, n_client, seconds):
    """Requests a second."""
    end = time.perf_counter() + seconds
    n_done = 0

    async def work():
        nonlocal n_done
        client = Client(server)
        while time.perf_counter() < end:
            status, _ = await client.ask("POST", "/v1/completions", request(prompts.make(8), 1))
            assert status == 200, status
            n_done += 1
        client.close()

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(n_client)))
    return {"requests": n_done / (time.perf_counter() - start)}


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


async def streams(server, prompts, n_client, seconds, n_prompt, n_decode):
    firsts, gaps, n_token = [], [], 0
    end = time.perf_counter() + seconds

    async def work():
        nonlocal n_token
        client = Client(server)
        while True:
            first, between = await client.stream(request(prompts.make(n_prompt), n_decode))
            firsts.append(first)
            gaps.extend(between)
            n_token += n_decode
            if time.perf_counter() >= end:
                break
        client.close()

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(n_client)))
    wall = time.perf_counter() - start
    return {"first p50": 1e3 * quantile(firsts, 0.5), "first p99": 1e3 * quantile(firsts, 0.99), "gap p50": 1e3 * quantile(gaps, 0.5),
            "gap p99": 1e3 * quantile(gaps, 0.99), "tokens": n_token / wall}


async def turns(server, prompts):
    client = Client(server)
    conversation = prompts.make(1800)
    first, _ = await client.stream(request(conversation, 16))
    second, _ = await client.stream(request(conversation + prompts.make(60), 16))
    client.close()
    return {"first turn": 1e3 * first, "second turn": 1e3 * second, "share": second / first}


def medians(rounds):
    return {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}


async def by_turns(args, servers, measure):
    """{server's name: medians}, one round of each server after the other."""
    found = {server.name: [] for server in servers}
    for _ in range(args.rounds):
        for server in servers:
            found[server.name].append(await measure(server))
    return {name: medians(rounds) for name, rounds in found.items()}


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def line(what, found, key, unit="", lower_is_better=True):
    ours, peer = found["tercet"][key], found.get("llama-server", {}).get(key)
    cells = [what, number(ours) + unit]
    if peer is not None:
        cells += [number(peer) + unit, f"**{(peer / ours if lower_is_better else ours / peer):.2f}**"]
    print("| " + " | ".join(cells) + " |", flush=True)


async def measure(args):
    servers = [start_ours(args)] + ([start_peer(args)] if args.llama_server else [])
    try:
        for server in servers:
            await server.wait_ready()
        _, tokens = await Client(servers[0]).ask("GET", "/v1/models", None)
        prompts = Prompts(min(tokens["data"][0]["meta"]["n_vocab"] - 300, 100_000))
        peer = (" llama-server | ratio |", " --- | --- |") if args.llama_server else ("", "")
        print(f"\n| {args.model.name}, {args.backend}, {args.precision} | tercet |{peer[0]}\n| --- | --- |{peer[1]}")
        for n in (1, max(args.clients)):
            found = await by_turns(args, servers, lambda s, n=n: trivial(s, prompts, n, args.seconds))
            line(f"requests for one token a second, {n} clients", found, "requests", lower_is_better=False)
        for n in args.clients:
            found = await by_turns(args, servers, lambda s, n=n: streams(s, prompts, n, args.seconds, args.prompt, args.decode))
            what = f"{n} clients: "
            for key, words in (("first p50", "first token, p50"), ("first p99", "first token, p99"), ("gap p50", "between tokens, p50"),
                               ("gap p99", "between tokens, p99")):
                line(what + words, found, key, " ms")
            line(what + "tokens a second", found, "tokens", lower_is_better=False)
        found = await by_turns(args, servers, lambda s: turns(s, prompts))
        line("first turn of 1,800 tokens: first token", found, "first turn", " ms")
        line("second turn, 60 tokens more", found, "second turn", " ms")
        line("second turn's share of the first", found, "share")
    finally:
        for server in servers:
            server.stop()


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-server", type=Path)
    parser.add_argument("-m", "--model", type=Path, default=ROOT / "models/demo-moe-coder-34m-q4_k_m.gguf")
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--device")
    parser.add_argument("--precision", default="high")
    parser.add_argument("--threads", default=len(os.sched_getaffinity(0)), type=int)
    parser.add_argument("--clients", default="1,8,32", type=lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--prompt", default=256, type=int)
    parser.add_argument("--decode", default=64, type=int)
    parser.add_argument("--seconds", default=3.0, type=float, help="of each measurement")
    parser.add_argument("--rounds", default=3, type=int)
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    return parser.parse_args()


def main():
    args = parse_args()
    commit = output_of(["git", "-C", ROOT, "describe", "--always", "--dirty"]).strip()
    print(f"{cpu_name()}, {args.threads} threads, commit {commit}, load {os.getloadavg()[0]:.1f}, prompts of {args.prompt} tokens, "
          f"answers of {args.decode}; medians of {args.rounds} rounds of {args.seconds:g} s")
    asyncio.run(measure(args))


if __name__ == "__main__":
    main()
