"""What jinja2 says, set up as transformers sets it up: expected texts for chat_template_test.

Writes into the folder given as the first argument: conversations.json (the templates of tests/data/chat over generated
conversations), snippets.json (small templates, from chat_snippets.py) and generated.json (random expressions, from
chat_generated.py). A case is {template, context, expect}; expect is null where jinja2 raises. Floats of a context are written
as {"__float__": "0.1"}, so that no JSON parser rounds them.
"""

import functools
import json
import os
import random
import re
import sys
import warnings
from datetime import datetime

import jinja2
import jinja2.ext
import jinja2.nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from chat_generated import Expressions
from chat_snippets import CTX, SNIPPETS

SEED = 20250607
N_CONVERSATIONS = 700
N_GENERATED = 2000
NOW = datetime(2024, 7, 26, 9, 5, 3)


class Generation(jinja2.ext.Extension):
    """{% generation %}: the body as it is."""

    tags = {"generation"}

    def parse(self, parser):
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(lineno)

    def _render(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda format: NOW.strftime(format)
    return env


class Lazy:
    """What a lazy filter returns, as far as a template can tell; it remembers that it was printed, with its address."""

    printed = False

    def __init__(self, walk):
        self.walk = iter(walk)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.walk)

    def __repr__(self):
        Lazy.printed = True
        return "?"


def lazy(function):
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        value = function(*args, **kwargs)
        return value if isinstance(value, (str, list)) else Lazy(value)

    return wrapped


def generated_cases(n):
    env = environment()
    for name in ("map", "select", "reject", "selectattr", "rejectattr", "unique", "items", "batch", "slice", "reverse"):
        env.filters[name] = lazy(env.filters[name])
    expressions = Expressions(SEED)
    for _ in range(n):
        source = "{{ " + expressions.expression() + " }}"
        Lazy.printed = False
        text = expected_of_source(env, source, CTX)
        if not Lazy.printed and " at 0x" not in (text or ""):
            yield {"template": source, "context": portable(CTX), "expect": text}


def expected(template, context):
    try:
        return template.render(**context)
    except Exception:
        return None


def expected_of_source(env, source, context):
    try:
        return expected(env.from_string(source), context)
    except Exception:
        return None


def portable(value):
    if isinstance(value, float):
        return {"__float__": repr(value)}
    if isinstance(value, list):
        return [portable(item) for item in value]
    if isinstance(value, dict):
        return {key: portable(item) for key, item in value.items()}
    return value


class Generator:
    """Conversations as clients send them, and as they should not."""

    WORDS = ["hello", "Sort", "the list", "naïve café", "数据", "Привет", "🙂👩‍👩‍👧", "<b>&amp;'\"</b>", "a\\b", "\t", "\n",
             "{{ not a template }}", "{% if %}", "\u00a0", "\u2028", "e\u0301", "مرحبا", "\x7f", "100%", "None", "<|im_end|>",
             "line\r\nbreak", "\x0b", "`code`", "ẞß", "𝔘𝔫𝔦"]

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def chance(self, p):
        return self.rng.random() < p

    def text(self, most=8):
        r = self.rng
        if self.chance(0.06):
            return ""
        out = r.choice(["", "", " ", "\n"]).join(r.choice(self.WORDS) + r.choice([" ", "", "\n", "  "])
                                               for _ in range(r.randint(1, most)))
        return r.choice(["", "", "\n\n", "  "]) + out + r.choice(["", "", "\n", " \n "])

    def value(self, depth=0):
        r = self.rng
        kind = r.randint(0, 9 if depth < 3 else 6)
        if kind == 0:
            return self.text(3)
        if kind == 1:
            return r.choice([0, 1, -1, 7, 10**6, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1])
        if kind == 2:
            return r.choice([0.0, -0.0, 1.0, 0.1, 1e16, 1e15, 123456789.125, 1e-5, 0.0001, 5e-324, 1.7976931348623157e308,
                             -2.5, 1e22, 3.141592653589793, r.random(), r.random() * 10 ** r.randint(-20, 20)])
        if kind == 3:
            return r.choice([True, False])
        if kind == 4:
            return None
        if kind <= 6:
            return r.choice(["x", "", "it's", 'say "hi"', "both ' and \"", "tab\t", "é", "a\nb"])
        if kind == 7:
            return [self.value(depth + 1) for _ in range(r.randint(0, 3))]
        return {self.key(): self.value(depth + 1) for _ in range(r.randint(0, 3))}

    def key(self):
        return self.rng.choice(["a", "b", "path", "items", "keys", "name", "type", "x y", "ключ", "it's", "_p", "0", "get"])

    def schema(self, depth=0):
        r = self.rng
        kind = r.choice(["string", "integer", "number", "boolean", "array", "object"] if depth < 3 else ["string", "null"])
        out = {"type": kind if self.chance(0.9) else [kind, "null"]}
        if self.chance(0.7):
            out["description"] = self.text(4)
        if kind == "string" and self.chance(0.4):
            out["enum"] = [self.text(1) for _ in range(r.randint(1, 3))]
        if kind == "array":
            out["items"] = self.schema(depth + 1)
        if kind == "object":
            out["properties"] = {self.key(): self.schema(depth + 1) for _ in range(r.randint(0, 3))}
            out["required"] = list(out["properties"])[:1]
        if self.chance(0.3):
            out[r.choice(["default", "minimum", "format", "additionalProperties", "name"])] = self.value(2)
        return out

    def tool(self):
        r = self.rng
        function = {"name": r.choice(["get_weather", "read_file", "поиск", "f"])}
        if self.chance(0.9):
            function["description"] = self.text(5)
        if self.chance(0.9):
            function["parameters"] = {
                "type": "object",
                "properties": {self.key(): self.schema(1) for _ in range(r.randint(0, 4))},
                "required": ["a"],
            }
            if self.chance(0.2):
                function["parameters"]["$defs"] = self.value()
        if self.chance(0.2):
            function["strict"] = self.chance(0.5)
        return {"type": "function", "function": function} if self.chance(0.85) else function

    def tool_call(self):
        arguments = {self.key(): self.value() for _ in range(self.rng.randint(0, 4))}
        function = {"name": self.rng.choice(["get_weather", "f"]), "arguments": arguments}
        if self.chance(0.15):
            function["arguments"] = json.dumps(arguments)
        if self.chance(0.05):
            del function["arguments"]
        return {"id": "call_1", "type": "function", "function": function} if self.chance(0.8) else function

    def assistant(self):
        message = {"role": "assistant", "content": self.text()}
        if self.chance(0.25):
            message["content"] = self.rng.choice(["<think>\n", "<think>", ""]) + self.text(3) + "\n</think>\n\n" + self.text(3)
        if self.chance(0.2):
            message["reasoning_content"] = self.rng.choice([None, "", self.text(3), "\nthoughts\n"])
        if self.chance(0.4):
            message["tool_calls"] = [self.tool_call() for _ in range(self.rng.randint(0, 3))]
            if self.chance(0.3):
                message["content"] = self.rng.choice([None, "", "  \n"])
        if self.chance(0.03):
            del message["content"]
        return message

    def conversation(self):
        r = self.rng
        messages = [{"role": "system", "content": self.text()}] if self.chance(0.5) else []
        for _ in range(r.randint(1, 6)):
            messages.append({"role": "user", "content": self.text()})
            if self.chance(0.1):
                messages[-1]["content"] = "<tool_response>\n" + self.text(2) + "\n</tool_response>"
            if self.chance(0.85):
                messages.append(self.assistant())
            for _ in range(r.choice([0, 0, 0, 1, 2, 3])):
                messages.append({"role": "tool", "content": r.choice([self.text(), self.value()])})
            if self.chance(0.05):
                messages.append({"role": r.choice(["system", "developer", "user"]), "content": self.text()})
        if self.chance(0.02):
            messages = messages[:0]
        context = {"messages": messages, "add_generation_prompt": self.chance(0.6), "documents": None,
                   "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
        context["tools"] = [self.tool() for _ in range(r.randint(0, 4))] if self.chance(0.6) else None
        if self.chance(0.5):
            context["enable_thinking"] = r.choice([True, False, False, None])
        return context


def main():
    out = sys.argv[1]
    warnings.simplefilter("ignore", SyntaxWarning)  # Python's, about what jinja2 compiles to
    data = os.path.join(os.environ["TERCET_SOURCE_DIR"], "tests", "data", "chat")
    env = environment()
    generator = Generator(SEED)
    contexts = [generator.conversation() for _ in range(N_CONVERSATIONS)]
    conversations = []
    for name in ("qwen3.jinja", "qwen3-coder.jinja"):
        with open(os.path.join(data, name), encoding="utf-8", newline="") as file:
            template = env.from_string(file.read())
        for context in contexts:
            conversations.append({"template": name, "context": portable(context), "expect": expected(template, context)})
    snippets = []
    for source, context in SNIPPETS:
        text = expected_of_source(env, source, context)
        # Where Python prints an object's address there is nothing to compare.
        if text is None or not re.search(r" at 0x[0-9a-f]{8,}>", text):
            snippets.append({"template": source, "context": portable(context), "expect": text})
    for name, cases in (("conversations", conversations), ("snippets", snippets),
                        ("generated", list(generated_cases(N_GENERATED)))):
        with open(os.path.join(out, name + ".json"), "w", encoding="utf-8") as file:
            json.dump(cases, file, ensure_ascii=False)
        raises = sum(case["expect"] is None for case in cases)
        print(f"{name}: {len(cases)} cases, {raises} of them errors")


if __name__ == "__main__":
    main()
