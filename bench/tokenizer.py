"""Times the tokenizer beside the `tokenizers` package: the same vocabularies and texts, one thread each,
CPU time, the best of three.

usage: tokenizer.py BENCH_PROGRAM ORACLE_DIR [TEXT...]

BENCH_PROGRAM is the built bench/tokenizer_bench, ORACLE_DIR holds the GGUF files that tests/oracles/tokenizer.py wrote.
Without texts: the seeds of the test corpus, code and prose, repeated to 4 MB each.
"""

import json
import lzma
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer  # noqa: E402

DATA = Path(__file__).resolve().parents[1] / "tests/data/tokenizer"
REPEATS = 3
DEFAULT_BYTES = 4_000_000


def default_texts(folder):
    for kind in ("code", "prose"):
        text = b"".join(path.read_bytes() for path in sorted(DATA.glob(f"{kind}/*.txt")))
        path = Path(folder) / kind
        path.write_bytes(text * (DEFAULT_BYTES // len(text)))
        yield path


def package_seconds(tokenizer, text):
    best, n_token = float("inf"), 0
    for _ in range(REPEATS):
        start = time.process_time()
        encoding = tokenizer.encode_batch_fast([text], add_special_tokens=False)[0]
        best = min(best, time.process_time() - start)
        n_token = len(encoding.ids)
    return best, n_token


def main():
    program, oracle_dir = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        texts = [Path(path) for path in sys.argv[3:]] or list(default_texts(folder))
        for name in ("demo", "qwen3"):
            package = Tokenizer.from_str(lzma.open(DATA / f"{name}-tokenizer.json.xz").read().decode("utf-8"))
            for path in texts:
                text = path.read_bytes().decode("utf-8")
                command = [program, str(Path(oracle_dir) / f"{name}.gguf"), str(path), str(REPEATS)]
                ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                seconds, n_token = package_seconds(package, text)
                if n_token != ours["n_token"]:
                    sys.exit(f"{name}, {path.name}: {ours['n_token']} tokens, want {n_token}")
                mb = ours["n_byte"] / 1e6
                print(
                    f"{name:>6} {path.name:>8}: {mb / ours['seconds']:6.1f} MB/s, tokenizers {mb / seconds:5.2f} MB/s, "
                    f"{seconds / ours['seconds']:4.1f} times"
                )
            runs = ", ".join(f"{run} {seconds * 1e3:.0f} ms" for run, seconds in ours["run_seconds"].items())
            print(f"{name:>6} 1 MB of one character: {runs}; load {ours['load_seconds'] * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
