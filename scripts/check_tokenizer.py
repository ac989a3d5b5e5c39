#!/usr/bin/env python3
"""Compares lathe's tokenizer with the Python package `tokenizers` on many texts: ids with and without special tokens,
special tokens as plain text, decoding, and decoding token by token.

    make build/tokenize_batch
    scripts/check_tokenizer.py --tool build/tokenize_batch [--strings 1000000] [--texts FILE…] --models FOLDER…

The texts are every code point, alone and in a context, and short strings (see hard_texts.py) that mix hard classes of Unicode with the
tokenizer's own tokens and with pieces of the files. All of them are encoded, a quarter also with special tokens and with the special
tokens' spelling as plain text, a seventh decoded.

A folder without tokenizer.json (vocab.json and merges.txt) is compared with what transformers makes of it. Prints one
line per tokenizer and kind of comparison; exits with 1 when there was a difference, after showing the first few.
"""
import argparse
import os
import random
import subprocess
import sys
import tempfile

import hard_texts

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads and our child processes can lock each other out
from tokenizers import Tokenizer

def make_texts(tokenizer, count, files, rng, every):
    """Every code point alone and in context, then `count` short strings put together from all sorts of parts, then long ones."""
    points = hard_texts.code_points()[::every] if every else []
    for c in points:
        yield chr(c)
    for c in points:
        yield "a%c 'b%c%c1%c\n %c" % (c, c, c, c, c)
    added = [t.content for t in tokenizer.get_added_tokens_decoder().values()]
    real = hard_texts.read(files)
    yield from hard_texts.strings(rng, count, real, sorted(tokenizer.get_vocab()), added)
    for size in (1000, 100000):  # long words and runs
        for unit in ("a", "ab", "lo", " ", "\n", "é", "中", "e\u0301", "0", "- ", "'"):
            yield (unit * size)[: size if size > 1000 else None]
    yield from real


def run(tool, mode, path, data):
    done = subprocess.run([tool, mode, path], input=data, capture_output=True)
    if done.returncode:
        sys.exit(f"{tool} {mode} {path}: {done.stderr.decode()}")
    return done.stdout


class Tally:
    """Counts comparisons of one kind and keeps the first differences."""

    def __init__(self):
        self.kinds = {}

    def compare(self, kind, inputs, got, want):
        row = self.kinds.setdefault(kind, [0, 0, []])
        row[0] += len(inputs)
        if not len(inputs) == len(got) == len(want):
            row[1] += 1
            row[2].append((f"{len(inputs)} inputs", f"{len(got)} from lathe", f"{len(want)} from the reference"))
        for i, g, w in zip(inputs, got, want):
            if g != w:
                row[1] += 1
                row[2].append((repr(i), f"lathe {g}", f"reference {w}"))

    def show(self):
        for kind, (total, wrong, examples) in self.kinds.items():
            print(f"  {kind:28} {total:8} compared, {wrong} different", flush=True)
            for example in examples[:4]:
                print("      " + "\n      ".join(str(x)[:400] for x in example))
        return sum(wrong for _, wrong, _ in self.kinds.values())


def chunks(items, size):
    chunk = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def check_encoding(tool, path, tokenizer, texts, tally):
    """All texts without special tokens, a part of them with, and as plain text. Returns the ids without."""
    plain = None
    for kind, mode, special, as_text, some in (("ids", "encode", False, False, texts),
                                               ("ids with special tokens", "encode-special", True, False, texts[::4]),
                                               ("special tokens as text", "encode-text", False, True, texts[1::4])):
        tokenizer.encode_special_tokens = as_text
        got = run(tool, mode, path, b"".join(map(hard_texts.escape, some))).split(b"\n")[:-1]
        ids = [e.ids for e in tokenizer.encode_batch_fast(some, add_special_tokens=special)]
        tokenizer.encode_special_tokens = False
        tally.compare(kind, some, got, [b" ".join(b"%d" % i for i in line) for line in ids])
        plain = plain or ids
    return plain


def check_decoding(tool, path, tokenizer, ids, tally):
    data = b"".join(" ".join(map(str, i)).encode() + b"\n" for i in ids)
    for kind, mode, skip in (("decoded", "decode", False), ("without special tokens", "decode-skip", True), ("decoded as a stream", "stream", False)):
        got = [t.replace(b"\xc0\x80", b"\0").decode() for t in run(tool, mode, path, data).split(b"\0")[:-1]]
        tally.compare(kind, ids, got, tokenizer.decode_batch(ids, skip_special_tokens=skip))


def random_ids(tokenizer, count, rng):
    size = max(tokenizer.get_vocab().values()) + 1
    for i in range(size):
        yield [i]
    spelled = [t for t in range(size) if (tokenizer.id_to_token(t) or "").startswith("<0x")]
    for _ in range(count):
        pool = spelled if spelled and rng.random() < 0.3 else range(size + 3)
        yield [rng.choice(pool) if rng.random() < 0.8 else rng.randrange(size) for _ in range(rng.randint(0, 12))]


def check(tool, path, tokenizer, args):
    rng = random.Random(args.seed)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tally = Tally()
    for texts in chunks(make_texts(tokenizer, args.strings, args.texts, rng, args.every), 200000):
        ids = check_encoding(tool, path, tokenizer, texts, tally)
        check_decoding(tool, path, tokenizer, ids[::7], tally)
    for ids in chunks(random_ids(tokenizer, args.strings // 10, rng), 200000):
        check_decoding(tool, path, tokenizer, ids, tally)
    return tally.show()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--strings", type=int, default=300000)
    parser.add_argument("--every", type=int, default=1, help="of the code points only every N-th; 0: none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--texts", nargs="*", default=[])
    parser.add_argument("--models", nargs="+", required=True)
    args = parser.parse_args()
    wrong = 0
    for path in args.models:
        print(path)
        file = path if os.path.isfile(path) else os.path.join(path, "tokenizer.json")
        if os.path.exists(file):
            wrong += check(args.tool, file, Tokenizer.from_file(file), args)
        else:
            from transformers import AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(path)
            with tempfile.TemporaryDirectory() as folder:  # a reference of its own, not transformers' object
                tokenizer.backend_tokenizer.save(os.path.join(folder, "tokenizer.json"))
                wrong += check(args.tool, path, Tokenizer.from_file(os.path.join(folder, "tokenizer.json")), args)
    return 1 if wrong else 0


sys.exit(main())
