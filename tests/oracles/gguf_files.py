"""Writes GGUF files with the `gguf` package, each with a text that says what is in it, for src/gguf/oracle_test.cc.

The text has a line for each thing in the file, in order; floats are given by their bits and strings in hex, so that
equal texts mean equal files. What the package's own reader makes of each file is checked here too. (The script must not
be called gguf.py: it would hide the package.)
"""

import math
import struct
import sys
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES

T = GGUFValueType
OUT = Path(sys.argv[1])

INTEGERS = {
    T.UINT8: (0, 1, 255),
    T.INT8: (-128, -1, 127),
    T.UINT16: (0, 256, 65535),
    T.INT16: (-32768, -1, 32767),
    T.UINT32: (0, 65536, 2**32 - 1),
    T.INT32: (-(2**31), -1, 2**31 - 1),
    T.UINT64: (0, 2**32, 2**64 - 1),
    T.INT64: (-(2**63), -1, 2**63 - 1),
}
FLOATS = (0.0, -0.0, 1e-45, 3.4028234663852886e38, 0.1, -1.5, math.inf, -math.inf, math.nan)
STRINGS = ("a", "Grüße", "\x00\x01\n", "🦉 ∀x", " " * 300, "<|im_start|>", "'\"\\")


def show(value, kind):
    if kind == T.STRING:
        return value.encode().hex() or "-"
    if kind == T.BOOL:
        return str(int(value))
    if kind == T.FLOAT32:
        return struct.pack(">f", value).hex()
    if kind == T.FLOAT64:
        return struct.pack(">d", value).hex()
    return str(value)


def fnv1a(data):
    digest = 0xCBF29CE484222325
    for byte in data:
        digest = ((digest ^ byte) * 0x100000001B3) % 2**64
    return digest


class Case:
    """A file in the making, beside the text about it."""

    def __init__(self, name):
        self.path = OUT / f"{name}.gguf"
        self.writer = GGUFWriter(self.path, "qwen3moe")
        self.alignment = 32
        self.lines = [f"kv general.architecture string {show('qwen3moe', T.STRING)}"]
        self.tensors = []

    def align(self, alignment):
        self.alignment = alignment
        self.writer.add_custom_alignment(alignment)
        self.lines.append(f"kv general.alignment uint32 {alignment}")

    def scalar(self, key, value, kind):
        self.writer.add_key_value(key, value, kind)
        self.lines.append(f"kv {key} {kind.name.lower()} {show(value, kind)}")

    def array(self, key, values, kind):
        self.writer.add_key_value(key, values, T.ARRAY, sub_type=kind)
        shown = " ".join(show(value, kind) for value in values)
        self.lines.append(f"kv {key} array {kind.name.lower()} {len(values)} {shown}")

    def tensor(self, name, kind, dims, rng):
        block_size, block_bytes = GGML_QUANT_SIZES[kind]
        rows = math.prod(dims[1:])
        data = rng.integers(0, 256, (rows, dims[0] // block_size * block_bytes), dtype=np.uint8)
        self.writer.add_tensor(name, data.reshape(*reversed(dims[1:]), -1) if len(dims) > 1 else data.reshape(-1),
                               raw_dtype=kind)
        self.tensors.append((name, kind, dims, data.tobytes()))

    def finish(self, version=3):
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()
        if version != 3:
            with open(self.path, "r+b") as file:
                file.seek(4)
                file.write(struct.pack("<I", version))
        reader = GGUFReader(self.path)
        assert reader.alignment == self.alignment
        assert len(reader.fields) == len(self.lines) + 3  # the version and two counts are fields to the reader
        lines = [f"version {version}", f"alignment {self.alignment}", f"data_offset {reader.data_offset}", *self.lines]
        for (name, kind, dims, data), seen in zip(self.tensors, reader.tensors, strict=True):
            assert seen.name == name and seen.tensor_type == kind and seen.shape.tolist() == list(dims)
            assert seen.data.tobytes() == data
            shape = "x".join(str(dim) for dim in dims)
            lines.append(f"tensor {name} {int(kind)} {shape} {seen.data_offset} {len(data)} {fnv1a(data):016x}")
        self.path.with_suffix(".txt").write_text("\n".join(lines) + "\n")


def fill_with_everything(case, rng):
    for kind, values in INTEGERS.items():
        for i, value in enumerate(values):
            case.scalar(f"scalar.{kind.name.lower()}.{i}", value, kind)
        case.array(f"array.{kind.name.lower()}", values, kind)
    for kind in (T.FLOAT32, T.FLOAT64):
        for i, value in enumerate(FLOATS):
            case.scalar(f"scalar.{kind.name.lower()}.{i}", value, kind)
        case.array(f"array.{kind.name.lower()}", FLOATS, kind)
    case.scalar("scalar.bool.0", False, T.BOOL)
    case.scalar("scalar.bool.1", True, T.BOOL)
    case.array("array.bool", (True, False, True), T.BOOL)
    for i, text in enumerate(STRINGS):
        case.scalar(f"scalar.string.{i}", text, T.STRING)
    case.scalar("scalar.string.empty", "", T.STRING)
    case.array("array.string", ("", *STRINGS, ""), T.STRING)
    case.scalar("ключ", 1, T.UINT32)  # keys are UTF-8
    for i, kind in enumerate(GGML_QUANT_SIZES):
        block_size = GGML_QUANT_SIZES[kind][0]
        if kind != GGMLQuantizationType.Q8_1:  # see write_types()
            case.tensor(f"blk.{i}.weight", kind, (block_size * (1 + i % 3), *(3, 2, 5)[: i % 4]), rng)


def write_types():
    # Q8_1 is left out: the package says 40 bytes, which ggml's struct had before it took two halves for two floats. No file
    # holds one.
    rows = [f"{int(kind)} {kind.name} {size} {n_byte}\n" for kind, (size, n_byte) in GGML_QUANT_SIZES.items()
            if kind != GGMLQuantizationType.Q8_1]
    (OUT / "types.txt").write_text("".join(rows))


def main():
    rng = np.random.default_rng(1)
    for name, alignment, version in (("rich", 32, 3), ("rich_v2", 32, 2), ("aligned_8", 8, 3), ("aligned_4096", 4096, 3)):
        case = Case(name)
        if alignment != 32:
            case.align(alignment)
        fill_with_everything(case, rng)
        case.finish(version)
    plain = Case("no_tensors")
    plain.scalar("some.key", 7, T.INT8)
    plain.finish()
    write_types()


main()
