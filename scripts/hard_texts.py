"""Texts that tokenizers get wrong: short strings put together from hard classes of Unicode, from a vocabulary's own tokens and from
real text cut anywhere. Used by check_tokenizer.py, check_layouts.py and check_vocabularies.py."""
import random
import sys
import unicodedata

EMOJI = ["😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪🇫🇷", "❤️", "1️⃣", "🧑🏿‍🚀", "\ufe0f", "\u200d", "👨‍💻", "🫠", "🏴\U000e0067\U000e0062\U000e007f", "🤷🏽‍♀️", "©️", "☺"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\u00a0", "\u3000", "\u2028", "\u2029", "\u1680", "\u180e", "\u200b", "\u0085",
          "\x0b", "\x0c", "\x1c", "\x1f", "\ufeff", " \n ", "\u2581", "\r", "\n\r", "\r\r\n", "\t\n", " \t", "\u2009", "\u202f", "\u205f", "\n \n",
          "\r\n\r\n", "\u2003 ", "\x1d\x1e", "\u2060", "\u00ad", "\u034f", "\u2063"]
CODE = ["def f(x):\n    return x**2  # square\n", "for (int i = 0; i < n; ++i) {\n\t\ta[i] += b[i] * 0x1F;\n}\n",
        "SELECT * FROM t WHERE id=42;", "<div class=\"a\">&nbsp;</div>", "{\"k\": [1, 2.5e-3, null]}", "a->b::c && !d || ~e",
        "#include <stdio.h>\r\n", "std::vector<std::pair<int,int>> v;", "lambda x: x if x else None", "/* ... */ // --- ===="]
WORDS = ["the", "The", "THE", "don't", "I'll", "we've", "you're", "I'm", "he'd", "it's", "DON'T", "I'LL", "’s", "'S", "'ſ", "'K",
         "naïve", "Straße", "ﬁre", "Ⅷ", "½", "x²", "ǅ", "İstanbul", "ß", "ﬀ", "Å", "Å", "e\u0301", "가", "\u1100\u1161\u11a8",
         "한국어", "日本語", "中文字符", "ไทย", "हिन्दी", "العربية", "עברית", "русский", "ελληνικά", "१२३", "٣٤٥", "12345", "3.14",
         "1,000,000", "0xDEADBEEF", "http://a.b/c?d=e", "a_b-c.d", "ＡＢＣ", "ﾊﾝｶｸ", "ｶﾞ", "ﷺ", "\u0344", "\u0f73", "q\u0323\u0307",
         "q\u0307\u0323", "…", "—", "“quoted”", "«»", "©®™", "$5", "€5", "+-*/=", "~~~", "###", "\x00", "\x01", "\x7f", "\ufffd",
         "\ud7ff", "\ue000", "\ufffe", "\uffff", "\U0001fffe", "\U0010ffff", "ẞ", "ΑΣ", "ς", "Ǆ", "ŉ", "ΐ", "ﬗ", "\u1e9b\u0323", "\u2126",
         "\u212a", "\u212b", "〱", "ゟ", "㍿", "ヺ", "か\u3099", "\u0958", "\u2adc", "\U0001d15e", "\u0e33", "\u0eb3", "क्षि", "ത്ര", "\u0600١", "က္က"]
CONTRACTIONS = [a + b for a in ("'", "’", "`", "´", "''", " '") for b in ("s", "t", "re", "ve", "m", "ll", "d", "S", "T", "RE", "Re", "VE", "M", "LL", "lL", "D", "ſ", "x", "st", "lls", "é")]
SPELLED = ["<0x41>", "<0x0A>", "<0xFF>", "<0x00>", "<0xE2>", "<0x", "<s>", "</s>", "<unk>", "<pad>", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "[PAD]", "<mask>",
           "<|endoftext|>", "<|eot_id|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<start_of_turn>", "<bos>", "<|user|>", "▁", "▁▁", "##ing", "Ġthe", "Ċ"]
BLOCKS = [(0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x5FF), (0x600, 0x6FF),
          (0x700, 0x8FF), (0x900, 0xDFF), (0xE00, 0xFFF), (0x1000, 0x139F), (0x1400, 0x1CFF), (0x1D00, 0x1FFF), (0x2000, 0x20CF),
          (0x20D0, 0x2BFF), (0x2C00, 0x2FFF), (0x3000, 0x31FF), (0x3200, 0x4DBF), (0x4E00, 0x9FFF), (0xA000, 0xABFF),
          (0xAC00, 0xD7FF), (0xE000, 0xFAFF), (0xFB00, 0xFFFD), (0x10000, 0x10FFF), (0x11000, 0x12FFF), (0x13000, 0x1BFFF),
          (0x1D000, 0x1DFFF), (0x1E000, 0x1EFFF), (0x1F000, 0x1FBFF), (0x20000, 0x323AF), (0xE0000, 0xE01EF), (0xF0000, 0x10FFFF)]


def code_points():
    return [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def by_category():
    """Characters by the first letter of their category, and digits and marks on their own."""
    found = {}
    for c in code_points():
        category = unicodedata.category(chr(c))
        for key in (category[0], category):
            if key in ("M", "N", "P", "S", "Nd", "Lt", "Lm", "Cf", "Cc", "Sk", "Zs", "Lu", "No", "Nl"):
                found.setdefault(key, []).append(chr(c))
    return found


def read(files):
    texts = []
    for name in files:
        with open(name, encoding="utf-8", errors="replace", newline="") as f:
            texts.append(f.read())
    return texts


def parts(rng, count, real, vocab, added):
    """count parts of all kinds. vocab and added: strings of the tokenizer's tokens, may be empty."""
    classes = by_category()

    def of(key, most):
        return "".join(rng.choices(classes[key], k=rng.randint(1, most)))

    def part(kind):
        if kind < 2:
            return rng.choice(SPACES) * rng.choice([1, 1, 1, 2, 3, 8, 17])
        if kind < 4:
            return rng.choice(WORDS)
        if kind == 4:
            return rng.choice(CODE)[rng.randint(0, 8):rng.randint(8, 40)]
        if kind == 5:
            return rng.choice(EMOJI)
        if kind == 6:
            return rng.choice(["", "x", " ", "I", "9"]) + rng.choice(CONTRACTIONS)
        if kind == 7:
            token = rng.choice(added) if added and rng.random() < 0.7 else rng.choice(SPELLED)
            return rng.choice(["", "", " ", "  \n", "x", "."]) + token + rng.choice(["", "", " ", "\t ", "x", "."])
        if kind == 8:
            low, high = rng.choice(BLOCKS)
            return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 8)))
        if kind == 9:
            return of(rng.choice(["Nd", "No", "Nl", "N", "Nd"]), 7)
        if kind == 10:
            return rng.choice(["e", "क", "か", "\u1100", "\u0e01", "", "A"]) + of("M", 3)
        if kind == 11:
            return "".join(chr(rng.choice([rng.randint(0x1100, 0x11FF), rng.randint(0xAC00, 0xD7FB), rng.randint(0x3131, 0x318E), rng.randint(0xA960, 0xA97C)]))
                           for _ in range(rng.randint(1, 5)))
        if kind == 12:
            return "".join(chr(rng.choice([rng.randint(0x4E00, 0x9FFF), rng.randint(0x3040, 0x30FF), rng.randint(0xFF00, 0xFFEF), rng.randint(0x3000, 0x303F)]))
                           for _ in range(rng.randint(1, 8)))
        if kind == 13:
            return of(rng.choice(["P", "S", "Lt", "Lm", "Cf", "Cc", "Sk", "Zs", "Lu"]), 5)
        if kind == 14:
            return "".join(chr(rng.choice([rng.randint(0, 0x7F), rng.randint(0, 0x2FF), rng.randint(0, 0xD7FF)])) for _ in range(rng.randint(1, 8)))
        if kind < 17 and vocab:
            return rng.choice(vocab)
        if kind == 17:
            return rng.choice("abcxyz01.,!?-_'\"() \n") * rng.randint(1, 40)
        if kind == 18:
            return str(rng.randint(0, 10 ** rng.randint(1, 12)))
        if kind == 19:
            return "".join(rng.choices("etaoinshrdlucmfwypvbgkjqxz", k=rng.randint(1, 12)))
        if kind == 20 and vocab:  # of few characters, some of which a vocabulary may lack
            pool = rng.choices(vocab, k=3) + [chr(rng.randint(0, 0x1F)), chr(rng.randint(0x80, 0x2FF)), chr(rng.choice([0x16, 0x416, 0x4E2D, 0x1F600]))]
            return "".join(rng.choices(pool, k=rng.randint(4, 12)))
        if real:
            text = rng.choice(real)
            at = rng.randrange(len(text))
            return text[at:at + rng.choice([3, 8, 20, 60])]
        return rng.choice(WORDS) + " "

    return [part(rng.randrange(28)) for _ in range(count)]


def strings(rng, count, real, vocab=(), added=()):
    """Yields `count` short strings, of one to five parts each."""
    vocab, added = list(vocab), list(added)
    sizes = [1, 1, 2, 2, 3, 5]
    while count > 0:
        pool = parts(rng, min(count, 100000) + 1000, real, vocab, added)
        for _ in range(min(count, 250000)):
            yield "".join(rng.choices(pool, k=rng.choice(sizes)))
        count -= 250000


def batches(encode, texts, size=50000):
    """encode, a function of a list, over all texts, a part at a time."""
    for i in range(0, len(texts), size):
        yield from encode(texts[i:i + size])


def escape(text):
    """As build/tokenize_batch wants it: ended by a NUL, so that a NUL is spelled in two bytes."""
    return text.encode().replace(b"\0", b"\xc0\x80") + b"\0"


if __name__ == "__main__":
    for line in strings(random.Random(1), int(sys.argv[1]), read(sys.argv[2:])):
        print(repr(line))
