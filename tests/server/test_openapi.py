"""What /openapi.json says of the server, tried by schemathesis: requests that it calls right and wrong, and whether each
answer has a status, a type, headers and a form that it names."""

import json
import os
import pathlib
import sys
import tempfile
import unittest

import hypothesis
import schemathesis
from schemathesis import GenerationMode
from support import WithServer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "report"))
import receipts

SEED = int(os.environ.get("TERCET_SEED", "1"))
KEY = "a-key"
N_RIGHT, N_WRONG = 12, 10  # examples of a route that takes a body
N_OTHER = 2  # of one that takes none, or is another's older name


def ids_of(value, n_vocab):
    """Token ids that the model has, where there are any."""
    if isinstance(value, list):
        return [ids_of(one, n_vocab) for one in value]
    return value % n_vocab if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= n_vocab else value


def bounded(body, n_vocab):
    """As it was made, but for what the document cannot say: how many tokens there are, and how much is to be computed."""
    if not isinstance(body, dict):
        return body
    out = dict(body)
    for name in ("prompt", "tokens"):
        if name in out:
            out[name] = ids_of(out[name], n_vocab)
    if isinstance(out.get("logit_bias"), dict):
        out["logit_bias"] = {str(int(k) % n_vocab) if k.isdecimal() else k: v for k, v in out["logit_bias"].items()}
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        if isinstance(out.get(name), int) and out[name] > 4:
            out[name] = 4
    if isinstance(out.get("timeout"), (int, float)) and not isinstance(out["timeout"], bool) and 0.001 <= out["timeout"] < 600:
        out["timeout"] = 600
    if isinstance(out.get("n"), int) and not isinstance(out["n"], bool) and 2 < out["n"] <= 64:
        out["n"] = 2
    return out


class Description(WithServer, unittest.TestCase):
    # A small context bounds the answers of requests that give no length.
    options = ("--ctx", "256", "--parallel", "4", "--quiet", "--api-key", KEY)

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        receipt = pathlib.Path(folder.name) / "receipt.json"
        receipt.write_text(json.dumps(receipts.receipt(n_layer=2, n_expert=4, n_vocab=50, n_position=8)))
        cls.options = (*cls.options, "--receipt", str(receipt))
        super().setUpClass()
        cls.schema = schemathesis.openapi.from_url(f"{cls.server.url}/openapi.json")
        cls.n_vocab = cls.server.request("GET", "/v1/models", headers={"x-api-key": KEY})[2]["data"][0]["meta"]["n_vocab"]
        cls.schema.config.update(base_url=cls.server.url)

    def each(self, mode, n_example, checks):
        seen = {}
        for found in self.schema.get_all_operations():
            operation = found.ok()
            takes_body = len(operation.body) > 0
            is_tried = takes_body and operation.path != "/chat/completions"
            if mode.is_negative and not takes_body:
                continue

            @hypothesis.seed(SEED)
            @hypothesis.settings(max_examples=n_example if is_tried else N_OTHER, deadline=None, database=None, phases=[hypothesis.Phase.generate],
                                 suppress_health_check=list(hypothesis.HealthCheck))
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def ask(case):
                case.body = bounded(case.body, self.n_vocab)
                response = case.call(headers={"x-api-key": KEY})
                if response.status_code == 400 and os.environ.get("TERCET_VERBOSE"):
                    print(operation.label, mode.value, response.text)
                statuses = seen.setdefault(operation.label, {})
                statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
                case.validate_response(response, checks=checks)

            with self.subTest(operation=operation.label, mode=mode.value, seed=SEED):
                ask()
        return seen

    def checks(self, *names):
        return [schemathesis.checks.CHECKS.get_one(name) for name in names]

    def test_it_is_served_without_a_key(self):
        status, headers, document = self.server.request("GET", "/openapi.json")
        self.assertEqual((status, headers["content-type"], document["openapi"]), (200, "application/json", "3.1.0"))
        self.assertEqual(self.server.request("GET", "/openapi.json", headers={"Host": "evil.example"})[0], 403)

    def test_right_and_wrong_requests(self):
        form = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
                "response_schema_conformance", "unsupported_method", "allow_header_conformance", "ignored_auth")
        right = self.each(GenerationMode.POSITIVE, N_RIGHT, self.checks(*form))
        wrong = self.each(GenerationMode.NEGATIVE, N_WRONG, self.checks(*form, "negative_data_rejection"))
        print(f"seed {SEED} (TERCET_SEED); statuses: {right} {wrong}")
        # What is called right is answered, at least sometimes: else nothing was tried.
        for label, statuses in right.items():
            self.assertIn(200, statuses, label)


if __name__ == "__main__":
    unittest.main()
