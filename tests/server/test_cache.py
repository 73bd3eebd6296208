"""The prefix cache as clients see it: how much of a prompt was there, and that no text is another for it."""

import json
import re
import tempfile
import pathlib
import unittest

from support import CHAT, READ_FILE, Server, WithServer, user

STORY = "The quick brown fox reads line %d of a file, and writes what it has read to another one. "
LONG = "".join(STORY % i for i in range(40))
BILLING = "x-anthropic-billing-header: cc_version=2.1.37.%s; cc_entrypoint=cli; cch=%s;"


def claude(billing, text="What does the fox do?", **more):
    return {"max_tokens": 8, "temperature": 0, "messages": user(text),
            "system": [{"type": "text", "text": billing}, {"type": "text", "text": "You are a coding agent. " + LONG,
                                                           "cache_control": {"type": "ephemeral"}}], **more}


def total(usage):
    return usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]


class Cache(WithServer, unittest.TestCase):
    options = ("--parallel", "4")

    def metric(self, name):
        text = self.server.request("GET", "/metrics")[2]
        return float(re.search(rf"(?m)^{name}\{{.*\}} ([0-9.e+]+)$", text)[1])

    def ask(self, messages, **more):
        status, answer = self.server.post(CHAT, {"messages": messages, "temperature": 0, "max_tokens": 30, **more})
        self.assertEqual(status, 200, answer)
        usage = answer["usage"]
        return answer["choices"][0]["message"]["content"], usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]

    def test_the_next_turn_of_a_conversation(self):
        messages = user("Turns. " + LONG)
        queries, hits = self.metric("vllm:prefix_cache_queries_total"), self.metric("vllm:prefix_cache_hits_total")
        text, first, cached = self.ask(messages)
        self.assertLess(cached, 30)  # what the template begins every prompt with
        second = [*messages, {"role": "assistant", "content": text}, *user("Go on.")]
        with_cache = self.ask(second)
        self.assertGreaterEqual(with_cache[2], first)
        self.assertGreater(with_cache[2], 0.9 * with_cache[1])
        without = self.ask(second, cache_prompt=False)
        self.assertEqual(without[2], 0)
        self.assertEqual(with_cache[:2], without[:2])
        self.assertEqual(self.metric("vllm:prefix_cache_queries_total") - queries, first + 2 * without[1])
        self.assertEqual(self.metric("tercet_prefix_cache_hits_total") - hits, cached + with_cache[2])
        self.assertGreater(self.metric("tercet_prefix_cache_pages"), 0)

    # To the last bit of what the API shows: the CPU's rows do not depend on how a prompt was cut.
    def test_the_probabilities_are_those_without_it(self):
        for n in range(1, 200, 23):
            prompt = {"prompt": [(7 * i + n) % 6000 for i in range(300)], "max_tokens": 4, "logprobs": 20, "seed": n, "ignore_eos": True,
                      "temperature": 1}
            shared = {**prompt, "prompt": prompt["prompt"][:n] + [5, 6], "max_tokens": 1}
            self.server.post("/v1/completions", shared)
            with_cache = self.server.post("/v1/completions", prompt)[1]
            again = self.server.post("/v1/completions", prompt)[1]
            without = self.server.post("/v1/completions", {**prompt, "cache_prompt": False})[1]
            self.assertGreaterEqual(with_cache["usage"]["prompt_tokens_details"]["cached_tokens"], n)
            self.assertEqual(again["usage"]["prompt_tokens_details"]["cached_tokens"], 299)
            self.assertEqual(with_cache["choices"], without["choices"])
            self.assertEqual(again["choices"], without["choices"])

    def test_a_line_that_changes_with_every_request_does_not_spoil_it(self):
        for streams in (False, True):
            usages = []
            for i in range(2):
                body = claude(BILLING % (f"a{i}", f"{i}{i}f0{streams}"), stream=streams, tools=[
                    {"name": "read_file", "description": "Reads a file.", "input_schema": READ_FILE["function"]["parameters"]}])
                status, answer = self.server.post("/v1/messages", body)
                self.assertEqual(status, 200, answer)
                if streams:
                    deltas = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith("data: ")]
                    answer = next(d for d in deltas if d["type"] == "message_delta")
                usages.append(answer["usage"])
            self.assertEqual(total(usages[0]), total(usages[1]))
            self.assertGreaterEqual(usages[1]["cache_read_input_tokens"], 0.95 * total(usages[1]))
            self.assertGreater(usages[1]["input_tokens"], 0)
            count = self.server.post("/v1/messages/count_tokens", body)[1]["input_tokens"]
            self.assertEqual(count, total(usages[1]))

    # Only that line, only where it stands, and only in the system prompt.
    def test_what_is_no_such_line_stays(self):
        def count(system, text="a"):
            return self.server.post("/v1/messages/count_tokens", {"messages": user(text), "system": system})[1]["input_tokens"]
        plain = count("Be short.")
        self.assertEqual(count(BILLING % ("a", "b") + "\nBe short."), plain)
        self.assertEqual(count([{"type": "text", "text": BILLING % ("a", "b")}, {"type": "text", "text": "Be short."}]), plain)
        self.assertGreater(count("Be short.\n" + BILLING % ("a", "b")), plain)
        self.assertGreater(count("Be short.", BILLING % ("a", "b")), plain)

    def test_progress_says_what_was_there(self):
        body = {"messages": user("Progress. " + LONG), "max_tokens": 1, "stream": True, "return_progress": True}
        for again in (False, True):
            status, answer = self.server.post(CHAT, body)
            self.assertEqual(status, 200)
            steps = [json.loads(line[6:])["prompt_progress"] for line in answer.splitlines() if "prompt_progress" in line]
            self.assertEqual(steps[-1]["processed"], steps[-1]["total"])
            self.assertEqual(steps[0]["cache"] > 0.9 * steps[0]["total"], again, steps)
            self.assertGreater(steps[0]["processed"], steps[0]["cache"])
            self.assertGreaterEqual(steps[-1]["time_ms"], 0)

    def test_several_choices_and_prompts(self):
        prompt = [11] * 150
        answer = self.server.post("/v1/completions", {"prompt": [prompt, prompt + [12]], "n": 2, "max_tokens": 2})[1]
        self.assertEqual(answer["usage"]["prompt_tokens"], 301)
        answer = self.server.post("/v1/completions", {"prompt": [prompt, prompt + [12]], "n": 2, "max_tokens": 2})[1]
        self.assertEqual(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 299)


class Options(unittest.TestCase):
    def test_none(self):
        server = Server("--no-prefix-cache")
        try:
            for _ in range(2):
                usage = server.post(CHAT, {"messages": user(LONG), "max_tokens": 1})[1]["usage"]
                self.assertEqual(usage["prompt_tokens_details"]["cached_tokens"], 0)
            self.assertIn('tercet_prefix_cache_queries_total{model_name="', server.request("GET", "/metrics")[2])
        finally:
            self.assertEqual(server.stop()[0], 0)

    # How much of a prompt was there says what somebody asked before: each key sees its own.
    def test_keys_do_not_share_it(self):
        with tempfile.TemporaryDirectory() as folder:
            keys = pathlib.Path(folder) / "keys"
            keys.write_text("ann:one\nbob:two\n")
            server = Server("--api-key-file", str(keys))
            try:
                cached = []
                for key in ("one", "two", "one"):
                    answer = server.post(CHAT, {"messages": user(LONG), "max_tokens": 1}, headers={"x-api-key": key})[1]
                    cached.append(answer["usage"]["prompt_tokens_details"]["cached_tokens"])
                self.assertEqual(cached[:2], [0, 0])
                self.assertGreater(cached[2], 100)
            finally:
                self.assertEqual(server.stop()[0], 0)


if __name__ == "__main__":
    unittest.main()
