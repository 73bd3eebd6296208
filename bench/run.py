"""Measures Tercet beside its peers, in one run on one machine: the tokenizer beside the `tokenizers` package, and load,
prefill and decode of the demo, mid and full models beside llama.cpp on the CPU, both mapping the same file.

usage: run.py [--peer LLAMA_BENCH] [--models demo,mid,full] [--precisions high,fast] [--threads N] [-p N] [-n N] [-r N]
              [--folder DIR] [--build DIR] [--skip-tokenizer]

--peer names a built llama-bench (CPU only); without it there is no second column. mid (2.6 GB) and full (18.6 GB) are
written into --folder (default: build/bench) by tools/make_gguf.py if they are not there. What it prints is Markdown, for
docs/performance.md. Nothing here is a test: a shared machine is noisy, so quote ratios, and run it twice.
"""

import argparse
import json
import lzma
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def output_of(command, **kwargs):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, **kwargs).stdout


def cpu_name():
    match = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return match.group(1) if match else platform.processor()


def model_file(name, folder):
    if name == "demo":
        return ROOT / "models/demo-moe-coder-34m-q4_k_m.gguf"
    path = folder / f"{name}.gguf"
    if not path.exists():
        tokenizer = folder / "tokenizer"
        tokenizer.mkdir(parents=True, exist_ok=True)
        packed = ROOT / "tests/data/tokenizer/qwen3-tokenizer.json.xz"
        (tokenizer / "tokenizer.json").write_bytes(lzma.open(packed).read())
        (tokenizer / "tokenizer_config.json").write_text("{}")
        partial = path.with_suffix(".partial")
        print(f"writing {path}", file=sys.stderr)
        output_of([sys.executable, ROOT / "tools/make_gguf.py", name, partial, "--tokenizer", tokenizer])
        partial.rename(path)
    return path


def wall_seconds(command, n_repeat):
    times = []
    for _ in range(n_repeat):
        start = time.perf_counter()
        output_of(command)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def ours(args, path, precision):
    command = [args.build / "tercet", "bench", "-m", path, "--precision", precision, "--threads", args.threads]
    report = json.loads(output_of(command + ["-p", args.prompt, "-n", args.decode, "-r", args.repeat, "--json"]))
    prefill, decode = report["results"]
    return prefill["tok_s"], decode["tok_s"], decode["bandwidth_share"], report["read_bytes_s"]


def peer(args, path):
    command = [args.peer, "-m", path, "-t", args.threads, "-fa", "1", "-ngl", "0", "-o", "json"]
    rows = json.loads(output_of(command + ["-p", args.prompt, "-n", args.decode, "-r", args.repeat]))
    median = lambda row: statistics.median(row["samples_ts"])
    return median(next(r for r in rows if r["n_gen"] == 0)), median(next(r for r in rows if r["n_gen"] > 0))


def measure_model(args, name):
    path = model_file(name, args.folder)
    path.open("rb").read(1)
    theirs = peer(args, path) if args.peer else None
    for precision in args.precisions.split(","):
        prefill, decode, share, reads = ours(args, path, precision)
        row = [name, precision, f"{prefill:.1f}", f"{decode:.1f}", f"{100 * share:.0f} % of {reads / 1e9:.1f} GB/s"]
        if theirs:
            row += [f"{theirs[0]:.1f}", f"{theirs[1]:.1f}", f"{prefill / theirs[0]:.2f}", f"{decode / theirs[1]:.2f}"]
        print("| " + " | ".join(row) + " |", flush=True)


def measure_load(args, name):
    path = model_file(name, args.folder)
    run = [args.build / "tercet", "run", "-m", path, "--tokens", "785", "-n", "1", "--temp", "0", "--ctx", "64", "--quiet",
           "--threads", args.threads]
    report = json.loads(output_of(run + ["--json"]))
    row = [name, f"{report['timings']['load_ms']:.0f} ms", f"{wall_seconds(run, 3):.2f} s"]
    if args.peer:
        command = [args.peer, "-m", path, "-t", args.threads, "-ngl", "0", "-p", "0", "-n", "1", "-r", "1", "--no-warmup"]
        row.append(f"{wall_seconds(command, 3):.2f} s")
    print("| " + " | ".join(row) + " |", flush=True)


def measure_tokenizer(args):
    oracle = args.build / "oracle/tokenizer"
    if not (oracle / "qwen3.gguf").exists():
        output_of(["ctest", "--test-dir", args.build, "-R", "^oracle.tokenizer$"])
    print("\n## Tokenizer, one thread\n\n```")
    print(output_of([sys.executable, ROOT / "bench/tokenizer.py", args.build / "bin/tokenizer_bench", oracle]) + "```")


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--models", default="demo,mid,full")
    parser.add_argument("--precisions", default="high,fast")
    parser.add_argument("--threads", default=len(os.sched_getaffinity(0)), type=int)
    parser.add_argument("-p", "--prompt", default=512, type=int)
    parser.add_argument("-n", "--decode", default=128, type=int)
    parser.add_argument("-r", "--repeat", default=3, type=int)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--skip-tokenizer", action="store_true")
    args = parser.parse_args()
    args.folder = args.folder or args.build / "bench"
    args.folder.mkdir(parents=True, exist_ok=True)
    return args


def main():
    args = parse_args()
    commit = output_of(["git", "-C", ROOT, "describe", "--always", "--dirty"]).strip()
    print(f"{cpu_name()}, {args.threads} threads, commit {commit}, load {os.getloadavg()[0]:.1f}")
    if not args.skip_tokenizer:
        measure_tokenizer(args)
    names = args.models.split(",")
    peer_head = (" llama.cpp prefill | decode | ratio | ratio |", " --- | --- | --- | --- |") if args.peer else ("", "")
    print(f"\n## Prefill {args.prompt} and decode {args.decode}, tok/s, medians of {args.repeat}\n")
    print(f"| model | precision | prefill | decode | decode's share of reads |{peer_head[0]}")
    print(f"| --- | --- | --- | --- | --- |{peer_head[1]}")
    for name in names:
        measure_model(args, name)
    print("\n## Load, warm cache: mapped and ready; whole process with one token\n")
    print("| model | load | whole |" + (" llama.cpp whole |" if args.peer else ""))
    print("| --- | --- | --- |" + (" --- |" if args.peer else ""))
    for name in names:
        measure_load(args, name)


if __name__ == "__main__":
    main()
