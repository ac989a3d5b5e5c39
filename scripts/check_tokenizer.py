#!/usr/bin/env python3
"""Compares lathe's tokenizer with the Python package `tokenizers` on many texts: ids with and without special tokens,
special tokens as plain text, decoding, and decoding token by token.

    make build/tokenize_batch
    scripts/check_tokenizer.py --tool build/tokenize_batch [--count 300000] [--texts FILE…] --models FOLDER…

A folder without tokenizer.json (vocab.json and merges.txt) is compared with what transformers makes of it. Prints one
line per tokenizer and kind of comparison; exits with 1 when there was a difference, after showing the first few.
"""
import argparse
import os
import random
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads and our child processes can lock each other out
from tokenizers import Tokenizer  # noqa: E402

EMOJI = ["😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪🇫🇷", "❤️", "1️⃣", "🧑🏿‍🚀", "\ufe0f", "\u200d"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\u00a0", "\u3000", "\u2028", "\u2029", "\u1680", "\u180e", "\u200b",
          "\u0085", "\x0b", "\x0c", "\x1c", "\x1f", "\ufeff", " \n ", "\u2581"]
CODE = ["def f(x):\n    return x**2  # square\n", "for (int i = 0; i < n; ++i) {\n\t\ta[i] += b[i] * 0x1F;\n}\n",
        "SELECT * FROM t WHERE id=42;", "<div class=\"a\">&nbsp;</div>", "{\"k\": [1, 2.5e-3, null]}", "a->b::c && !d || ~e",
        "#include <stdio.h>\r\n", "std::vector<std::pair<int,int>> v;", "lambda x: x if x else None", "/* ... */ // --- ===="]
WORDS = ["the", "The", "THE", "don't", "I'll", "we've", "you're", "I'm", "he'd", "it's", "DON'T", "I'LL", "’s", "'S", "'ſ", "'K",
         "naïve", "Straße", "ﬁre", "Ⅷ", "½", "x²", "ǅ", "İstanbul", "ß", "ﬀ", "Å", "Å", "e\u0301", "가", "\u1100\u1161\u11a8",
         "한국어", "日本語", "中文字符", "ไทย", "हिन्दी", "العربية", "עברית", "русский", "ελληνικά", "१२३", "٣٤٥", "12345", "3.14",
         "1,000,000", "0xDEADBEEF", "http://a.b/c?d=e", "a_b-c.d", "ＡＢＣ", "ﾊﾝｶｸ", "ｶﾞ", "ﷺ", "\u0344", "\u0f73", "q\u0323\u0307",
         "q\u0307\u0323", "…", "—", "“quoted”", "«»", "©®™", "$5", "€5", "+-*/=", "~~~", "###", "\x00", "\x01", "\x7f", "\ufffd"]
BLOCKS = [(0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x5FF), (0x600, 0x6FF),
          (0x700, 0x8FF), (0x900, 0xDFF), (0xE00, 0xFFF), (0x1000, 0x139F), (0x1400, 0x1CFF), (0x1D00, 0x1FFF), (0x2000, 0x20CF),
          (0x20D0, 0x2BFF), (0x2C00, 0x2FFF), (0x3000, 0x31FF), (0x3200, 0x4DBF), (0x4E00, 0x9FFF), (0xA000, 0xABFF),
          (0xAC00, 0xD7FF), (0xE000, 0xFAFF), (0xFB00, 0xFFFD), (0x10000, 0x10FFF), (0x11000, 0x12FFF), (0x13000, 0x1BFFF),
          (0x1D000, 0x1DFFF), (0x1E000, 0x1EFFF), (0x1F000, 0x1FBFF), (0x20000, 0x323AF), (0xE0000, 0xE01EF), (0xF0000, 0x10FFFF)]


def code_points():
    return [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def make_texts(tokenizer, count, files, rng, every):
    """Every code point alone and in context, then `count` texts put together from all sorts of parts."""
    for c in code_points()[::every]:
        yield chr(c)
    for c in code_points()[::every]:
        yield "a%c 'b%c%c1%c\n %c" % (c, c, c, c, c)
    added = [t.content for t in tokenizer.get_added_tokens_decoder().values()]
    vocab = list(tokenizer.get_vocab())
    real = []
    for name in files:
        with open(name, encoding="utf-8", errors="replace", newline="") as f:
            real.append(f.read())

    def part():
        kind = rng.randrange(14)
        if kind == 0:
            return rng.choice(SPACES) * rng.choice([1, 1, 1, 2, 3, 8, 17])
        if kind == 1:
            return rng.choice(WORDS)
        if kind == 2:
            return rng.choice(CODE)
        if kind == 3:
            return rng.choice(EMOJI)
        if kind == 4 and added:
            return rng.choice(["", "", " ", "  \n", "x", "."]) + rng.choice(added) + rng.choice(["", "", " ", "\t ", "x", "."])
        if kind == 5:
            low, high = rng.choice(BLOCKS)
            return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 12)))
        if kind == 6:
            return "".join(chr(rng.choice([rng.randint(0, 0x7F), rng.randint(0, 0x2FF), rng.randint(0, 0xD7FF)])) for _ in range(rng.randint(1, 20)))
        if kind == 7:
            return rng.choice(vocab)
        if kind == 13:  # long, of few characters, some of which a vocabulary may lack
            pool = rng.choices(vocab, k=3) + [chr(rng.randint(0, 0x1F)), chr(rng.randint(0x80, 0x2FF)), chr(rng.choice([0x16, 0x416, 0x4E2D, 0x1F600]))]
            return "".join(rng.choice(pool) for _ in range(rng.randint(10, 60)))
        if kind == 8:
            return rng.choice("abcxyz01.,!?-_'\"() \n") * rng.randint(1, 40)
        if kind == 9:
            return str(rng.randint(0, 10 ** rng.randint(1, 20)))
        if kind == 10:
            return "".join(rng.choice("etaoinshrdlucmfwypvbgkjqxz") for _ in range(rng.randint(1, 30)))
        if real:
            text = rng.choice(real)
            at = rng.randrange(len(text))
            return text[at : at + rng.choice([5, 20, 60, 200])]
        return rng.choice(WORDS) + " "

    for _ in range(count):
        yield "".join(part() for _ in range(rng.choice([1, 2, 3, 5, 8])))
    for size in (1000, 100000):  # long words and runs
        for unit in ("a", "ab", "lo", " ", "\n", "é", "中", "e\u0301", "0", "- ", "'"):
            yield (unit * size)[: size if size > 1000 else None]
    for text in real:
        yield text


def escape(text):
    return text.encode().replace(b"\0", b"\xc0\x80")


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
    """Returns the ids without special tokens."""
    data = b"".join(escape(t) + b"\0" for t in texts)
    plain = None
    for kind, mode, special, as_text in (("ids", "encode", False, False), ("ids with special tokens", "encode-special", True, False),
                                         ("special tokens as text", "encode-text", False, True)):
        tokenizer.encode_special_tokens = as_text
        got = [list(map(int, line.split())) for line in run(tool, mode, path, data).split(b"\n")[:-1]]
        want = [e.ids for e in tokenizer.encode_batch_fast(texts, add_special_tokens=special)]
        tokenizer.encode_special_tokens = False
        tally.compare(kind, texts, got, want)
        plain = plain or want
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
    for texts in chunks(make_texts(tokenizer, args.count, args.texts, rng, args.every), 200000):
        ids = check_encoding(tool, path, tokenizer, texts, tally)
        check_decoding(tool, path, tokenizer, ids[::7], tally)
    for ids in chunks(random_ids(tokenizer, args.count // 3, rng), 200000):
        check_decoding(tool, path, tokenizer, ids, tally)
    return tally.show()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--count", type=int, default=300000)
    parser.add_argument("--every", type=int, default=1, help="of the code points only every N-th")
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
