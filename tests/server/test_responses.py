"""OpenAI's Responses API as its own Python package sees it."""

import asyncio
import json
import unittest
from typing import Literal

import openai
import pydantic
from support import ANSWER_S, WithServer

TEXT = "Write a function that adds two numbers."
READ = {"type": "function", "name": "read_file", "strict": False,
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}}


class Verdict(pydantic.BaseModel):
    answer: Literal["yes", "no"]
    points: int = pydantic.Field(ge=0, le=9)


class Responses(WithServer, unittest.TestCase):
    options = ("--parallel", "4")

    def setUp(self):
        self.client = openai.OpenAI(base_url=self.server.url + "/v1", api_key="any", timeout=ANSWER_S, max_retries=0)
        self.addCleanup(self.client.close)

    def ask(self, given=TEXT, **more):
        return self.client.responses.create(**{"model": "m", "input": given, "max_output_tokens": 12, "temperature": 0, **more})

    def test_stream_is_the_whole(self):
        whole = self.ask()
        self.assertEqual((whole.status, whole.incomplete_details.reason), ("incomplete", "max_output_tokens"))
        self.assertEqual(whole.usage.output_tokens, 12)
        self.assertEqual(whole.usage.total_tokens, whole.usage.input_tokens + 12)
        events = list(self.ask(stream=True))
        self.assertEqual([e.sequence_number for e in events], list(range(len(events))))
        kinds = [e.type for e in events]
        self.assertEqual(kinds[:4], ["response.created", "response.in_progress", "response.output_item.added",
                                     "response.content_part.added"])
        self.assertEqual(kinds[-4:], ["response.output_text.done", "response.content_part.done", "response.output_item.done",
                                      "response.incomplete"])
        self.assertEqual("".join(e.delta for e in events if e.type == "response.output_text.delta"), whole.output_text)
        self.assertEqual(events[-1].response.output_text, whole.output_text)
        self.assertTrue(whole.output_text)

    def test_items_and_instructions(self):
        items = [{"role": "user", "content": [{"type": "input_text", "text": "Read a.py"}]},
                 {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "I should."}]},
                 {"type": "function_call", "call_id": "c1", "name": "read_file", "arguments": "{\"path\": \"a.py\"}"},
                 {"type": "function_call_output", "call_id": "c1", "output": "x = 1"},
                 {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done.", "annotations": []}]},
                 {"role": "developer", "content": "Now."}, {"role": "user", "content": "Again"}]
        few, many = self.ask("Again"), self.ask(items, instructions="Be brief.", tools=[READ, {"type": "web_search"}])
        self.assertGreater(many.usage.input_tokens, few.usage.input_tokens + 30)
        self.assertEqual(self.ask(self.ask().output + [{"role": "user", "content": "Go on"}]).usage.output_tokens, 12)

    def test_tools(self):
        more = {"tools": [READ], "tool_choice": {"type": "function", "name": "read_file"}, "parallel_tool_calls": False,
                "max_output_tokens": 120, "temperature": 1, "extra_body": {"seed": 3}}
        whole = self.ask("Read main.py", **more)
        call = whole.output[0]
        self.assertEqual((len(whole.output), call.type, call.name), (1, "function_call", "read_file"))
        self.assertIsInstance(json.loads(call.arguments), dict)
        events = list(self.ask("Read main.py", stream=True, **more))
        deltas = "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta")
        done = [e.arguments for e in events if e.type == "response.function_call_arguments.done"]
        self.assertEqual((deltas, done), (call.arguments, [call.arguments]))

    def test_parse(self):
        for seed in range(3):
            answer = self.client.responses.parse(model="m", input=TEXT, text_format=Verdict, max_output_tokens=200, temperature=1.3,
                                                 extra_body={"seed": seed})
            self.assertEqual(answer.status, "completed")
            self.assertIsInstance(answer.output_parsed, Verdict)

    def test_errors(self):
        for more, param in (({"previous_response_id": "resp_1"}, "previous_response_id"), ({"given": []}, "input"),
                            ({"given": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
                            ({"temperature": "hot"}, "temperature"), ({"tool_choice": "must"}, "tool_choice"),
                            ({"text": {"format": {"type": "json_schema", "name": "x", "schema": {"not": {}}}}}, "text.format.schema.not")):
            with self.assertRaises(openai.BadRequestError) as caught:
                self.ask(**more)
            self.assertEqual(caught.exception.param, param)
        with self.assertRaises(openai.BadRequestError) as caught:
            self.ask("word " * 3000)
        self.assertEqual(caught.exception.code, "context_length_exceeded")

    def test_async_and_cancelled(self):
        async def main():
            async with openai.AsyncOpenAI(base_url=self.server.url + "/v1", api_key="any", timeout=ANSWER_S) as client:
                stream = await client.responses.create(model="m", input=TEXT, stream=True, extra_body={"ignore_eos": True})
                async for event in stream:
                    if event.type == "response.output_text.delta":
                        break
                await stream.close()
                answers = await asyncio.gather(*(client.responses.create(model="m", input=f"Number {i}", max_output_tokens=4,
                                                                         extra_body={"ignore_eos": True}) for i in range(6)))
                return [a.usage.output_tokens for a in answers]
        self.assertEqual(asyncio.run(main()), [4] * 6)


if __name__ == "__main__":
    unittest.main()
