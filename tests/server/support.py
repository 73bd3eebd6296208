"""What the server's tests share: a `tercet serve` of the demo model on a port of its own, ended with SIGTERM."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time

PROGRAM = os.environ["TERCET_PROGRAM"]
START_S = 120  # also with sanitizers on a machine that is busy
ANSWER_S = 240


class Server:
    def __init__(self, *options, env=None, stderr=subprocess.PIPE):
        command = [PROGRAM, "serve", "--demo", "--port", "0", "--backend", "cpu", "--threads", "2", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True,
                                        env={**os.environ, **(env or {})})
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError(f"no server: {line!r} {self.process.communicate()}")
        self.url = line.split()[-1]
        self.host, port = self.url.removeprefix("http://").rsplit(":", 1)
        self.port = int(port)
        self.wait_ready()

    def wait_ready(self):
        end = time.monotonic() + START_S
        while self.request("GET", "/health")[0] != 200:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the server did not become ready")
            time.sleep(0.05)

    def request(self, method, path, body=None, headers=None, timeout=ANSWER_S):
        """Status, headers and the body: JSON if it is."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            data = json.dumps(body) if isinstance(body, (dict, list)) else body
            connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            text = response.read()
            fields = {k.lower(): v for k, v in response.getheaders()}
            is_json = fields.get("content-type", "").startswith("application/json")
            return response.status, fields, json.loads(text) if is_json and text else text.decode()
        finally:
            connection.close()

    def post(self, path, body, **more):
        status, _, answer = self.request("POST", path, body, **more)
        return status, answer

    def raw(self, data, timeout=30):
        """All that comes back until the server closes, for bytes that no client would send."""
        with socket.create_connection((self.host, self.port), timeout=timeout) as sock:
            sock.sendall(data)
            parts = []
            with contextlib.suppress(ConnectionResetError):
                while part := sock.recv(65536):
                    parts.append(part)
            return b"".join(parts)

    def stop(self, is_told=False):
        """The exit code, and what stood on stderr. `is_told`: it was sent the signal before; a second would cut it short."""
        if self.process.poll() is None and not is_told:
            self.process.send_signal(signal.SIGTERM)
        try:
            _, errors = self.process.communicate(timeout=START_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, errors


class WithServer:
    """A mixin: one server for all tests of a class. It has to end cleanly, which under sanitizers means: without a report."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.options)

    @classmethod
    def tearDownClass(cls):
        code, errors = cls.server.stop()
        assert code == 0, f"exit code {code}: {errors[-2000:]}"


CHAT = "/v1/chat/completions"


def user(text):
    return [{"role": "user", "content": text}]


READ_FILE = {"type": "function", "function": {
    "name": "read_file", "description": "Reads a file.",
    "parameters": {"type": "object", "properties": {"path": {"type": "string"}, "line": {"type": "integer"}},
                   "required": ["path"]}}}
