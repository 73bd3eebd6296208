#!/usr/bin/env python3
"""Writes a synthetic Qwen3-MoE GGUF file, for measuring against programs that need a file to map.

usage: make_gguf.py {tiny|mid|full} OUT.gguf [--tokenizer DIR] [--seed N]
       make_gguf.py {tiny|mid|full} --plan

`tercet bench --synthetic` makes models of the same shapes and formats in memory (src/model/synthetic.cc); use this tool
where another program must read the same bytes. It needs numpy, and for a file a tokenizer: DIR holds the tokenizer.json
and tokenizer_config.json of a Qwen3 model. --plan prints sizes and writes nothing.

Weights are N(0, 0.02), really quantized to Q4_K and Q6_K blocks (a simple min/max quantizer) in a pool; each matrix,
and each expert, takes windows of its own from the pool. The mix of types is llama.cpp's Q4_K_M: attn_v and
ffn_down_exps are Q6_K in the layers that use_more_bits() picks, output is Q6_K, every other matrix Q4_K; norms and the
router are F32.
"""
import argparse
import json
import os
import struct
import time

import numpy as np

GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_STR, GGUF_ARR = 4, 5, 6, 7, 8, 9
F32, Q4_K, Q6_K = 0, 12, 14
BLOCK = {F32: (1, 4), Q4_K: (256, 144), Q6_K: (256, 210)}  # elements, bytes
NAME = {F32: "F32", Q4_K: "Q4_K", Q6_K: "Q6_K"}
ALIGNMENT = 32
WINDOW = 8192  # blocks

_LARGE = dict(n_embd=2048, n_head=32, n_kv=4, hd=128, n_exp=128, n_used=8, ff_exp=768, ff=6144, vocab=151936)
CFG = {
    "tiny": dict(n_layer=4, n_embd=256, n_head=4, n_kv=2, hd=128, n_exp=8, n_used=2, ff_exp=256, ff=1024, vocab=151936,
                 ctx=4096, pool=1 << 15),
    "mid": dict(_LARGE, n_layer=6, ctx=32768, pool=1 << 17),
    "full": dict(_LARGE, n_layer=48, ctx=262144, pool=1 << 18),
}


def quant_q4k(x):
    """x: (n, 256) float32 -> (n, 144) uint8."""
    n = x.shape[0]
    s = x.reshape(n, 8, 32)
    low = np.minimum(s.min(2), 0)
    high = np.maximum(s.max(2), 0)
    scale = (high - low) / 15
    minimum = -low
    d = (scale.max(1) / 63).astype(np.float16)
    dmin = (minimum.max(1) / 63).astype(np.float16)
    df = d.astype(np.float32)[:, None]
    dminf = dmin.astype(np.float32)[:, None]
    sc = np.clip(np.rint(scale / df), 1, 63).astype(np.uint8)
    m = np.clip(np.rint(minimum / dminf), 0, 63).astype(np.uint8)
    q = np.clip(np.rint((s + (dminf * m)[:, :, None]) / (df * sc)[:, :, None]), 0, 15).astype(np.uint8)
    out = np.empty((n, 144), np.uint8)
    out[:, 0:2] = d.view(np.uint8).reshape(n, 2)
    out[:, 2:4] = dmin.view(np.uint8).reshape(n, 2)
    out[:, 4:8] = sc[:, :4] | ((sc[:, 4:] >> 4) << 6)
    out[:, 8:12] = m[:, :4] | ((m[:, 4:] >> 4) << 6)
    out[:, 12:16] = (sc[:, 4:] & 15) | ((m[:, 4:] & 15) << 4)
    pairs = q.reshape(n, 4, 2, 32)
    out[:, 16:] = (pairs[:, :, 0] | (pairs[:, :, 1] << 4)).reshape(n, 128)
    return out


def quant_q6k(x):
    """x: (n, 256) float32 -> (n, 210) uint8."""
    n = x.shape[0]
    s = x.reshape(n, 16, 16)
    scale = np.abs(s).max(2) / 31
    d = (scale.max(1) / 127).astype(np.float16)
    df = d.astype(np.float32)[:, None]
    sc = np.clip(np.rint(scale / df), 1, 127).astype(np.int8)
    q = (np.clip(np.rint(s / (df * sc)[:, :, None]), -32, 31) + 32).astype(np.uint8).reshape(n, 2, 4, 32)
    out = np.empty((n, 210), np.uint8)
    ql = np.empty((n, 2, 64), np.uint8)
    ql[:, :, :32] = (q[:, :, 0] & 15) | ((q[:, :, 2] & 15) << 4)
    ql[:, :, 32:] = (q[:, :, 1] & 15) | ((q[:, :, 3] & 15) << 4)
    out[:, :128] = ql.reshape(n, 128)
    qh = (q[:, :, 0] >> 4) | ((q[:, :, 1] >> 4) << 2) | ((q[:, :, 2] >> 4) << 4) | ((q[:, :, 3] >> 4) << 6)
    out[:, 128:192] = qh.reshape(n, 64)
    out[:, 192:208] = sc.view(np.uint8)
    out[:, 208:210] = d.view(np.uint8).reshape(n, 2)
    return out


def dequant_q4k(b):
    n = b.shape[0]
    d = b[:, 0:2].copy().view(np.float16).astype(np.float32)
    dmin = b[:, 2:4].copy().view(np.float16).astype(np.float32)
    s = b[:, 4:16]
    sc = np.concatenate([s[:, :4] & 63, (s[:, 8:12] & 15) | ((s[:, 0:4] >> 6) << 4)], 1).astype(np.float32)
    m = np.concatenate([s[:, 4:8] & 63, (s[:, 8:12] >> 4) | ((s[:, 4:8] >> 6) << 4)], 1).astype(np.float32)
    q = b[:, 16:].reshape(n, 4, 32)
    v = np.stack([q & 15, q >> 4], 2).reshape(n, 8, 32).astype(np.float32)
    return ((d * sc)[:, :, None] * v - (dmin * m)[:, :, None]).reshape(n, 256)


def dequant_q6k(b):
    n = b.shape[0]
    d = b[:, 208:210].copy().view(np.float16).astype(np.float32)
    sc = b[:, 192:208].copy().view(np.int8).astype(np.float32)
    ql = b[:, :128].reshape(n, 2, 2, 32)
    qh = b[:, 128:192].reshape(n, 2, 32)
    q = np.stack([(ql[:, :, 0] & 15) | ((qh & 3) << 4), (ql[:, :, 1] & 15) | (((qh >> 2) & 3) << 4),
                  (ql[:, :, 0] >> 4) | (((qh >> 4) & 3) << 4), (ql[:, :, 1] >> 4) | ((qh >> 6) << 4)], 2)
    q = q.reshape(n, 16, 16).astype(np.float32) - 32
    return (d[:, :, None] * sc[:, :, None] * q).reshape(n, 256)


def use_more_bits(i, n):
    return i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2


def plan(c):
    """[(tensor name, dims with the contiguous one first, type)] in the file's order."""
    E, D, X, F, V = c["n_embd"], c["hd"], c["n_exp"], c["ff_exp"], c["vocab"]
    Q, K = c["n_head"] * D, c["n_kv"] * D
    tensors = [("token_embd.weight", (E, V), Q4_K)]
    for i in range(c["n_layer"]):
        b = f"blk.{i}."
        more = Q6_K if use_more_bits(i, c["n_layer"]) else Q4_K
        tensors += [
            (b + "attn_norm.weight", (E,), F32),
            (b + "attn_q.weight", (E, Q), Q4_K),
            (b + "attn_k.weight", (E, K), Q4_K),
            (b + "attn_v.weight", (E, K), more),
            (b + "attn_output.weight", (Q, E), Q4_K),
            (b + "attn_q_norm.weight", (D,), F32),
            (b + "attn_k_norm.weight", (D,), F32),
            (b + "ffn_norm.weight", (E,), F32),
            (b + "ffn_gate_inp.weight", (E, X), F32),
            (b + "ffn_gate_exps.weight", (E, F, X), Q4_K),
            (b + "ffn_up_exps.weight", (E, F, X), Q4_K),
            (b + "ffn_down_exps.weight", (F, E, X), more),
        ]
    return tensors + [("output_norm.weight", (E,), F32), ("output.weight", (E, V), Q6_K)]


def nbytes(dims, type_):
    n_element, n_byte = BLOCK[type_]
    assert dims[0] % n_element == 0
    return int(np.prod(dims)) // n_element * n_byte


def active_bytes(c):
    """Weight bytes that one decoded token reads: one row of token_embd, n_used of n_exp experts."""
    active = dict(embd_row=0, attn=0, router=0, experts=0, norms=0, output=0)
    for name, dims, type_ in plan(c):
        b = nbytes(dims, type_)
        if name.startswith("token_embd"):
            active["embd_row"] += b // c["vocab"]
        elif name.startswith("output."):
            active["output"] += b
        elif "_exps" in name:
            active["experts"] += b * c["n_used"] // c["n_exp"]
        elif "gate_inp" in name:
            active["router"] += b
        elif "norm" in name:
            active["norms"] += b
        else:
            active["attn"] += b
    active["total"] = sum(active.values())
    return active


def text(x):
    x = x.encode("utf-8", "surrogateescape")
    return struct.pack("<Q", len(x)) + x


def kv(key, type_, value):
    scalar = {GGUF_U32: "<I", GGUF_I32: "<i", GGUF_F32: "<f", GGUF_BOOL: "<?"}
    encoded = text(value) if type_ == GGUF_STR else struct.pack(scalar[type_], value)
    return text(key) + struct.pack("<I", type_) + encoded


def kv_array(key, type_, values):
    head = text(key) + struct.pack("<IIQ", GGUF_ARR, type_, len(values))
    if type_ == GGUF_STR:
        return head + b"".join(map(text, values))
    return head + struct.pack("<%d%s" % (len(values), {GGUF_I32: "i", GGUF_F32: "f"}[type_]), *values)


def model_kv(size):
    c, a = CFG[size], "qwen3moe."
    return [
        kv("general.architecture", GGUF_STR, "qwen3moe"),
        kv("general.name", GGUF_STR, f"synthetic-qwen3moe-{size}"),
        kv("general.type", GGUF_STR, "model"),
        kv("general.file_type", GGUF_U32, 15),
        kv("general.quantization_version", GGUF_U32, 2),
        kv(a + "block_count", GGUF_U32, c["n_layer"]),
        kv(a + "context_length", GGUF_U32, c["ctx"]),
        kv(a + "embedding_length", GGUF_U32, c["n_embd"]),
        kv(a + "feed_forward_length", GGUF_U32, c["ff"]),
        kv(a + "expert_feed_forward_length", GGUF_U32, c["ff_exp"]),
        kv(a + "expert_count", GGUF_U32, c["n_exp"]),
        kv(a + "expert_used_count", GGUF_U32, c["n_used"]),
        kv(a + "attention.head_count", GGUF_U32, c["n_head"]),
        kv(a + "attention.head_count_kv", GGUF_U32, c["n_kv"]),
        kv(a + "attention.key_length", GGUF_U32, c["hd"]),
        kv(a + "attention.value_length", GGUF_U32, c["hd"]),
        kv(a + "attention.layer_norm_rms_epsilon", GGUF_F32, 1e-6),
        kv(a + "rope.freq_base", GGUF_F32, 1e7),
    ]


def tokenizer_kv(directory, vocab):
    with open(os.path.join(directory, "tokenizer.json"), encoding="utf-8") as file:
        tokenizer = json.load(file)
    with open(os.path.join(directory, "tokenizer_config.json"), encoding="utf-8") as file:
        config = json.load(file)
    tokens = [f"[PAD{i}]" for i in range(vocab)]
    types = [5] * vocab  # 5: unused, 1: normal, 3: control, 4: user defined
    for token, i in tokenizer["model"]["vocab"].items():
        tokens[i], types[i] = token, 1
    for added in tokenizer["added_tokens"]:
        tokens[added["id"]], types[added["id"]] = added["content"], 3 if added["special"] else 4
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    out = [
        kv("tokenizer.ggml.model", GGUF_STR, "gpt2"),
        kv("tokenizer.ggml.pre", GGUF_STR, "qwen2"),
        kv_array("tokenizer.ggml.tokens", GGUF_STR, tokens),
        kv_array("tokenizer.ggml.token_type", GGUF_I32, types),
        kv_array("tokenizer.ggml.merges", GGUF_STR, merges),
        kv("tokenizer.ggml.eos_token_id", GGUF_U32, 151645),
        kv("tokenizer.ggml.padding_token_id", GGUF_U32, 151643),
        kv("tokenizer.ggml.bos_token_id", GGUF_U32, 151643),
        kv("tokenizer.ggml.add_bos_token", GGUF_BOOL, False),
    ]
    if isinstance(config.get("chat_template"), str):
        out.append(kv("tokenizer.chat_template", GGUF_STR, config["chat_template"]))
    return out


def header(tensors, metadata):
    """The file's bytes up to where tensor data begins. metadata: a list of what kv() and kv_array() give."""
    parts = [struct.pack("<IIQQ", 0x46554747, 3, len(tensors), len(metadata))] + metadata
    offset = 0
    for name, dims, type_ in tensors:
        parts.append(text(name) + struct.pack("<I%dQIQ" % len(dims), len(dims), *dims, type_, offset))
        offset += (nbytes(dims, type_) + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    out = b"".join(parts)
    return out + b"\0" * (-len(out) % ALIGNMENT)


def make_pools(rng, n_block):
    pools = {}
    for type_, quantize, dequantize in ((Q4_K, quant_q4k, dequant_q4k), (Q6_K, quant_q6k, dequant_q6k)):
        pool = np.empty((n_block, BLOCK[type_][1]), np.uint8)
        for i in range(0, n_block, 8192):
            x = rng.standard_normal((min(8192, n_block - i), 256), dtype=np.float32) * np.float32(0.02)
            pool[i : i + len(x)] = quantize(x)
            if i == 0:
                y = dequantize(pool[: len(x)])
                error = np.sqrt(((y - x) ** 2).mean() / (x**2).mean())
                print(f"{NAME[type_]} pool check: rel rms err {error:.4f}, std {y.std():.5f}, mean {y.mean():.2e}")
        pools[type_] = pool
    return pools


def write_tensor(file, rng, pools, dims, type_):
    if type_ == F32:
        w = rng.standard_normal(int(np.prod(dims)), dtype=np.float32)
        w = 1 + 0.1 * w if len(dims) == 1 else w * np.float32(0.02)
        file.write(w.astype(np.float32).tobytes())
    else:
        pool = pools[type_]
        n_mat = dims[2] if len(dims) == 3 else 1
        for _ in range(n_mat):
            left = nbytes(dims, type_) // BLOCK[type_][1] // n_mat
            while left:
                start = int(rng.integers(0, len(pool)))
                n = min(left, WINDOW, len(pool) - start)
                file.write(pool[start : start + n].data)
                left -= n
    file.write(b"\0" * (-nbytes(dims, type_) % ALIGNMENT))


def main():
    parser = argparse.ArgumentParser(description="Writes a synthetic Qwen3-MoE GGUF file.")
    parser.add_argument("size", choices=CFG)
    parser.add_argument("out", nargs="?", metavar="OUT.gguf")
    parser.add_argument("--tokenizer", default="tok", metavar="DIR", help="tokenizer.json and tokenizer_config.json")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plan", action="store_true", help="print sizes, write nothing")
    args = parser.parse_args()
    if not args.plan and args.out is None:
        parser.error("OUT.gguf is missing")

    c = CFG[args.size]
    tensors = plan(c)
    total = sum(nbytes(dims, type_) for _, dims, type_ in tensors)
    n_param = sum(int(np.prod(dims)) for _, dims, _ in tensors)
    print(f"{args.size}: {len(tensors)} tensors, {n_param/1e9:.3f} B params, {total} bytes = {total/2**30:.3f} GiB "
          f"({8*total/n_param:.3f} bpw)")
    print("active bytes per token:", active_bytes(c))
    if args.plan:
        return

    rng = np.random.default_rng(args.seed)
    head = header(tensors, model_kv(args.size) + tokenizer_kv(args.tokenizer, c["vocab"]))
    t0 = time.time()
    pools = make_pools(rng, c["pool"])
    print(f"pools in {time.time()-t0:.1f} s")
    with open(args.out, "wb", buffering=1 << 20) as file:
        file.write(head)
        for _, dims, type_ in tensors:
            write_tensor(file, rng, pools, dims, type_)
    print(f"wrote {args.out}: {os.path.getsize(args.out)} bytes in {time.time()-t0:.1f} s")


if __name__ == "__main__":
    main()
