"""Input that no honest client sends, and clients that go: an answer in the API's form or an end, and a server that lives."""

import json
import random
import socket
import struct
import time
import unittest

from support import CHAT, READ_FILE, WithServer, user


class Hostile(WithServer, unittest.TestCase):
    options = ("--parallel", "2")

    def tearDown(self):
        status, _, answer = self.server.request("GET", "/health")
        self.assertEqual((status, answer["status"]), (200, "ok"))

    def status_of(self, data):
        answer = self.server.raw(data)
        return int(answer.split()[1]) if answer else None

    def assert_refused(self, body, param, path=CHAT, status=400):
        seen, answer = self.server.post(path, body)
        self.assertEqual(seen, status, (body, answer))
        self.assertEqual(answer["error"]["param"], param, answer)
        self.assertIn(param, answer["error"]["message"])

    def test_wrong_types_name_their_field(self):
        good = {"messages": user("a"), "max_tokens": 1}
        wrong = {"messages": ["x", {}, 1, True, []], "model": [1, [], {}], "max_tokens": ["1", 1.5, -2, [], 2**70, {}],
                 "max_completion_tokens": ["x", -1], "temperature": ["x", -1, [], 1e9], "top_p": ["x", 2, -0.1],
                 "top_k": ["x", 1.5, -2], "min_p": ["x", 7], "seed": ["x", 1.5, []], "n": [0, "x", 10**6, 1.5],
                 "stop": [1, {}], "stream": ["yes", 1], "stream_options": [1, []], "logprobs": [1, "x"],
                 "top_logprobs": ["x", 21, -1], "logit_bias": [[], "x", 1], "tools": ["x", {}], "tool_choice": [1, "some"],
                 "parallel_tool_calls": ["x", 0], "presence_penalty": ["x"], "frequency_penalty": [[]],
                 "repetition_penalty": [0, "x"], "chat_template_kwargs": ["x", []], "response_format": ["json"],
                 "ignore_eos": [1]}
        for field, values in wrong.items():
            for value in values:
                with self.subTest(field=field, value=value):
                    self.assert_refused({**good, field: value}, field)
            with self.subTest(field=field, value=None):
                status, answer = self.server.post(CHAT, {**good, field: None})
                self.assertEqual(status, 400 if field == "messages" else 200, answer)

    def test_wrong_types_inside(self):
        for messages, param in [
                ([1], "messages[0]"), ([{"role": 1}], "messages[0].role"), ([{"role": "cat"}], "messages[0].role"),
                ([*user("a"), {"role": "user", "content": 1}], "messages[1].content"),
                ([{"role": "user", "content": [{"type": "text", "text": 1}]}], "messages[0].content[0].text"),
                ([{"role": "assistant", "tool_calls": 1}], "messages[0].tool_calls"),
                ([{"role": "assistant", "tool_calls": [{"function": {"name": 1}}]}], "messages[0].tool_calls[0].function.name")]:
            with self.subTest(param=param):
                self.assert_refused({"messages": messages, "max_tokens": 1}, param)
        self.assert_refused({"messages": user("a"), "stop": ["a", 1]}, "stop[1]")
        self.assert_refused({"messages": user("a"), "logit_bias": {"x": 1}}, "logit_bias")
        self.assert_refused({"messages": user("a"), "logit_bias": {"1": "x"}}, "logit_bias.1")
        self.assert_refused({"messages": user("a"), "tools": [{"type": "function"}]}, "tools[0].function")
        self.assert_refused({"prompt": [1, "a"]}, "prompt[1]", "/v1/completions")
        self.assert_refused({"prompt": [[1], [999999]]}, "prompt[1][0]", "/v1/completions")
        self.assert_refused({"prompt": []}, "prompt", "/v1/completions")
        self.assert_refused({"tokens": [1, -1]}, "tokens[1]", "/detokenize")

    def test_bodies_that_are_no_json(self):
        for body in (b"", b"{", b"[]", b"null", b'{"messages": "\xff\xfe"}', b'{"a": "\xed\xa0\x80"}', b"{}garbage",
                     b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}", b'{"a":' * 70 + b"1" + b"}" * 70):
            for path in (CHAT, "/v1/messages", "/tokenize"):
                status, answer = self.server.post(path, body)
                self.assertEqual(status, 400, body[:20])
                self.assertIn("error", answer)

    def test_sizes(self):
        self.assertEqual(self.status_of(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20000 + b"\r\n\r\n"), 431)
        self.assertEqual(self.status_of(b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"), 413)
        status, answer = self.server.post("/tokenize", json.dumps({"content": "a " * 500000}))
        self.assertEqual((status, answer["count"] > 400000), (200, True))
        status, answer = self.server.post("/tokenize", json.dumps({"content": "a" * (33 << 20)}))
        self.assertEqual((status, answer["error"]["code"]), (413, "body_too_large"))

    def test_malformed_http(self):
        post = b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\n"
        body = b'{"content":"a"}'
        for data, status in [
                (b"\x16\x03\x01\x02\x00\x01", 400), (b"GET\r\n\r\n", 400), (b"GET / HTTP/9.9\r\n\r\n", 400),
                (b"GET /health HTTP/1.1\r\n\r\n", 400),  # no Host
                (b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
                (post + b"Content-Length: 15\r\nContent-Length: 16\r\n\r\n" + body, 400),
                (post + b"Content-Length: 15\r\nTransfer-Encoding: chunked\r\n\r\n" + body, 400),
                (post + b"Transfer-Encoding: chunked\r\nContent-Length: 15\r\n\r\n" + body, 400),
                (post + b"Transfer-Encoding: gzip\r\nConnection: close\r\n\r\n" + body, 501),
                (post + b"Content-Length: -1\r\n\r\n" + body, 400), (post + b"Content-Length: 1e1\r\n\r\n" + body, 400),
                (post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
                (post + b"Content Length: 15\r\n\r\n" + body, 400)]:
            with self.subTest(data=data[:80]):
                self.assertEqual(self.status_of(data), status)

    def test_no_request_hides_in_another(self):
        """What a proxy in front might cut elsewhere is refused, and what follows on the connection is not read."""
        post = b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\n"
        body = b'{"content":"a"}'
        chunks = b"f\r\n" + body + b"\r\n0\r\n\r\n"
        hidden = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
        chunked = b"Transfer-Encoding: chunked\r\n"
        for head, content in [
                (b"Content-Length: 15\r\n" + chunked, body), (chunked + b"Content-Length: 15\r\n", chunks),
                (b"Content-Length: 15\r\nContent-Length: 15\r\n", body), (b"Content-Length: 15, 15\r\n", body),
                (b"Content-Length: 15\r\nContent-Length: 0\r\n", body), (b"Content-Length: +15\r\n", body),
                (b"Content-Length: 0x0f\r\n", body), (b"Content-Length: 15 0\r\n", body), (b"Content-Length:\r\n", body),
                (b"Content-Length : 15\r\n", body), (b"Content-Length\r\n", body), (b"Content-Length: 18446744073709551631\r\n", body),
                (b"X: a\r\n Content-Length: 15\r\n", body), (b"Content-Length:\r\n 15\r\n", body),  # a line that is folded
                (b"Transfer-Encoding: chunked, chunked\r\n", chunks), (b"Transfer-Encoding: identity, chunked\r\n", chunks),
                (b"Transfer-Encoding: xchunked\r\n", chunks), (chunked + chunked, chunks),
                (chunked + b"Transfer-Encoding: identity\r\n", chunks), (b"Transfer-Encoding : chunked\r\n", chunks),
                (b"Transfer-Encoding:\x0bchunked\r\n", chunks), (b"X\0Y: a\r\nContent-Length: 15\r\n", body),
                (chunked, b"-f\r\n" + body + b"\r\n0\r\n\r\n"), (chunked, b"0xf\r\n" + body + b"\r\n0\r\n\r\n"),
                (chunked, b"1000000000000000f\r\n" + body + b"\r\n0\r\n\r\n"), (chunked, b"f\r\n" + body + b"0\r\n\r\n"),
                (chunked, b"f\n" + body + b"\n0\n\n"), (chunked, b"e\r\n" + body + b"\r\n0\r\n\r\n"),
                (chunked, b"f x\r\n" + body + b"\r\n0\r\n\r\n")]:
            with self.subTest(head=head, content=content[:8]):
                answer = self.server.raw(post + head + b"\r\n" + content + hidden)
                self.assertRegex(answer, rb"^HTTP/1\.1 [45]\d\d ")
                self.assertEqual(answer.count(b"HTTP/1.1 "), 1, answer)
        # And a body where none is expected is a body, not the next request.
        answer = self.server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(hidden) + hidden
                                 + b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertEqual((answer.count(b"HTTP/1.1 200"), answer.count(b"HTTP/1.1 ")), (2, 2), answer)

    def test_absurd_amounts(self):
        status, answer = self.server.post(CHAT, {"messages": user("Count."), "max_tokens": 10**12, "temperature": 0})
        self.assertEqual(status, 200, answer)
        self.assertLess(answer["usage"]["total_tokens"], 2049)
        for path, body, refused in [(CHAT, {"messages": user("a"), "n": 10**9}, {400}),
                                    (CHAT, {"messages": user("a"), "n": 2**63}, {400}),
                                    ("/v1/completions", {"prompt": ["a"] * 5000, "max_tokens": 1}, {400, 429}),
                                    ("/v1/completions", {"prompt": ["a"] * 64, "n": 64, "max_tokens": 1}, {400, 429}),
                                    (CHAT, {"messages": user("a"), "max_tokens": 1, "stop": ["x"] * 10**5}, {400}),
                                    (CHAT, {"messages": user("a"), "timeout": 0}, {400}),
                                    (CHAT, {"messages": user("a"), "timeout": 1e300}, {400})]:
            status, answer = self.server.post(path, body)
            self.assertIn(status, refused, answer)
        self.assertEqual(self.server.request("GET", "/health")[2]["requests_waiting"], 0)

    def test_pipelined_and_chunked(self):
        body = b'{"content":"a"}'
        one = b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15\r\n\r\n" + body
        chunked = (b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                   b"5\r\n" + body[:5] + b"\r\na\r\n" + body[5:] + b"\r\n0\r\n\r\n")
        answer = self.server.raw(one * 3 + chunked)
        self.assertEqual(answer.count(b"HTTP/1.1 200"), 4)
        old = self.server.raw(b"GET /health HTTP/1.0\r\n\r\n")
        self.assertTrue(old.startswith(b"HTTP/1.0 200"), old)
        text = json.dumps({"messages": user("a"), "max_tokens": 2, "stream": True}).encode()
        stream = self.server.raw(b"POST " + CHAT.encode() + b" HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
        self.assertTrue(stream.endswith(b"data: [DONE]\n\n"), stream)

    def test_hosts_and_origins(self):
        for headers, status in [({"Host": "evil.example"}, 403), ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
                                ({"Host": "localhost:1"}, 200), ({"Origin": self.server.url}, 200)]:
            self.assertEqual(self.server.request("GET", "/v1/models", headers=headers)[0], status, headers)
        self.assertEqual(self.server.request("OPTIONS", CHAT, headers={"Origin": "http://evil.example"})[0], 403)
        status, headers, _ = self.server.request("OPTIONS", CHAT, headers={"Origin": self.server.url})
        self.assertEqual((status, headers["access-control-allow-origin"]), (204, self.server.url))

    def test_methods_and_paths(self):
        for method, path, status in [("GET", CHAT, 405), ("DELETE", "/v1/models", 405), ("GET", "/../etc/passwd", 404),
                                     ("GET", "/%00", 404), ("POST", "/v1/messages/other", 404), ("GET", "/v1/models?x=1", 200)]:
            self.assertEqual(self.server.request(method, path)[0], status, path)
        status, headers, text = self.server.request("HEAD", "/props", headers={"Accept": "*"})
        self.assertEqual((status, int(headers["content-length"]) > 100), (200, True))

    def test_bodies_cut_at_any_byte(self):
        text = json.dumps({"messages": user("a"), "max_tokens": 2}).encode()
        whole = b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(text) + text
        for n in range(0, len(whole), 7):
            with socket.create_connection((self.server.host, self.server.port)) as sock:
                sock.sendall(whole[:n])

    def test_clients_that_go_in_the_midst(self):
        body = json.dumps({"messages": user("Count."), "stream": True, "ignore_eos": True, "n": 2}).encode()
        head = b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        for n_byte in (0, 1, 100, 900, 4000):
            for resets in (False, True):
                with socket.create_connection((self.server.host, self.server.port)) as sock:
                    sock.sendall(head + body)
                    n = 0
                    while n < n_byte:
                        n += len(sock.recv(512))
                    if resets:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Each of those would have run for 2,000 tokens; they are gone long before.
        end = time.monotonic() + 60
        while self.server.request("GET", "/health")[2]["requests_running"] > 0:
            self.assertLess(time.monotonic(), end, "requests of clients that went still run")
            time.sleep(0.05)

    def test_a_client_that_waits_and_goes(self):
        body = json.dumps({"messages": user("Count."), "ignore_eos": True}).encode()
        with socket.create_connection((self.server.host, self.server.port)) as sock:
            sock.sendall(b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            while self.server.request("GET", "/health")[2]["requests_running"] == 0:
                time.sleep(0.01)
        end = time.monotonic() + 60
        while self.server.request("GET", "/health")[2]["requests_running"] > 0:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def test_mutated_requests(self):
        good = json.dumps({"messages": [*user("a"), {"role": "assistant", "tool_calls": [
            {"id": "1", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]}, {"role": "tool", "content": "x"}],
            "tools": [READ_FILE], "max_tokens": 1, "stop": ["x"], "logit_bias": {"5": 1}, "seed": 1}).encode()
        random_bytes = random.Random(5)
        seen = set()
        for _ in range(300):
            data = bytearray(good)
            for _ in range(random_bytes.randint(1, 4)):
                at = random_bytes.randrange(len(data))
                data[at:at + random_bytes.randint(0, 3)] = random_bytes.randbytes(random_bytes.randint(0, 2))
            seen.add(self.server.post(CHAT, bytes(data))[0])
        self.assertEqual(seen, {200, 400})


if __name__ == "__main__":
    unittest.main()
