#!/usr/bin/env python3
"""Writes src/text/unicode_tables.c: what the reference tokenizer (the Python package `tokenizers`) thinks of every code
point. Each of its steps has its own idea of Unicode, of a version between 8 and 17, so the tables are not those of any
one Unicode release: they are read off the reference itself, one code point at a time.

    pip install tokenizers regex; python3 scripts/make_unicode_tables.py > src/text/unicode_tables.c

The interpreter's own Unicode (unicodedata.unidata_version) must be the oldest that PCRE2 on supported systems may have,
14.0: the stand-ins are for code points that changed after it.
"""
import sys
import unicodedata

import regex
import tokenizers
from tokenizers import Regex, normalizers as N, pre_tokenizers as P

assert unicodedata.unidata_version == "14.0.0", "needs a Python whose unicodedata is 14.0 (3.11)"
ALL = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn".split()


def matched(pattern):
    """The code points that a class of the reference's regular expressions matches."""
    split = P.Split(Regex(pattern), "removed", invert=True)
    text = "".join(map(chr, ALL))
    out = set()
    for i in range(0, len(text), 50000):
        for piece, _ in split.pre_tokenize_str(text[i : i + 50000]):
            out.update(map(ord, piece))
    return out


def splits(pre):
    """The code points that a pre-tokenizer does not leave inside a word."""
    return {c for c in ALL if len(pre.pre_tokenize_str("a%ca" % c)) != 1 or pre.pre_tokenize_str("a%ca" % c)[0][0] != "a%ca" % c}


def removed(norm):
    return {c for c in ALL if norm.normalize_str("a%ca" % c) == "aa"}


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def emit_ranges(name, points, comment):
    rows = ranges(points)
    print(f"\n/* {comment} */\nconst lt_unicode_range {name}[] = {{")
    for i in range(0, len(rows), 6):
        print("    " + " ".join("{0x%X, 0x%X}," % tuple(r) for r in rows[i : i + 6]))
    print("};\nconst int %s_count = %d;" % (name, len(rows)))


def length(c):
    return len(chr(c).encode())


def emit_stand_ins():
    category = {}
    for name in CATEGORIES:
        for c in matched(r"\p{%s}" % name):
            category[c] = name
    script = {}
    for name in "Han Hiragana Katakana Hangul Latin Greek Cyrillic Arabic Hebrew Thai Devanagari".split():
        for c in matched(r"\p{%s}" % name):
            script[c] = name
    changed = [c for c in ALL if category[c] != unicodedata.category(chr(c))]
    space = {c for c in ALL if unicodedata.category(chr(c))[0] == "Z"} | {0x180E}
    stand_in = {}
    for old in (unicodedata.ucd_3_2_0, unicodedata):  # the least code point that has been the same since 3.2, else 14
        for c in ALL:
            if category[c] == old.category(chr(c)) == unicodedata.category(chr(c)) and c >= 0x800 and c not in space:
                stand_in.setdefault((category[c], length(c), script.get(c)), c)
    rows = []
    for c in changed + [0x180E]:  # PCRE2 takes U+180E for white space, Unicode has not since 6.3
        any_script = (category[c], length(c), None)  # a property of the script alone is then not told apart
        s = stand_in.get((category[c], length(c), script.get(c)), stand_in[any_script])
        if rows and rows[-1][1] == c - 1 and rows[-1][2] == s:
            rows[-1][1] = c
        else:
            rows.append([c, c, s])
    rows.sort()
    print("\n/* Code points whose category changed after Unicode 14, and an old one of the same category, script and UTF-8 length. */")
    print("const lt_unicode_stand_in_row lt_unicode_stand_ins[] = {")
    for i in range(0, len(rows), 4):
        print("    " + " ".join("{0x%X, 0x%X, 0x%X}," % tuple(r) for r in rows[i : i + 4]))
    print("};\nconst int lt_unicode_stand_ins_count = %d;" % len(rows))


def emit_lower():
    low = N.Lowercase()
    rows = []
    for c in ALL:
        to = low.normalize_str(chr(c))
        if to == chr(c):
            continue
        if len(to) != 1:
            assert c == 0x130, hex(c)  # the one that becomes two
            continue
        delta = ord(to) - c
        if rows and rows[-1][3] == delta and c - rows[-1][1] in (1, 2) and rows[-1][2] in (0, c - rows[-1][1]):
            rows[-1][2] = c - rows[-1][1]
            rows[-1][1] = c
        else:
            rows.append([c, c, 0, delta])
    print("\n/* Upper-case letters: first, last, step, and what to add for the lower-case one. U+0130 is not here. */")
    print("const lt_unicode_lower_row lt_unicode_lowers[] = {")
    for i in range(0, len(rows), 4):
        print("    " + " ".join("{0x%X, 0x%X, %d, %d}," % (a, b, max(s, 1), d) for a, b, s, d in rows[i : i + 4]))
    print("};\nconst int lt_unicode_lowers_count = %d;" % len(rows))


def inert():
    """Code points that normalization now knows and the reference's does not yet."""
    marks = removed(N.StripAccents())
    nfkd = N.NFKD()
    new_mark = regex.compile(r"\p{M}")
    composed = regex.compile(r"\P{dt=none}")
    out = set(range(0x16D40, 0x16D80))  # letters of Kirat Rai that compose with one another
    for c in ALL:
        s = chr(c)
        if new_mark.match(s) and c not in marks:
            out.add(c)
        elif composed.match(s) and nfkd.normalize_str(s) == s:
            out.add(c)
    return out


def extends():
    """Code points newer than the interpreter's Unicode that the reference takes as part of the character before them. Its
    normalizer Precompiled looks clusters up whole; with rules of which the only one turns A into a, what is dropped behind
    an A was part of its cluster."""
    units = [0] * 512  # a double array for the one key "A": see find() in normalize_precompiled.c
    units[0], units[0x40] = 1 << 10, 1 << 10 | 1 << 8 | ord("A")
    trie = b"".join(u.to_bytes(4, "little") for u in units)
    rules = N.Precompiled(len(trie).to_bytes(4, "little") + trie + b"a\0")
    return {c for c in ALL if rules.normalize_str("A" + chr(c)) == "a" and unicodedata.category(chr(c)) == "Cn"}


def main():
    word = {c for c in ALL if len(P.Whitespace().pre_tokenize_str("a%ca" % c)) == 1}
    bert = dict(handle_chinese_chars=False, lowercase=False)
    print("/* Generated by scripts/make_unicode_tables.py from tokenizers %s; not to be edited. */" % tokenizers.__version__)
    print('#include "text/unicode.h"')
    emit_ranges("lt_unicode_words", word, "\\\\w of pre-tokenizer Whitespace and of single_word tokens".replace("\\\\", "\\"))
    emit_ranges("lt_unicode_numerics", splits(P.Digits(True)), "digits of pre-tokenizer Digits")
    emit_ranges("lt_unicode_punctuations", splits(P.Punctuation()), "pre-tokenizers Punctuation and BertPreTokenizer")
    emit_ranges("lt_unicode_controls", removed(N.BertNormalizer(clean_text=True, strip_accents=False, **bert)),
                "what BertNormalizer's clean_text removes")
    emit_ranges("lt_unicode_nonspacings", removed(N.BertNormalizer(clean_text=False, strip_accents=True, **bert)),
                "what BertNormalizer's strip_accents removes")
    emit_ranges("lt_unicode_marks", removed(N.StripAccents()), "what normalizer StripAccents removes")
    emit_ranges("lt_unicode_inerts", inert(), "what normalization forms leave alone although newer Unicode would not")
    emit_ranges("lt_unicode_extends", extends(), "newer than Unicode 14, and part of the character before")
    emit_lower()
    emit_stand_ins()


main()
