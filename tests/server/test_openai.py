"""The OpenAI API as its own Python package sees it."""

import asyncio
import json
import unittest

import openai
from support import ANSWER_S, CHAT, READ_FILE, WithServer, user

TEXT = "Write a function that adds two numbers."


class OpenAi(WithServer, unittest.TestCase):
    options = ("--parallel", "4", "--alias", "demo")

    def setUp(self):
        self.client = openai.OpenAI(base_url=self.server.url + "/v1", api_key="any", timeout=ANSWER_S, max_retries=0)
        self.addCleanup(self.client.close)

    def chat(self, messages=None, **more):
        more = {"max_tokens": 12, "temperature": 0, **more}
        return self.client.chat.completions.create(model="demo", messages=messages or user(TEXT), **more)

    def test_models(self):
        model = self.client.models.list().data[0]
        self.assertEqual(model.id, "demo")
        self.assertEqual(model.context_length, 2048)
        self.assertEqual(model.max_model_len, 2048)
        self.assertEqual(model.meta["n_ctx"], 2048)
        self.assertEqual(self.client.models.retrieve("demo").id, "demo")

    def test_stream_is_the_whole(self):
        whole = self.chat(stop=["\n\n"])
        self.assertTrue(whole.choices[0].message.content)
        self.assertIn(whole.choices[0].finish_reason, ("stop", "length"))
        text, reasons, usages = "", [], []
        for chunk in self.chat(stop=["\n\n"], stream=True, stream_options={"include_usage": True}):
            usages.append(chunk.usage)
            for choice in chunk.choices:
                text += choice.delta.content or ""
                reasons.append(choice.finish_reason)
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual([r for r in reasons if r], [whole.choices[0].finish_reason])
        self.assertEqual(reasons[-1], whole.choices[0].finish_reason)
        self.assertEqual(usages[-1], whole.usage)
        self.assertEqual([u for u in usages[:-1] if u], [])

    def test_length_and_usage(self):
        answer = self.chat(max_tokens=None, max_completion_tokens=5)
        self.assertEqual(answer.choices[0].finish_reason, "length")
        self.assertEqual(answer.usage.completion_tokens, 5)
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + 5)
        nothing = self.chat(max_tokens=0)
        self.assertEqual((nothing.choices[0].message.content, nothing.usage.completion_tokens), ("", 0))

    def test_seed_and_n(self):
        def texts(seed):
            answer = self.chat(temperature=1.2, seed=seed, n=3)
            self.assertEqual([c.index for c in answer.choices], [0, 1, 2])
            return [c.message.content for c in answer.choices]
        first = texts(7)
        self.assertEqual(first, texts(7))
        self.assertEqual(len(set(first)), 3)
        self.assertNotEqual(first, texts(1234))
        streamed = ["", "", ""]
        for chunk in self.chat(temperature=1.2, seed=7, n=3, stream=True):
            for choice in chunk.choices:
                streamed[choice.index] += choice.delta.content or ""
        self.assertEqual(streamed, first)

    def test_stop(self):
        whole = self.chat(max_tokens=40).choices[0].message.content
        stop = whole[len(whole) // 2:][:4]
        answer = self.chat(max_tokens=40, stop=stop)
        self.assertEqual(answer.choices[0].message.content, whole[:whole.index(stop)])
        self.assertEqual(answer.choices[0].finish_reason, "stop")

    def test_logprobs(self):
        answer = self.chat(logprobs=True, top_logprobs=3)
        content = answer.choices[0].logprobs.content
        self.assertEqual(len(content), answer.usage.completion_tokens)
        for token in content:
            self.assertEqual(len(token.top_logprobs), 3)
            self.assertAlmostEqual(token.logprob, token.top_logprobs[0].logprob)  # greedy
            self.assertEqual(bytes(token.bytes).decode(errors="replace"), token.token)
        streamed = [t for chunk in self.chat(logprobs=True, top_logprobs=3, stream=True) for c in chunk.choices if c.logprobs
                    for t in c.logprobs.content]
        self.assertEqual(streamed, content)

    def test_logit_bias(self):
        first = self.server.post("/tokenize", {"content": self.chat(max_tokens=1).choices[0].message.content})[1]["tokens"][0]
        banned = self.chat(max_tokens=1, logit_bias={str(first): -100}).choices[0].message.content
        self.assertNotEqual(banned, self.chat(max_tokens=1).choices[0].message.content)

    def test_completions(self):
        one = self.client.completions.create(model="m", prompt="def add(a, b):", max_tokens=8, temperature=0, logprobs=2)
        self.assertEqual(len(one.choices[0].logprobs.tokens), 8)
        self.assertEqual("".join(one.choices[0].logprobs.tokens), one.choices[0].text)
        ids = self.server.post("/tokenize", {"content": "def add(a, b):"})[1]["tokens"]
        for prompt in (ids, [ids], ["def add(a, b):"]):
            other = self.client.completions.create(model="m", prompt=prompt, max_tokens=8, temperature=0)
            self.assertEqual(other.choices[0].text, one.choices[0].text)
        many = self.client.completions.create(model="m", prompt=["def add(a, b):", "import"], max_tokens=3, n=2, temperature=0,
                                              echo=True)
        self.assertEqual([c.index for c in many.choices], [0, 1, 2, 3])
        self.assertTrue(many.choices[0].text.startswith("def add(a, b):"))
        self.assertTrue(many.choices[3].text.startswith("import"))
        streamed = "".join(c.choices[0].text for c in self.client.completions.create(
            model="m", prompt="def add(a, b):", max_tokens=8, temperature=0, stream=True) if c.choices)
        self.assertEqual(streamed, one.choices[0].text)

    def test_fill_in_the_middle(self):
        answer = self.client.completions.create(model="m", prompt="def add(a, b):\n    ", suffix="\n    return c\n", max_tokens=6)
        self.assertGreater(answer.usage.prompt_tokens, 8)

    def test_overflow(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(user("word " * 3000))
        self.assertEqual(caught.exception.code, "context_length_exceeded")
        self.assertIn("2048 tokens", caught.exception.message)
        self.assertRegex(caught.exception.message, r"has 60\d\d tokens")
        clamped = self.chat(max_tokens=10**9, stop=["e"])
        self.assertEqual(clamped.choices[0].finish_reason, "stop")

    def test_messages_of_every_form(self):
        messages = [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Read "}, {"type": "text", "text": "a file."}]},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "read_file", "arguments": "{\"path\": \"a\"}"}},
                {"id": "2", "type": "function", "function": {"name": "read_file", "arguments": "{\"path\": "}}]},
            {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "one"}]},
            {"role": "tool", "tool_call_id": "2", "content": None},
            {"role": "system", "content": "Now."},
            {"role": "user", "content": "Go on."}]
        self.assertEqual(self.chat(messages, tools=[READ_FILE], max_tokens=2).usage.completion_tokens, 2)
        prompt = self.server.post("/apply-template", {"messages": messages, "tools": [READ_FILE]})[1]["prompt"]
        for part in ("Be brief.", "<parameter=path>\na\n", "<parameter=input>", "one", "Now.", "<name>read_file</name>"):
            self.assertIn(part, prompt)

    def test_tools_that_are_named_are_called(self):
        choice = {"type": "function", "function": {"name": "read_file"}}
        answer = self.chat(user("Read the file main.py"), tools=[READ_FILE], tool_choice=choice, max_tokens=60)
        call = answer.choices[0].message.tool_calls[0]
        self.assertEqual(call.function.name, "read_file")
        self.assertIsInstance(json.loads(call.function.arguments), dict)
        name, arguments, call_id = "", "", ""
        for chunk in self.chat(user("Read the file main.py"), tools=[READ_FILE], tool_choice=choice, max_tokens=60, stream=True):
            for delta in (c for choice in chunk.choices for c in choice.delta.tool_calls or [] if c.index == 0):
                name += delta.function.name or ""
                arguments += delta.function.arguments or ""
                call_id += delta.id or ""
        self.assertEqual((name, arguments), (call.function.name, call.function.arguments))
        self.assertTrue(call_id.startswith("call_"))

    def test_tools(self):
        messages = user("Read the file main.py")
        required = self.chat(messages, tools=[READ_FILE], tool_choice="required", parallel_tool_calls=False, max_tokens=200)
        self.assertEqual(len(required.choices[0].message.tool_calls), 1)
        self.assertIsNone(self.chat(messages, tools=[READ_FILE], tool_choice="none").choices[0].message.tool_calls)
        self.chat(messages, tools=[READ_FILE], tool_choice="auto")
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(messages, tools=[READ_FILE], tool_choice={"type": "function", "function": {"name": "other"}})
        self.assertEqual(caught.exception.param, "tool_choice")

    def test_errors(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(temperature="hot")
        self.assertEqual(caught.exception.param, "temperature")
        self.assertEqual(caught.exception.type, "invalid_request_error")
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat(response_format={"type": "xml"})
        self.assertEqual(caught.exception.param, "response_format.type")
        with self.assertRaises(openai.NotFoundError):
            self.client.embeddings.create(model="m", input="a")

    def test_a_template_that_raises_is_the_requests_fault(self):
        status, answer = self.server.post(CHAT, {"messages": user("a"), "max_tokens": 1,
                                                 "chat_template_kwargs": {"messages": 1, "enable_thinking": False}})
        self.assertEqual(status, 200, answer)

    def test_async_and_cancelled(self):
        async def main():
            async with openai.AsyncOpenAI(base_url=self.server.url + "/v1", api_key="any", timeout=ANSWER_S) as client:
                stream = await client.chat.completions.create(model="m", messages=user(TEXT), stream=True,
                                                              extra_body={"ignore_eos": True})
                async for chunk in stream:
                    if chunk.choices and chunk.choices[0].delta.content:
                        break
                await stream.close()
                answers = await asyncio.gather(*(client.chat.completions.create(
                    model="m", messages=user(f"Number {i}"), max_tokens=4, temperature=0) for i in range(8)))
                return [a.usage.completion_tokens for a in answers]
        self.assertEqual(len(asyncio.run(main())), 8)


if __name__ == "__main__":
    unittest.main()
