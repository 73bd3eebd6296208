"""Texts that the grammars of many schemas allow, chosen at random, against the jsonschema package.

    test_schemas.py [SEED [SCHEMAS]]
"""

import json
import os
import random
import subprocess
import sys
import unittest

import jsonschema
from random_schema import make

SEED = int(os.environ.get("TERCET_SEED", "1"))
N_SCHEMA = int(os.environ.get("TERCET_SCHEMAS", "600"))
EACH = 3


class Sampler:
    def __init__(self):
        self.process = subprocess.Popen([os.environ["TERCET_SAMPLES"], os.environ["TERCET_DEMO"]], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __call__(self, schema, seed, **more):
        self.process.stdin.write(json.dumps({"schema": schema, "seed": seed, "max_tokens": 240, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the sampler died of {json.dumps(schema)}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        code = self.process.wait()
        self.process.stdout.close()
        return code


def no_constant(name):
    raise ValueError(f"{name} is no JSON")


class Schemas(unittest.TestCase):
    def setUp(self):
        self.sample = Sampler()

    def tearDown(self):
        self.assertEqual(self.sample.close(), 0)

    def check(self, schema, answer, where):
        value = json.loads(answer["text"], parse_constant=no_constant)
        answer["text"].encode()
        try:
            jsonschema.Draft202012Validator(schema).validate(value)
        except jsonschema.ValidationError as failed:
            self.fail(f"{where}: {json.dumps(schema)}\n{answer['text']}\n{failed.message}")

    def test_what_is_complete_validates(self):
        n = {"stop": 0, "length": 0, "error": 0}
        errors, slowest = {}, 0
        for i in range(N_SCHEMA):
            schema = make(random.Random(f"{SEED}-{i}"))
            for k in range(EACH):
                answer = self.sample(schema, seed=1000 * i + k, ordered=k != 1, open=k != 2)
                where = f"seed {SEED}, schema {i}, text {k}"
                if "error" in answer:
                    self.assertNotIn("text", answer, f"{where}: {json.dumps(schema)} {answer}")
                    self.assertTrue(answer["error"].startswith("schema"), answer)
                    n["error"] += 1
                    reason = answer["error"].split(",")[0].split(":")[-1][:40]
                    errors[reason] = errors.get(reason, 0) + 1
                    break
                slowest = max(slowest, answer["mask_us"])
                n[answer["reason"]] += 1
                if answer["reason"] == "stop":
                    self.check(schema, answer, where)
        print(f"seed {SEED}: {n}, slowest mask {slowest:.0f} us, refused: {sorted(errors.items(), key=lambda e: -e[1])[:8]}")
        self.assertGreater(n["stop"], N_SCHEMA * EACH * 0.6)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
