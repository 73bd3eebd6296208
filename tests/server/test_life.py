"""Many clients at once, the queue's end, keys, metrics, the log, and how the server ends."""

import concurrent.futures
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from support import CHAT, PROGRAM, Server, WithServer, user


WALL = 0x40000000  # of waitpid: threads too


def stop_thread(process, name, others_go_on):
    """Stops one thread of a process, as a debugger does, until the process ends, and gives its id. One that happens to hold
    a lock which the others want goes on for a moment, until they go on without it."""
    thread = next(int(task.name) for task in pathlib.Path(f"/proc/{process}/task").iterdir()
                  if (task / "comm").read_text().strip() == name)
    libc = ctypes.CDLL(None, use_errno=True)

    def ptrace(request):
        if libc.ptrace(ctypes.c_long(request), ctypes.c_long(thread), None, None) != 0:
            raise PermissionError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    seize, interrupt, go_on = 0x4206, 0x4207, 7
    ptrace(seize)
    while True:
        ptrace(interrupt)
        os.waitpid(thread, WALL)
        if others_go_on():
            return thread
        ptrace(go_on)
        time.sleep(0.01)


class Many(WithServer, unittest.TestCase):
    options = ("--parallel", "16", "--max-connections", "200")

    def ask(self, i, path_of=None):
        body = {"messages": user(f"Secret {i * 7919}: repeat it and write function number {i}."), "max_tokens": 6 + i % 7,
                "temperature": 0 if i % 2 else 0.9, "seed": i, "stream": i % 3 == 0}
        status, _, answer = self.server.request("POST", CHAT, body)
        if status != 200:
            return status, answer
        if not body["stream"]:
            return status, answer["choices"][0]["message"]["content"]
        lines = [line[6:] for line in answer.split("\n") if line.startswith("data: ")]
        self.assertEqual(lines[-1], "[DONE]")
        chunks = [json.loads(line) for line in lines[:-1]]
        return status, "".join(c["choices"][0]["delta"].get("content", "") for c in chunks)

    def test_64_clients_get_what_they_would_get_alone(self):
        alone = [self.ask(i) for i in range(64)]
        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            together = list(pool.map(self.ask, range(64)))
        self.assertEqual(together, alone)
        self.assertEqual({status for status, _ in alone}, {200})
        self.assertGreater(len({text for _, text in alone}), 16)

    def test_connections_beyond_the_limit_are_closed(self):
        sockets = []
        try:
            for _ in range(260):
                sockets.append(socket.create_connection((self.server.host, self.server.port)))
            closed = 0
            for sock in sockets:
                sock.settimeout(0.02)
                try:
                    closed += sock.recv(1) == b""
                except TimeoutError:
                    pass
                except ConnectionResetError:
                    closed += 1
            self.assertGreaterEqual(closed, 60)
        finally:
            for sock in sockets:
                sock.close()
        end = time.monotonic() + 30
        while True:
            try:
                if self.server.request("GET", "/health")[0] == 200:
                    break
            except OSError:
                pass
            self.assertLess(time.monotonic(), end)

    def test_metrics(self):
        self.ask(1)
        status, headers, text = self.server.request("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(headers["content-type"].startswith("text/plain"))
        for name in ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc",
                     "vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:time_to_first_token_seconds_bucket",
                     "vllm:e2e_request_latency_seconds_count", "tercet_first_token_seconds_sum", "tercet_requests_total",
                     "tercet_http_responses_total", "tercet_connections"):
            self.assertRegex(text, rf"(?m)^{name}\{{?.* [0-9.e+-]+$")
        tokens = re.search(r"(?m)^tercet_output_tokens_total\{.*\} ([0-9.e+]+)$", text)
        self.assertGreater(float(tokens[1]), 0)

    def test_props_and_tokens(self):
        props = self.server.request("GET", "/props")[2]
        self.assertEqual(props["n_ctx"], 2048)
        self.assertEqual(props["total_slots"], 16)
        self.assertIn("temperature", props["default_sampling"])
        text = "def f(x):\n    return \u00e9\u4e2d<|im_end|>"
        tokens = self.server.post("/tokenize", {"content": text})[1]["tokens"]
        self.assertEqual(self.server.post("/detokenize", {"tokens": tokens})[1]["content"], text)
        plain = self.server.post("/tokenize", {"content": text, "parse_special": False})[1]["tokens"]
        self.assertGreater(len(plain), len(tokens))
        self.assertEqual(self.server.post("/detokenize", {"tokens": plain})[1]["content"], text)


class Life(unittest.TestCase):
    def start(self, *options, **more):
        server = Server(*options, **more)
        self.addCleanup(server.process.kill)
        self.addCleanup(lambda: server.process.poll() is None and server.stop())
        return server

    def stop(self, server, is_told=False):
        code, errors = server.stop(is_told)
        self.assertEqual(code, 0, errors[-2000:])
        return errors

    def test_a_full_queue_says_when_to_come_again(self):
        server = self.start("--parallel", "1", "--queue", "1")
        body = {"messages": user("Count."), "ignore_eos": True, "stream": True, "temperature": 0}
        sockets = []
        for _ in range(2):
            data = json.dumps(body).encode()
            sock = socket.create_connection((server.host, server.port))
            sock.sendall(b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            self.assertTrue(sock.recv(16).startswith(b"HTTP/1.1 200"))
            sockets.append(sock)
        status, headers, answer = server.request("POST", CHAT, {"messages": user("a"), "max_tokens": 1})
        self.assertEqual((status, answer["error"]["code"]), (429, "queue_full"))
        self.assertGreater(int(headers["retry-after"]), 0)
        status, headers, answer = server.request("POST", "/v1/messages", {"messages": user("a"), "max_tokens": 1})
        self.assertEqual((status, answer["error"]["type"]), (529, "overloaded_error"))
        for sock in sockets:
            sock.close()
        end = time.monotonic() + 60
        while server.request("POST", CHAT, {"messages": user("a"), "max_tokens": 1})[0] != 200:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        self.stop(server)

    def test_keys_are_read_again(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "keys"
            path.write_text("ann:one\n")
            server = self.start("--api-key-file", str(path), "--log-format", "json")
            self.assertEqual(server.request("GET", "/v1/models")[0], 401)
            self.assertEqual(server.request("GET", "/metrics")[0], 401)
            self.assertEqual(server.request("GET", "/v1/models", headers={"Authorization": "Bearer one"})[0], 200)
            path.write_text("ann:two\n")
            server.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + 30
            while server.request("GET", "/v1/models", headers={"x-api-key": "two"})[0] != 200:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)
            self.assertEqual(server.request("GET", "/v1/models", headers={"x-api-key": "one"})[0], 401)
            server.request("POST", CHAT, {"messages": user("my secret words"), "max_tokens": 1},
                           headers={"x-api-key": "two", "x-request-id": "abc-1", "traceparent": "00-1-2-01"})
            errors = self.stop(server)
            lines = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
            line = next(line for line in lines if line["request_id"] == "abc-1")
            self.assertEqual((line["status"], line["key"], line["traceparent"]), (200, "ann", "00-1-2-01"))
            self.assertNotIn("secret words", errors)

    def test_a_log_that_nobody_reads_holds_up_nobody(self):
        server = self.start("--log-format", "json")
        connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
        for _ in range(3000):  # a pipe holds the lines of a few hundred
            connection.request("GET", "/v1/models", headers={"Connection": "keep-alive"})
            response = connection.getresponse()
            self.assertEqual((response.status, len(response.read()) > 10), (200, True))
        connection.close()
        text = server.request("GET", "/metrics")[2]
        dropped = float(re.search(r"(?m)^tercet_log_lines_dropped_total\{.*\} ([0-9.e+]+)$", text)[1])
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(timeout=60), 0)  # with the pipe still full
        lines = server.process.stderr.read().splitlines()
        seen = [json.loads(line) for line in lines if line.startswith('{"time"') and line.endswith("}")]
        self.assertGreater(len(seen), 100)
        self.assertGreater(dropped, 100)
        self.assertLess(len(seen) + dropped, 3200)

    def test_draining_finishes_and_refuses(self):
        server = self.start("--parallel", "2")
        data = json.dumps({"messages": user("Count."), "ignore_eos": True, "stream": True, "max_tokens": 60}).encode()
        with socket.create_connection((server.host, server.port), timeout=240) as sock:
            sock.sendall(b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            text = sock.recv(4096)
            server.process.send_signal(signal.SIGTERM)
            # A new request is refused or finds nobody; the old one runs to its end.
            status = 200
            while status == 200:
                try:
                    status = server.request("GET", "/v1/models", timeout=60)[0]
                except OSError:
                    status = 503
            self.assertEqual(status, 503)
            while part := sock.recv(65536):
                text += part
        self.assertIn(b"data: [DONE]", text)
        self.assertIn(b'"finish_reason":"length"', text)
        self.stop(server, is_told=True)

    def test_draining_has_an_end(self):
        server = self.start("--parallel", "1", "--drain-timeout", "0")
        data = json.dumps({"messages": user("Count."), "ignore_eos": True, "stream": True}).encode()
        with socket.create_connection((server.host, server.port), timeout=240) as sock:
            sock.sendall(b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            sock.recv(64)
            self.stop(server)

    def test_the_end_while_it_loads(self):
        # It loads only after it has said where it listens, for which this pipe has no room.
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while os.write(writer, b"x" * 4096):
                pass
        os.set_blocking(writer, True)
        process = subprocess.Popen([PROGRAM, "serve", "--demo", "--port", "0", "--backend", "cpu"], stdout=writer,
                                   stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        os.close(writer)
        caught = 1 << (signal.SIGTERM - 1)
        while not int(re.search(r"SigCgt:\s*(\w+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1], 16) & caught:
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 0)
        process.stderr.close()
        os.close(reader)

    def test_a_step_that_hangs_ends_the_program(self):
        server = self.start("--watchdog", "6", "--quiet")
        data = json.dumps({"messages": user("Count."), "ignore_eos": True, "stream": True}).encode()
        with socket.create_connection((server.host, server.port), timeout=240) as sock:
            sock.sendall(b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            text = b""
            while text.count(b"data: ") < 4:  # the first says whose turn it is, and waits for no step
                text += sock.recv(4096)
                self.assertTrue(text.startswith(b"HTTP/1.1 200"))

            def answers():
                with contextlib.suppress(TimeoutError):
                    return server.request("GET", "/health", timeout=1)[0] in (200, 503)

            try:
                engine = stop_thread(server.process.pid, "tercet-engine", answers)
            except PermissionError as refused:
                self.skipTest(f"ptrace: {refused}")

            def reap():
                # A process has ended only once whoever traces its threads has taken them.
                server.process.kill()
                with contextlib.suppress(ChildProcessError):
                    while True:
                        os.waitpid(engine, WALL)

            self.addCleanup(reap)
            status = None
            with contextlib.suppress(OSError, http.client.HTTPException):  # it ends soon after
                while status != "stuck":
                    status = server.request("GET", "/health")[2]["status"]
                    time.sleep(0.02)
            self.assertEqual(status, "stuck")
            while True:
                how = os.waitpid(engine, WALL)[1]
                self.assertFalse(os.WIFSIGNALED(how), how)
                if os.WIFEXITED(how):
                    break
        code, errors = server.stop()
        self.assertEqual(code, 1)
        self.assertRegex(errors, r"tercet: error: backend cpu: step \d+ has taken \d+\.\d s with 1 requests running and 0 waiting")

    def test_sigterm_under_load(self):
        server = self.start("--parallel", "4")
        statuses, cut = [], []

        def ask(streams):
            try:
                while server.process.poll() is None:
                    status, answer = server.post(CHAT, {"messages": user("a"), "max_tokens": 3, "stream": streams})
                    statuses.append(status)
                    if status == 200 and streams and not answer.endswith("data: [DONE]\n\n"):
                        cut.append(answer)
            except http.client.BadStatusLine:
                pass  # it closed before it answered
            except (http.client.HTTPException, ValueError) as broken:
                cut.append(broken)
            except OSError:
                pass

        threads = [threading.Thread(target=ask, args=(i % 2 == 0,)) for i in range(8)]
        for thread in threads:
            thread.start()
        while len(statuses) < 16:
            time.sleep(0.01)
        self.stop(server)
        for thread in threads:
            thread.join()
        self.assertLessEqual(set(statuses), {200, 503})
        self.assertEqual(cut, [])

    def test_what_is_refused_at_the_start(self):
        def fails(*options, code=2, env=None):
            done = subprocess.run([PROGRAM, "serve", *options], capture_output=True, text=True, timeout=240,
                                  env={**os.environ, **(env or {})})
            self.assertEqual(done.returncode, code, done.stderr)
            return done.stderr
        self.assertIn("--demo", fails())
        self.assertIn("--allow-open", fails("--demo", "--host", "0.0.0.0", "--port", "0"))
        self.assertIn("--host: name", fails("--demo", "--host", "name", "--port", "0"))
        self.assertIn("--api-key-file", fails("--demo", "--port", "0", "--api-key-file", "/no/such/file"))
        self.assertIn("--port", fails("--demo", "--port", "65536"))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.assertIn("port", fails("--demo", "--port", str(taken.getsockname()[1]), code=1))


if __name__ == "__main__":
    unittest.main()
