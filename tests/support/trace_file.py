"""Reads and changes the trace files of `tercet trace` with the safetensors package.

usage: trace_file.py show FILE                         what it holds, as JSON on stdout
       trace_file.py alter FILE NEW [CHANGE...]        a copy, written by the package, in which some things differ

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


if __name__ == "__main__":
    if sys.argv[1] == "show":
        show(sys.argv[2])
    else:
        alter(sys.argv[2], sys.argv[3], sys.argv[4:])
