"""Answers of a form, from the demo model through the clients' packages: JSON, JSON of a schema, tools that must be called."""

import json
import os
import random
import sys
import unittest
from typing import Literal, Optional, Union

import jsonschema
import openai
import pydantic
from support import ANSWER_S, CHAT, READ_FILE, WithServer, user

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "grammar"))
from random_schema import make  # noqa: E402  it lies beside the grammar's own tests

SEED = int(os.environ.get("TERCET_SEED", "1"))
N_SCHEMA = int(os.environ.get("TERCET_SERVED_SCHEMAS", "40"))
TEXT = "Describe a file of a small project as JSON."

EDIT = {"type": "function", "function": {"name": "edit-file", "parameters": {
    "type": "object", "required": ["path", "edits"],
    "properties": {"path": {"type": "string", "pattern": "^/", "minLength": 3}, "mode": {"type": "string", "enum": ["once", "all"]},
                   "edits": {"type": "array", "minItems": 1, "maxItems": 2, "uniqueItems": True,
                             "items": {"type": "object", "properties": {"line": {"type": "integer", "minimum": 1, "maximum": 9},
                                                                        "text": {"type": "string", "maxLength": 12}},
                                       "required": ["line", "text"], "additionalProperties": False}}}}}}


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]
    lives: int = pydantic.Field(ge=0, le=9)


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]
    name: str = pydantic.Field(max_length=12)


class House(pydantic.BaseModel):
    street: str = pydantic.Field(max_length=20)
    pets: list[Union[Cat, Dog]] = pydantic.Field(max_length=2)
    owner: Optional[Literal["a", "b"]]


class Structured(WithServer, unittest.TestCase):
    options = ("--parallel", "4")

    def setUp(self):
        self.client = openai.OpenAI(base_url=self.server.url + "/v1", api_key="any", timeout=ANSWER_S, max_retries=0)
        self.addCleanup(self.client.close)

    def chat(self, **more):
        return self.client.chat.completions.create(**{"model": "m", "messages": user(TEXT), "max_tokens": 200, "seed": 1, **more})

    @staticmethod
    def form(schema):
        return {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}

    def test_json_object(self):
        n = 0
        for seed in range(6):
            choice = self.chat(response_format={"type": "json_object"}, seed=seed, temperature=1.5).choices[0]
            if choice.finish_reason == "stop":
                self.assertIsInstance(json.loads(choice.message.content), dict)
                n += 1
            else:
                self.assertEqual(choice.finish_reason, "length")
                self.assertTrue(choice.message.content.startswith("{"))
        self.assertGreater(n, 0)

    def test_texts_of_many_schemas_validate(self):
        n = 0
        for i in range(N_SCHEMA):
            schema = make(random.Random(f"served {SEED}-{i}"))
            status, answer = self.server.post(CHAT, {"messages": user(TEXT), "max_tokens": 150, "temperature": (i % 4) * 0.7, "seed": i,
                                                     "response_format": self.form(schema)})
            where = f"seed {SEED}, schema {i}: {json.dumps(schema)}"
            if status == 400:
                self.assertRegex(answer["error"]["message"], "^response_format.json_schema.schema", where)
                continue
            self.assertEqual(status, 200, where)
            choice = answer["choices"][0]
            if choice["finish_reason"] == "length":
                continue
            n += 1
            self.assertEqual(choice["finish_reason"], "stop")
            jsonschema.validate(json.loads(choice["message"]["content"]), schema, jsonschema.Draft202012Validator)
        print(f"seed {SEED}: {n} of {N_SCHEMA} complete")
        self.assertGreater(n, N_SCHEMA // 3)

    def test_an_answer_that_is_cut_says_so(self):
        schema = {"type": "object", "properties": {"text": {"type": "string", "minLength": 200}}, "required": ["text"]}
        choice = self.chat(response_format=self.form(schema), max_tokens=12).choices[0]
        self.assertEqual(choice.finish_reason, "length")
        self.assertTrue(choice.message.content.startswith("{"))
        with self.assertRaises(openai.LengthFinishReasonError):
            self.client.chat.completions.parse(model="m", messages=user(TEXT), max_tokens=3, response_format=House)

    def test_parse(self):
        for seed in range(4):
            answer = self.client.chat.completions.parse(model="m", messages=user(TEXT), seed=seed, temperature=1.2, max_tokens=300,
                                                        response_format=House)
            self.assertIsInstance(answer.choices[0].message.parsed, House)
        with self.client.chat.completions.stream(model="m", messages=user(TEXT), seed=1, temperature=1.2, max_tokens=300,
                                                 response_format=House) as stream:
            for _ in stream:
                pass
            self.assertIsInstance(stream.get_final_completion().choices[0].message.parsed, House)

    def test_order_is_the_schemas(self):
        schema = {"type": "object", "properties": {"z": {"type": "boolean"}, "a": {"type": "boolean"}, "m": {"type": "boolean"}},
                  "required": ["a", "m", "z"], "additionalProperties": False}
        for seed in range(3):
            text = self.chat(response_format=self.form(schema), temperature=2, seed=seed).choices[0].message.content
            self.assertEqual(list(json.loads(text)), ["z", "a", "m"])

    def test_what_cannot_be_enforced_is_refused_with_its_path(self):
        cases = [({"properties": {"a": {"not": {"type": "null"}}}}, "properties.a.not"),
                 ({"type": "array", "items": {"uniqueItems": True}}, "items.uniqueItems"),
                 ({"$defs": {"x": {"if": {}}}, "$ref": "#/$defs/x"}, "$defs.x.if"),
                 ({"$ref": "https://example.com/schema"}, "$ref"),
                 ({"$ref": "#/$defs/none"}, "$ref"),
                 ({"pattern": "(?=a)b"}, "pattern"),
                 ({"type": "string", "minLength": "3"}, "minLength"),
                 ({"type": "text"}, "type"),
                 ({"anyOf": [{"oneOf": [{"type": "integer"}, {"minimum": 3}]}]}, "anyOf[0].oneOf")]
        for schema, path in cases:
            with self.assertRaises(openai.BadRequestError) as caught:
                self.chat(response_format=self.form(schema))
            self.assertEqual(caught.exception.param, f"response_format.json_schema.schema.{path}")
        for schema in ({"$ref": "#"}, {"type": "string", "enum": [1]}, False, {"minLength": 3, "maxLength": 2, "type": "string"},
                       {"$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 1}}, "$ref": "#/$defs/a"}):
            with self.assertRaises(openai.BadRequestError):
                self.chat(response_format=self.form(schema))

    def test_hostile_schemas_are_answered(self):
        deep = {"type": "integer"}
        for _ in range(25):
            deep = {"type": "array", "items": deep}
        cases = [deep,
                 {"properties": {f"p{i}": {"type": "string"} for i in range(5000)}},
                 {"type": "string", "pattern": "^(a{1,900}){1,900}$"},
                 {"type": "string", "pattern": "(a|b)*a" + "(a|b)" * 25},
                 {"type": "string", "pattern": "^" + "(" * 400 + ")" * 400},
                 {"anyOf": [{"const": i} for i in range(1000)]},
                 {"allOf": [{"anyOf": [{"minLength": i}, {"maxLength": 50 + i}]} for i in range(20)], "type": "string"},
                 {"$defs": {f"d{i}": {"properties": {"x": {"$ref": f"#/$defs/d{i + 1}"}}} for i in range(3000)} | {"d3000": True},
                  "$ref": "#/$defs/d0"},
                 {"enum": ["x" * 70000]},
                 {"type": "string", "minLength": 4e9}]
        for schema in cases:
            status, answer = self.server.post(CHAT, {"messages": user(TEXT), "max_tokens": 3, "response_format": self.form(schema)})
            self.assertIn(status, (200, 400), str(schema)[:200])
            if status == 400:
                self.assertRegex(answer["error"]["message"], "^(response_format|the body)", str(schema)[:200])

    def test_tools_that_must_be_called(self):
        tools = [READ_FILE, EDIT]
        for seed in range(4):
            choice = self.chat(tools=tools, tool_choice="required", parallel_tool_calls=False, seed=seed, temperature=1.5).choices[0]
            self.assertEqual(len(choice.message.tool_calls), 1)
            self.assertFalse(choice.message.content)
            self.assertIn(choice.message.tool_calls[0].function.name, ("read_file", "edit-file"))
            self.check_call(choice)
        named = {"type": "function", "function": {"name": "edit-file"}}
        for seed in range(4):
            choice = self.chat(tools=tools, tool_choice=named, parallel_tool_calls=False, seed=seed, temperature=1).choices[0]
            self.assertEqual(choice.message.tool_calls[0].function.name, "edit-file")
            self.check_call(choice)

    def check_call(self, choice):
        arguments = json.loads(choice.message.tool_calls[0].function.arguments)
        if choice.finish_reason == "length":
            return
        self.assertEqual(choice.finish_reason, "tool_calls")
        if choice.message.tool_calls[0].function.name == "edit-file":
            self.assertIn(len(arguments["edits"]), (1, 2))
            self.assertIn(arguments.get("mode", "all"), ("once", "all"))
            for edit in arguments["edits"]:
                self.assertTrue(1 <= edit["line"] <= 9 and len(edit["text"]) <= 12, edit)
        else:
            self.assertIsInstance(arguments["path"], str)

    def test_several_calls_or_a_form(self):
        choice = self.chat(tools=[READ_FILE], tool_choice="required", temperature=1.3, max_tokens=300).choices[0]
        self.assertGreaterEqual(len(choice.message.tool_calls), 1)
        schema = {"type": "object", "properties": {"done": {"type": "boolean"}}, "required": ["done"], "additionalProperties": False}
        for seed in range(3):
            choice = self.chat(tools=[READ_FILE], response_format=self.form(schema), seed=seed, temperature=1).choices[0]
            if choice.message.tool_calls is None and choice.finish_reason == "stop":
                jsonschema.validate(json.loads(choice.message.content), schema)


if __name__ == "__main__":
    unittest.main()
