"""Writes what src/model/synthetic_test.cc compares with: the plans of tools/make_gguf.py.

usage: synthetic.py OUT_DIR

For each size OUT_DIR gets SIZE.header, the bytes before tensor data of the file that the tool would write, without a
tokenizer and so with the size of the vocabulary; and SIZE.total, the bytes of all tensors in decimal.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.environ["TERCET_SOURCE_DIR"], "tools"))
import make_gguf


def main():
    for size, config in make_gguf.CFG.items():
        tensors = make_gguf.plan(config)
        vocab_size = make_gguf.kv("qwen3moe.vocab_size", make_gguf.GGUF_U32, config["vocab"])
        with open(os.path.join(sys.argv[1], size + ".header"), "wb") as file:
            file.write(make_gguf.header(tensors, make_gguf.model_kv(size) + [vocab_size]))
        with open(os.path.join(sys.argv[1], size + ".total"), "w", encoding="ascii") as file:
            file.write(str(sum(make_gguf.nbytes(dims, type_) for _, dims, type_ in tensors)))


if __name__ == "__main__":
    main()
