"""Anthropic's API as its own Python package sees it."""

import unittest

import anthropic
from support import ANSWER_S, WithServer, user

TOOL = {"name": "read_file", "description": "Reads a file.",
        "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}}


class Anthropic(WithServer, unittest.TestCase):
    options = ("--parallel", "2", "--api-key", "secret-key")

    def setUp(self):
        self.client = anthropic.Anthropic(base_url=self.server.url, api_key="secret-key", timeout=ANSWER_S, max_retries=0)
        self.addCleanup(self.client.close)
        self.common = {"model": "m", "max_tokens": 12, "extra_body": {"temperature": 0}}

    def create(self, messages, **more):
        return self.client.messages.create(messages=messages, **{**self.common, **more})

    def test_whole(self):
        answer = self.create(user("Write a function."), system="Be brief.")
        self.assertEqual((answer.type, answer.role), ("message", "assistant"))
        self.assertEqual(len(answer.content), 1)
        self.assertIn(answer.stop_reason, ("max_tokens", "end_turn"))
        self.assertGreater(answer.usage.input_tokens + answer.usage.cache_read_input_tokens, 5)
        self.assertLessEqual(answer.usage.output_tokens, 12)
        self.assertEqual(answer.usage.cache_creation_input_tokens, 0)

    def test_stream_is_the_whole(self):
        whole = self.create(user("Write a function."))
        with self.client.messages.stream(messages=user("Write a function."), **self.common) as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_message()
        self.assertEqual(final.content[0].text, whole.content[0].text)
        self.assertEqual(final.stop_reason, whole.stop_reason)
        self.assertEqual(final.usage.output_tokens, whole.usage.output_tokens)
        self.assertEqual(kinds[0], "message_start")
        self.assertEqual(kinds[-1], "message_stop")
        self.assertEqual(kinds.count("content_block_start"), kinds.count("content_block_stop"))

    def test_stop_sequence(self):
        text = self.create(user("Write a function.")).content[0].text
        stop = text[len(text) // 2:][:3]
        answer = self.create(user("Write a function."), stop_sequences=[stop])
        self.assertEqual((answer.stop_reason, answer.stop_sequence), ("stop_sequence", stop))

    def test_tools_there_and_back(self):
        choice = {"type": "tool", "name": "read_file"}
        more = {"tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}], "tool_choice": choice, "max_tokens": 60}
        answer = self.create(user("Read main.py"), **more)
        call = next(block for block in answer.content if block.type == "tool_use")
        self.assertEqual(call.name, "read_file")
        self.assertIsInstance(call.input, dict)
        with self.client.messages.stream(messages=user("Read main.py"), **{**self.common, **more}) as stream:
            final = stream.get_final_message()
        self.assertEqual(next(b for b in final.content if b.type == "tool_use").input, call.input)
        back = [*user("Read main.py"), {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": ""}, {"type": "redacted_thinking", "data": "x"}, *answer.content]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "print(1)"}]},
                {"type": "text", "text": "And now?"}]}]
        self.assertTrue(self.create(back, tools=[TOOL]).content)

    def test_count(self):
        count = self.client.messages.count_tokens(model="m", messages=user("Write a function."), system="Be brief.")
        answer = self.create(user("Write a function."), system=[{"type": "text", "text": "Be brief."}])
        self.assertEqual(count.input_tokens, answer.usage.input_tokens + answer.usage.cache_read_input_tokens)

    def test_errors(self):
        with self.assertRaises(anthropic.BadRequestError) as caught:
            self.create(user("word " * 3000))
        self.assertRegex(str(caught.exception), r"prompt is too long: \d+ tokens > 2048 maximum")
        with self.assertRaises(anthropic.BadRequestError) as caught:
            self.create([{"role": "user", "content": [{"type": "image", "source": {}}]}])
        self.assertIn("messages[0].content[0].type", str(caught.exception))
        other = anthropic.Anthropic(base_url=self.server.url, api_key="wrong", max_retries=0)
        self.addCleanup(other.close)
        with self.assertRaises(anthropic.AuthenticationError) as caught:
            other.messages.create(messages=user("a"), **self.common)
        self.assertEqual(caught.exception.body["error"]["type"], "authentication_error")
        status, answer = self.server.post("/v1/messages", {"messages": user("a")}, headers={"x-api-key": "secret-key"})
        self.assertEqual((status, answer["type"]), (400, "error"))
        self.assertIn("max_tokens", answer["error"]["message"])


if __name__ == "__main__":
    unittest.main()
