"""Runs an oracle script, unless what it wrote last time still stands.

usage: once.py SCRIPT OUT_DIR [ARGS...]

The builds of all presets share the oracles' output: it depends on the scripts, on the data they read and on the reference
packages, and takes minutes to make. A stamp in OUT_DIR says for which of those it was made.
"""

import fcntl
import hashlib
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INPUTS = ("tests/oracles", "tests/data", "tools", "models")
ENDINGS = {".py", ".txt", ".json", ".jinja", ".xz", ".gguf", ".jsonl"}


def key(arguments):
    digest = hashlib.sha256(repr((arguments, sys.version)).encode())
    for package in sorted(f"{d.metadata['Name']} {d.version}" for d in distributions()):
        digest.update(package.encode())
    for folder in INPUTS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in ENDINGS:
                digest.update(str(path.relative_to(ROOT)).encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def main():
    script, out = sys.argv[1], Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    stamp = out / "made-for"
    with open(out / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = key(sys.argv[1:])
        if stamp.exists() and stamp.read_text() == wanted:
            return
        stamp.unlink(missing_ok=True)
        subprocess.run([sys.executable, *sys.argv[1:]], check=True)
        stamp.write_text(wanted)


if __name__ == "__main__":
    main()
