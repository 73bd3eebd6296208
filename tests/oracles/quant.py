"""Writes what src/quant/quant_test.cc compares with, by the gguf package.

usage: quant.py OUT_DIR

For each format NAME, OUT_DIR gets NAME.blocks (raw blocks) and NAME.values (the float32 that they dequantize to), and
for those that the package can quantize NAME.input (float32) and NAME.quantized (blocks). Everything is little-endian
and has no header. The seed is fixed.
"""
import itertools
import os
import sys

import numpy as np
from gguf import GGMLQuantizationType
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize, quantize

# Where the halves that scale a block lie in it. A further format is a line here.
SCALES = {
    "Q8_0": [0],
    "Q4_K": [0, 2],
    "Q6_K": [208],
}

# Zeros, the least and largest subnormal, the least and largest normal, 1, infinities, NaNs.
EXTREME_HALVES = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00, 0x7C00, 0xFC00, 0x7C01,
                  0x7E00, 0xFE00]


def random_blocks(rng, name):
    """Random bytes under random scales and under every combination of extreme ones, and all-zero and all-one bytes."""
    size = GGML_QUANT_SIZES[GGMLQuantizationType[name]][1]
    extremes = np.array(list(itertools.product(EXTREME_HALVES, repeat=len(SCALES[name]))), np.uint16)
    bodies = [rng.integers(0, 256, (1000, size), np.uint8)]
    for fill in (None, 0x00, 0xFF):
        body = rng.integers(0, 256, (len(extremes), size), np.uint8)
        if fill is not None:
            body[:] = fill
        for column, offset in enumerate(SCALES[name]):
            body[:, offset : offset + 2] = extremes[:, column, None].view(np.uint8)
        bodies.append(body)
    return np.concatenate(bodies)


def near_every(bits, step):
    """Float bits at, halfway between, and one unit beside the values of a 16-bit float; step: between normal values."""
    values = bits.view(np.float32)
    midpoints = ((values[:-1] + values[1:]) / 2).view(np.uint32)  # differ from the next line's where subnormal
    centres = np.concatenate([bits, bits + np.uint32(step // 2), midpoints])
    return np.concatenate([centres - np.uint32(1), centres, centres + np.uint32(1)])


def q8_0_input(rng):
    """Normal values over magnitudes whose scale a half holds, underflows and overflows; zeros; ties; an outlier."""
    exponents = rng.uniform(-9, 8, (2000, 1))
    normal = rng.standard_normal((2000, 32)) * 10.0**exponents
    ties = rng.integers(-127, 127, (200, 32)) + 0.5
    ties[:, 0] = 127
    near_ties = ties * rng.uniform(0.001, 1000, (200, 1))  # tell x * (1 / d) from x / d
    signed_zeros = np.where(rng.integers(0, 2, (4, 32)) == 0, 0.0, -0.0)
    outlier = rng.standard_normal((200, 32)) * 0.01
    outlier[:, 7] = 100
    return np.concatenate([normal, ties, near_ties, signed_zeros, outlier]).astype(np.float32)


def main():
    out = sys.argv[1]
    rng = np.random.default_rng(20240607)
    every16 = np.arange(1 << 16, dtype=np.uint16)
    every_half = every16.view(np.float16).astype(np.float32).view(np.uint32)

    blocks = {name: random_blocks(rng, name) for name in SCALES}
    blocks["F32"] = rng.integers(0, 256, (4096, 4), np.uint8)
    blocks["F16"] = every16.view(np.uint8).reshape(-1, 2)
    blocks["BF16"] = every16.view(np.uint8).reshape(-1, 2)

    with np.errstate(all="ignore"):
        near_half = near_every(every_half, 1 << 13)
        near_bfloat = near_every(every16.astype(np.uint32) << 16, 1 << 16)
    random_bits = rng.integers(0, 1 << 32, 20000, np.uint32)
    inputs = {
        "F32": random_bits.view(np.float32),
        "F16": np.concatenate([near_half, random_bits]).view(np.float32),
        "BF16": np.concatenate([near_bfloat, random_bits]).view(np.float32),
        "Q8_0": q8_0_input(rng),
    }

    def write(name, array):
        with open(os.path.join(out, name), "wb") as file:
            file.write(np.ascontiguousarray(array).tobytes())

    with np.errstate(all="ignore"):
        for name, rows in blocks.items():
            values = dequantize(rows, GGMLQuantizationType[name])
            assert values.dtype == np.float32
            write(name + ".blocks", rows)
            write(name + ".values", values)
        for name, values in inputs.items():
            write(name + ".input", values)
            write(name + ".quantized", quantize(values, GGMLQuantizationType[name]))


if __name__ == "__main__":
    main()
