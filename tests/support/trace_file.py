"""Reads and changes the trace files of `tercet trace` with the safetensors package.

usage: trace_file.py show FILE                         what it holds, as JSON on stdout
       trace_file.py alter FILE NEW [CHANGE...]        a copy, written by the package, in which some things differ
       trace_file.py print FILE N_LAYER D_HEAD         the text that llama.cpp's eval-callback would print of it

CHANGE is a tensor and a factor for its second row of values or, for ids, what is added to them, such as l_out-2=1.5;
or @ and a metadata key with its new text, such as @model=other.
"""

import json
import sys
import zlib

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file


def read(path):
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def show(path):
    tensors, metadata = read(path)
    described = {
        name: {"dtype": str(tensor.dtype), "shape": list(tensor.shape), "crc32": zlib.crc32(tensor.tobytes())}
        for name, tensor in tensors.items()
    }
    json.dump({"metadata": metadata, "tensors": described}, sys.stdout)


def alter(path, new, changes):
    tensors, metadata = read(path)
    for change in changes:
        name, value = change.split("=", 1)
        if name.startswith("@"):
            metadata[name[1:]] = value
        elif tensors[name].dtype == np.int32:
            tensors[name][1] += int(value)
        else:
            tensors[name][1] *= np.float32(value)
    save_file(tensors, new, metadata)


def elided(items, n=3):
    return items if len(items) <= 2 * n else [*items[:n], None, *items[-n:]]


def print_tensor(name, tensor):
    """A tensor of three dimensions, the last of which is the fastest, as ggml names them from there on."""
    shape = ", ".join(str(n) for n in [*reversed(tensor.shape), 1])
    kind = "i32" if tensor.dtype == np.int32 else "f32"
    print(f"common_debug_cb_eval: {name:>24} = ({kind}) {'ADD':>10}(a{{{shape}}}, b{{{shape}}}}}) = {{{shape}}}\n    [")
    for plane in elided(list(tensor)):
        if plane is None:
            print("        ..., ")
            continue
        print("        [")
        for row in elided(list(plane)):
            words = ["   ..." if v is None else f"{v:12.4f}" for v in elided(list(row))] if row is not None else None
            print("            ..., " if words is None else f"            [{', '.join(words)}  ],")
        print("        ],")
    print(f"    ]\n    sum = {tensor.sum():f}")


def print_like_llama(path, n_layer, d_head):
    """Heads are a dimension of their own, q and k come before RoPE as well, and behind the last attention there is one row."""
    tensors, metadata = read(path)
    tokens = metadata["tokens"].split(",")
    print("\nnumber of input tokens =", len(tokens), *(f"\n  {token}" for token in tokens))
    last = ["ffn_inp", "ffn_norm", "ffn_moe_topk", "ffn_moe_weights_norm", "ffn_moe_out", "l_out"]
    one_row = {f"{tap}-{n_layer - 1}" for tap in last} | {"result_norm", "result_output"}
    for name, tensor in tensors.items():
        if name.startswith(("Qcur", "Kcur")):
            print_tensor(name, np.zeros((1, *tensor.shape), np.float32))
            print_tensor(name, tensor.reshape(len(tokens), -1, d_head))
        else:
            print_tensor(name, tensor[None, -1:] if name in one_row else tensor[None])


if __name__ == "__main__":
    if sys.argv[1] == "show":
        show(sys.argv[2])
    elif sys.argv[1] == "print":
        print_like_llama(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        alter(sys.argv[2], sys.argv[3], sys.argv[4:])
