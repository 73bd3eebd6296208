"""Crowds and long runs: secrets that many clients have at once, memory over many requests, idle connections, a full disk.

TERCET_ENDURANCE=long takes minutes instead of seconds.
"""

import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import resource
import socket
import string
import time
import unittest

from support import CHAT, Server, user

IS_LONG = os.environ.get("TERCET_ENDURANCE") == "long"


class Endurance(unittest.TestCase):
    def start(self, *options, **more):
        server = Server(*options, **more)
        self.addCleanup(server.process.kill)
        return server

    def stop(self, server):
        code, errors = server.stop()
        self.assertEqual(code, 0, (errors or "")[-4000:])

    def figure(self, server, name):
        text = server.request("GET", "/metrics")[2]
        return float(re.search(rf"(?m)^{name}\{{.*\}} ([0-9.e+]+)$", text)[1])

    def test_no_secret_crosses(self):
        """The demo model copies what it has read, so that a page of another's would show in the answer."""
        n_client, n_round = 64, 40 if IS_LONG else 2
        letters = random.Random(7)
        secrets = ["".join(letters.choice(string.ascii_lowercase) for _ in range(6)) for _ in range(n_client)]
        head = "# The configuration of the service.\n" * 10  # more than a page that all have in common
        server = self.start("--parallel", "8", "--ctx", "512")  # few pages: they change hands all the time

        def ask(client):
            secret, texts = secrets[client], []
            text = head + f'PASSWORD = "{secret}"\n' + f'USER = "ann"\nassert PASSWORD == "{secret}"\n' * 2
            connection = http.client.HTTPConnection(server.host, server.port, timeout=240)
            for turn in range(n_round):
                text += 'assert PASSWORD == "' if turn == 0 else f'"\nUSER = "ann{turn}"\nassert PASSWORD == "'
                text = head + text[-500:].partition("\n")[2] if len(text) > 900 else text
                body = {"prompt": text, "max_tokens": 7, "temperature": 0, "n": 1 + client % 2, "stream": False}
                connection.request("POST", "/v1/completions", json.dumps(body))
                response = connection.getresponse()
                answer = json.loads(response.read())
                self.assertEqual(response.status, 200, answer)
                texts += [choice["text"] for choice in answer["choices"]]
                text += secret
            connection.close()
            return texts

        with concurrent.futures.ThreadPoolExecutor(n_client) as pool:
            answers = list(pool.map(ask, range(n_client)))
        n_own = n_answer = 0
        for client, texts in enumerate(answers):
            for text in texts:
                n_answer += 1
                n_own += secrets[client] in text
                for other, secret in enumerate(secrets):
                    self.assertTrue(other == client or secret not in text, (client, other, text))
        self.assertGreater(n_own, n_answer / 2)  # it does copy
        self.assertGreater(self.figure(server, "tercet_prefix_cache_hits_total"), 0)
        self.assertGreater(self.figure(server, "tercet_prefix_cache_evictions_total"), 0)
        self.stop(server)

    def test_memory_stays_flat(self):
        n_warm, n_request = (2000, 20000) if IS_LONG else (500, 1000)
        bytes_each = 500 if IS_LONG else 8000  # at most: what is kept of requests, or malloc's own moods
        server = self.start("--parallel", "4", "--ctx", "512")
        if b"__asan_init" in pathlib.Path(f"/proc/{server.process.pid}/exe").read_bytes():
            self.skipTest("the sanitizer keeps what was freed")

        def resident():
            status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
            return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

        def work(first, n):
            connection = http.client.HTTPConnection(server.host, server.port, timeout=240)
            for i in range(first, first + n):
                body = {"messages": user(f"Number {i * 7919 % 100003}."), "max_tokens": 1 + i % 3, "stream": i % 4 == 1,
                        "temperature": 1}
                path = [CHAT, "/v1/messages", CHAT, "/v1/completions", "/tokenize"][i % 5]
                if path == "/v1/completions":
                    body = {"prompt": body["messages"][0]["content"], "max_tokens": 2, "n": 2, "logprobs": 2}
                elif path == "/tokenize":
                    body = {"content": "a b c"} if i % 2 else {"content": i}  # wrong: 400
                elif i % 16 == 0:
                    body["response_format"] = {"type": "json_object"}
                connection.request("POST", path, json.dumps(body))
                response = connection.getresponse()
                self.assertIn(response.status, (200, 400), response.read())
                response.read()
                if i % 50 == 0:  # one who goes in the midst
                    body = json.dumps({"messages": user("Count."), "stream": True, "ignore_eos": True}).encode()
                    with socket.create_connection((server.host, server.port)) as sock:
                        sock.sendall(b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
                                     + body)
                        sock.recv(300)
            connection.close()

        def crowd(first, n):
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                for done in [pool.submit(work, first + k * n // 4, n // 4) for k in range(4)]:
                    done.result()

        crowd(0, n_warm)
        before = resident()
        start = time.monotonic()
        crowd(n_warm, n_request)
        after = resident()
        print(f"memory: {before} bytes after {n_warm} requests, {after} after {n_request} more, {(after - before) / n_request:.0f} bytes "
              f"each, in {time.monotonic() - start:.0f} s")
        self.assertLess(after - before, n_request * bytes_each)
        self.stop(server)

    def test_idle_connections_cost_nobody_an_answer(self):
        n_idle = 2000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < n_idle + 200:
            self.skipTest(f"RLIMIT_NOFILE: {hard}, want {n_idle + 200}")
        server = self.start("--max-connections", str(n_idle + 50))
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, n_idle + 200), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with contextlib.ExitStack() as idle:
            for _ in range(n_idle):
                idle.enter_context(socket.create_connection((server.host, server.port), timeout=60))
            status, answer = server.post(CHAT, {"messages": user("a"), "max_tokens": 2})
            self.assertEqual(status, 200, answer)
            self.assertGreater(self.figure(server, "tercet_connections"), n_idle)
        end = time.monotonic() + 60
        while self.figure(server, "tercet_connections") > 2:
            self.assertLess(time.monotonic(), end, "connections that were closed are still counted")
            time.sleep(0.05)
        self.stop(server)

    def test_a_full_disk_beneath_the_log(self):
        with open("/dev/full", "wb") as full:
            server = self.start(stderr=full)
            for _ in range(20):
                self.assertEqual(server.post(CHAT, {"messages": user("a"), "max_tokens": 1})[0], 200)
            self.assertGreaterEqual(self.figure(server, "tercet_log_lines_dropped_total"), 20)
            self.stop(server)


if __name__ == "__main__":
    unittest.main()
