"""Writes what src/tokenizer's tests compare with: two vocabularies as GGUF files, and for each the ids that the
`tokenizers` package gives for a corpus made from tests/data/tokenizer, the same at every run.

usage: tokenizer.py OUT_DIR      writes NAME.gguf and NAME.cases for NAME in demo, qwen3

A .cases file, little-endian u32 throughout:  number of cases, then for each
  flags (1: special tokens are parsed) | n_byte, text | n_id, ids | n_byte, decoded text
n_byte is 0xFFFFFFFF when the decoded text is the text.
"""

import array
import json
import lzma
import multiprocessing
import os
import random
import struct
import sys
import unicodedata
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import gguf  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

SEED = 20240229
CORPUS_BYTES = 5_200_000
RUN = 100_000
SAME = 0xFFFFFFFF
DATA = Path(os.environ.get("TERCET_SOURCE_DIR") or Path(__file__).parents[2]) / "tests/data/tokenizer"
VOCABS = {"demo": 6144, "qwen3": 151936}  # sizes with padding

ADDED = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<tool_call>", "</tool_call>", "<think>", "</think>"]
NEAR_ADDED = ["<|im_start", "|im_end|>", "<<|im_end|>>", "<think", "< think >", "<|im_<|im_end|>end|>", "<tool_call></", "<|IM_END|>"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r", "\r\n", "\n\n", " \n ", "\n \n", "\t\t ", "\v", "\f", "\x85", "\xa0", "\u1680",
          "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\x1c", "\u200b", "\ufeff", "\u180e"]
SUFFIXES = ["s", "t", "re", "ve", "m", "ll", "d", "S", "T", "RE", "Ve", "M", "lL", "D", "\u017f", "r", "v", "l", "K", "\u212a", "le", "es"]
EMOJI = ["😀", "👍🏽", "👩‍💻", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇫🇷🇯🇵", "1️⃣", "#️⃣", "❤️", "❤︎", "👩🏿‍❤️‍💋‍👨🏻", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🫱🏻‍🫲🏿", "⚠", "🐦‍🔥"]
RUN_CHARACTERS = ["a", " ", "\n", "0", "\u0301", "😀", "\t", "\u1161", "\u1100", "\uac00", "\r", "'", "<", "\u3000", "é", "!", "\u0f71", "ſ", "Z"]
MARKS = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) in ("Mn", "Mc")]
# Characters that canonical composition has to do with, by the Unicode data of this Python.
COMPOSITES = [chr(c) for c in range(0x110000) if unicodedata.decomposition(chr(c)) and unicodedata.decomposition(chr(c))[0] != "<"]
JAMO = [chr(c) for c in (*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A7, 0x11C4), 0x1113, 0xAC00, 0xAC01, 0xD788)]


def single_code_points():
    """Each code point alone, between letters and beside spaces and digits."""
    near = [c for c in (*range(0xD800), *range(0xE000, 0x33480), *range(0xE0000, 0xE0200))]
    yield from map(chr, near)
    for i in range(0, len(near), 4096):
        block = [chr(c) for c in near[i : i + 4096]]
        yield "".join(f"a{c}b {c}1{c}\n" for c in block)


def far_code_points():
    """Those that no Unicode version has assigned yet, and private ones, each on a line of its own."""
    far = [c for c in range(0x33480, 0x110000) if not 0xE0000 <= c < 0xE0200]
    for i in range(0, len(far), 4096):
        yield "\n".join(map(chr, far[i : i + 4096]))


def runs():
    for c in RUN_CHARACTERS:
        yield c * RUN
    for c in RUN_CHARACTERS[:6]:
        yield f"x{c * RUN}y"
    yield "\u0301\u0316" * (RUN // 2)
    yield "e" + "\u0316\u0301\u0334" * (RUN // 3)
    yield " \n" * (RUN // 2)
    yield "ab" * (RUN // 2)


def combining(rng):
    """Canonical ordering and composition: every composite taken apart, shuffled marks, Hangul."""
    for c in COMPOSITES:
        apart = unicodedata.normalize("NFD", c)
        mark = rng.choice(MARKS)
        yield f"{c}{apart} {apart}{mark} {apart[0]}{mark}{apart[1:]} {c}{mark}"
    for _ in range(1500):
        words = []
        for _ in range(rng.randint(1, 8)):
            base = rng.choice(["", "a", "E", "ö", "ᾳ", "か", "ক", "ো", "क", "1", "<", "ם", "ا", rng.choice(COMPOSITES)])
            words.append(base + "".join(rng.choice(MARKS) for _ in range(rng.randint(0, 6))))
        yield " ".join(words)
    for _ in range(600):
        yield "".join(rng.choice(JAMO) for _ in range(rng.randint(1, 30)))


def small_strings(rng):
    """Short strings over an alphabet where each character matters to the pre-tokenizer."""
    alphabet = ["a", "B", "s", "é", "中", "1", "²", " ", " ", "\n", "\r", "\t", "\xa0", "'", "'", ".", "_", "\u0301", "😀", "\0", "ſ", "<think>"]
    for _ in range(20_000):
        yield "".join(rng.choice(alphabet) for _ in range(rng.randint(1, 12)))


def mutate(rng, line):
    kind = rng.randrange(16)
    at = rng.randint(0, len(line))
    if kind == 0:
        return line[:at] + rng.choice(SPACES) * rng.choice([1, 1, 2, 5, 40]) + line[at:]
    if kind == 1:
        return line[:at] + rng.choice(["'", "'", "’", "''"]) + rng.choice(SUFFIXES) + line[at:]
    if kind == 2:
        return line[:at] + rng.choice(ADDED + NEAR_ADDED) + line[at:]
    if kind == 3:
        return line[:at] + rng.choice(EMOJI) * rng.choice([1, 1, 3]) + line[at:]
    if kind == 4:
        return unicodedata.normalize("NFD", line)
    if kind == 5:
        return line[:at] + chr(rng.choice([rng.randrange(0x20), rng.randrange(0x7F, 0xD800), rng.randrange(0xE000, 0x110000)])) + line[at:]
    if kind == 6:
        return line.swapcase() if rng.random() < 0.5 else line.upper()
    if kind == 7:
        return line.rstrip("\n") + "\r\n"
    if kind == 8:
        return line[:at] + str(rng.randrange(10 ** rng.randint(1, 20))) + line[at:]
    if kind == 9:
        return line[:at] + line[at + rng.randint(1, 6) :]
    if kind == 10:
        return line[:at] + "".join(rng.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") for _ in range(rng.randint(1, 12))) + line[at:]
    if kind == 11:
        return line[:at] + "".join(rng.choice(MARKS) for _ in range(rng.randint(1, 4))) + line[at:]
    if kind == 12:
        return " " * rng.randint(0, 24) + line
    return line


def documents(rng):
    sources = [path.read_bytes().decode("utf-8") for path in sorted(DATA.glob("*/*.txt"))]
    assert len(sources) >= 30, sources
    yield from sources
    lines = [text.splitlines(keepends=True) for text in sources]
    size = 0
    while size < CORPUS_BYTES:
        wanted = rng.choice([40, 300, 3000, 30000])
        mixed = rng.random() < 0.3
        source = rng.choice(lines)
        parts, n = [], 0
        while n < wanted:
            if mixed:
                source = rng.choice(lines)
            begin = rng.randrange(len(source))
            for line in source[begin : begin + rng.randint(1, 12)]:
                parts.append(mutate(rng, line))
                n += len(parts[-1].encode("utf-8"))
        text = "".join(parts)
        size += n
        yield text


def corpus(name):
    rng = random.Random(SEED)
    makers = [single_code_points, runs]
    if name == "demo":  # what they are does not depend on the vocabulary
        makers.append(far_code_points)
    texts = [(text, True) for make in makers for text in make()]
    for make in (combining, small_strings, documents):
        # One in five as untrusted text, whose control tokens are no tokens.
        texts += [(text, rng.random() < 0.8) for text in make(rng)]
    texts.append(("", True))
    return texts


def write_gguf(path, spec, size):
    """As GGUF files of this family are: control tokens have type 3, other added tokens 4, padding 5."""
    tokens = [f"[PAD{i}]" for i in range(size)]
    types = [gguf.TokenType.UNUSED] * size
    for token, i in spec["model"]["vocab"].items():
        tokens[i], types[i] = token, gguf.TokenType.NORMAL
    for added in spec["added_tokens"]:
        kind = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
        tokens[added["id"]], types[added["id"]] = added["content"], kind
    ids = {added["content"]: added["id"] for added in spec["added_tokens"]}
    writer = gguf.GGUFWriter(path, "qwen3moe")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(merge) for merge in spec["model"]["merges"]])
    writer.add_eos_token_id(ids["<|im_end|>"])
    writer.add_pad_token_id(ids["<|endoftext|>"])
    writer.add_bos_token_id(ids["<|endoftext|>"])
    writer.add_add_bos_token(False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_cases(path, tokenizer, texts):
    encodings = [None] * len(texts)
    for parse_special in (True, False):
        tokenizer.encode_special_tokens = not parse_special
        chosen = [i for i, (_, parse) in enumerate(texts) if parse == parse_special]
        for start in range(0, len(chosen), 1000):
            part = chosen[start : start + 1000]
            batch = tokenizer.encode_batch_fast([texts[i][0] for i in part], add_special_tokens=False)
            for i, encoding in zip(part, batch):
                encodings[i] = encoding.ids
    n_byte = 0
    with open(path, "wb") as out:
        out.write(struct.pack("<I", len(texts)))
        for (text, parse_special), ids in zip(texts, encodings):
            raw = text.encode("utf-8")
            n_byte += len(raw)
            out.write(struct.pack("<II", parse_special, len(raw)) + raw)
            out.write(struct.pack("<I", len(ids)) + array.array("I", ids).tobytes())
            decoded = tokenizer.decode(ids, skip_special_tokens=False).encode("utf-8")
            out.write(struct.pack("<I", SAME) if decoded == raw else struct.pack("<I", len(decoded)) + decoded)
    return n_byte


def write_vocab(out, name, size):
    source = lzma.open(DATA / f"{name}-tokenizer.json.xz").read().decode("utf-8")
    write_gguf(out / f"{name}.gguf", json.loads(source), size)
    texts = corpus(name)
    n_byte = write_cases(out / f"{name}.cases", Tokenizer.from_str(source), texts)
    print(f"{name}: {len(texts)} cases, {n_byte} bytes")


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool(len(VOCABS)) as pool:
        pool.starmap(write_vocab, [(out, name, size) for name, size in VOCABS.items()])


if __name__ == "__main__":
    main()
