#!/usr/bin/env python3
"""Writes tests/data/tokenizer/cases.json: small tokenizers of every kind of part, texts, and what the Python package
`tokenizers` makes of them. tests/unit/test_tokenizer_cases.c asks the same of lathe.

    pip install tokenizers; python3 scripts/make_tokenizer_cases.py > tests/data/tokenizer/cases.json
"""
import base64
import json
import sys

from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

ALPHABET = sorted(ByteLevel.alphabet())


def bpe(tokens, merges, **options):
    vocab = {t: i for i, t in enumerate(tokens)}
    for merge in merges:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        vocab.setdefault(left + right.removeprefix(options.get("continuing_subword_prefix") or ""), len(vocab))
    return {"type": "BPE", "vocab": vocab, "merges": merges, **options}


BYTE_MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "Ġwor l", "Ġworl d", "Ġ Ġ", "ĠĠ ĠĠ", "1 2", "12 3", "Ã ©", "' s",
               "t h", "th e", "Ġ the", "i n", "a n", "e r", "Ċ Ċ", "d o", "n '", "n' t", "ä ¸", "ä¸ Ń"]
SPELLED = ["<0x%02X>" % b for b in range(256)]
SPM_MERGES = ["▁ t", "h e", "▁t he", "▁ a", "e r", "i n", "▁ ▁", "▁▁ ▁▁", "l l", "o w", "▁ w", "▁w or", "o r", "l d"]
LETTERS = list("▁abcdefghilmnoprstuwxyzTHE.,'!1é中")
MARKED = list("aAbBcCeéhiIlLoOrstTuwxyz 0123.,!?'-_—中国日本\n\t\u00a0▁°²")
MODELS = {
    "bytes": bpe(ALPHABET, BYTE_MERGES),
    "whole": bpe(ALPHABET + ["hello", "Ġxyz"], ["h e", "l l"], ignore_merges=True),
    "spm": bpe(["<unk>", "<s>", "</s>"] + SPELLED + LETTERS, SPM_MERGES, unk_token="<unk>", fuse_unk=True, byte_fallback=True),
    "fused": bpe(["<unk>"] + LETTERS, SPM_MERGES, unk_token="<unk>", fuse_unk=True),
    "unfused": bpe(["<unk>"] + LETTERS, [m.split(" ") for m in SPM_MERGES], unk_token="<unk>", fuse_unk=False),
    "dropping": bpe(LETTERS, SPM_MERGES),
    "partly": bpe(["<unk>", "<0x16>"] + LETTERS, SPM_MERGES, unk_token="<unk>", byte_fallback=True),
    "suffixed": bpe(["<unk>"] + list("abcdelo") + [c + "</w>" for c in "abcdelo"], ["l l", "ll o</w>", "a b", "ab c</w>"], unk_token="<unk>",
                    end_of_word_suffix="</w>"),
    "prefixed": bpe(["<unk>"] + list("abcdelo") + ["##" + c for c in "abcdelo"], ["##l ##l", "a ##b", "ab ##c"], unk_token="<unk>",
                    continuing_subword_prefix="##"),
    # Every character by itself, marked when it does not begin a piece: shows where a text was cut.
    "marked": {"type": "WordPiece", "unk_token": "?", "continuing_subword_prefix": "##", "max_input_chars_per_word": 1000,
               "vocab": {t: i for i, t in enumerate(MARKED + ["##" + c for c in MARKED])}},
    "wordpiece": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 8,
                  "vocab": {t: i for i, t in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "##a", "able", "the",
                                                        "a", "b", "##b", "##s", ",", ".", "!", "'", "s", "t", "don", "e", "中", "1", "##2"])}},
    "wordlevel": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {t: i for i, t in enumerate(["[UNK]", "the", "cat", ",", "don", "'", "t"])}},
    "unigram": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["▁", -2.5], ["a", -3.0], ["b", -3.5], ["ab", -4.0], ["▁ab", -4.5],
                                                          ["abc", -9.0], ["c", -4.25], ["bc", -5.0], ["é", -6.0], ["▁the", -3.0], ["t", -5.0], ["xy", -20.0]]},
    "spelling": {"type": "Unigram", "unk_id": 0, "byte_fallback": True,
                 "vocab": [["<unk>", 0.0], ["▁", -2.5], ["a", -3.0], ["ab", -4.0], ["b", -3.5]] + [[s, -10.0] for s in SPELLED]},
}


def added(*tokens):
    return [{"id": i, "content": c, "single_word": "w" in f, "lstrip": "l" in f, "rstrip": "r" in f, "normalized": "n" in f,
             "special": "s" in f} for i, c, f in tokens]


def seq(kind, *items):
    return {"type": "Sequence", {"n": "normalizers", "p": "pretokenizers", "d": "decoders", "o": "processors"}[kind]: list(items)}


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def byte_level(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def metaspace(scheme, cut=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}


def template(*pieces, **ids):
    made = [{"Sequence": {"id": "A", "type_id": 0}} if p == "A" else {"SpecialToken": {"id": p, "type_id": 0}} for p in pieces]
    special = {p: {"id": p, "ids": ids[p.strip("<>[]")], "tokens": [p] * len(ids[p.strip("<>[]")])} for p in pieces if p != "A"}
    return {"type": "TemplateProcessing", "single": made, "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": special}


def replace(a, b, kind="String"):
    return {"type": "Replace", "pattern": {kind: a}, "content": b}


def rules(text, to):
    """SentencePiece's compiled rules with a single one, from a character of ASCII to a text."""
    units = [0] * 512  # a double array: the root, the node of the character, and its leaf with the place of the text
    node = ord(text) ^ 1
    units[0], units[node], units[node ^ 1] = 1 << 10, 1 << 10 | 1 << 8 | ord(text), 0
    trie = b"".join(u.to_bytes(4, "little") for u in units)
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(len(trie).to_bytes(4, "little") + trie + to.encode() + b"\0").decode()}


LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}]+|\p{N}{1,3}|"
         r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SPM_DECODER = seq("d", replace("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0})
LEGACY = seq("n", {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁"))
PLAIN = ["", "hello world", "Hello  the\n\nworld's 1234", " café 中文 don't", "\t x\u00a0y ", "a\u0000b\x7f", "e\u0301 ﬁ Å ½ İ ß ǆ"]
FORMS = ["e\u0301 \u00e9 \u212b a\u0323\u0307 a\u0307\u0323", "\u1100\u1161\u11a8 가각 ﾊﾞ ｶﾞ", "ﬁ ² ½ ﷺ ㎏ Ⅷ", "\u0344 \u0f73 \u0958 \u2126 \u1e9b\u0323", "\U00011935\U00011930 \u32ff \ua7f2 \u07fd\u0301",
         "\u0301x", "a" + "\u0301\u0327\u0316" * 3]
CUTS = ["Hi the1 2 3, cat.", " a  b\n\nc ", "x—y_z 12. . .", "a'b-c", "中国a日本", "...", "°²1a"]
SPECIALS = ["<s>hello</s>", "a <s> b </s> c", "x<s>y", "<s><s>", "  </s>  ", "<mask>a<mask> a <mask>", "hello<pad><pad2>", "<pa"]
SPM = ["the world", "  the ", "", " ", "café x", "▁a ▁", "the\nlow", "éé中ж", "жжa жж", "a" * 60, "hello there world, in the low er"]
CASES = [
    ("byte-level", "bytes", {"pre_tokenizer": byte_level(), "decoder": byte_level()}, PLAIN),
    ("byte-level with a space before", "bytes", {"pre_tokenizer": byte_level(True), "decoder": byte_level(), "post_processor": byte_level()}, PLAIN[:4]),
    ("byte-level without a pattern", "bytes", {"pre_tokenizer": byte_level(False, False), "decoder": byte_level()}, PLAIN + ["hello" * 12, "the in" * 9]),
    ("llama 3", "bytes", {"pre_tokenizer": seq("p", split(LLAMA3), byte_level(False, False)), "decoder": byte_level()}, PLAIN + ["I'LL he'ſ \r\n\r\n x", "  \n  12345"]),
    ("o200k", "bytes", {"pre_tokenizer": seq("p", split(O200K), byte_level(False, False)), "decoder": byte_level()}, PLAIN[1:4]),
    ("whole pieces", "whole", {"pre_tokenizer": byte_level(), "decoder": byte_level()}, ["hello xyz hell", "xyz xyz hello"]),
    ("bytes spelled, then digits", "bytes", {"pre_tokenizer": seq("p", byte_level(), {"type": "Digits", "individual_digits": True}), "decoder": byte_level()}, ["12 hello 123", "x1y"]),
    ("added tokens", "bytes", {"added_tokens": added((282, "<s>", "s"), (283, "</s>", "slr"), (284, "<mask>", "swl"), (285, "<pad>", ""), (286, "<pad2>", "n")),
                               "pre_tokenizer": byte_level(), "decoder": byte_level()}, SPECIALS),
    ("normalized added tokens", "bytes", {"normalizer": {"type": "Lowercase"}, "pre_tokenizer": byte_level(), "decoder": byte_level(),
                                          "added_tokens": added((282, "<S>", "sn"), (283, "Hello", "n"), (284, "HELLO World", "nr"), (285, "<X>", "s"))}, ["<s>hello <S> HELLO", "hello World <x><X>  hello"]),
    ("nfc", "bytes", {"normalizer": {"type": "NFC"}, "pre_tokenizer": byte_level()}, FORMS),
    ("nfd", "bytes", {"normalizer": {"type": "NFD"}, "pre_tokenizer": byte_level()}, FORMS),
    ("nfkc", "bytes", {"normalizer": {"type": "NFKC"}, "pre_tokenizer": byte_level()}, FORMS),
    ("nfkd", "bytes", {"normalizer": {"type": "NFKD"}, "pre_tokenizer": byte_level()}, FORMS),
    ("other normalizers", "bytes", {"normalizer": seq("n", {"type": "Nmt"}, {"type": "Strip", "strip_left": True, "strip_right": False}, {"type": "Lowercase"}, {"type": "NFD"},
                                                     {"type": "StripAccents"}, replace("l+", "L", "Regex"), replace("", "", "String")), "pre_tokenizer": byte_level()}, PLAIN),
    ("compiled rules", "bytes", {"normalizer": rules("A", "\u00e9\u00e9"), "pre_tokenizer": byte_level()}, ["bAAc", "A\u0301x A\u0897 A\u1ad4 \nA", "A\U0001f600", "a"]),
    ("byte-level normalizer", "bytes", {"normalizer": {"type": "ByteLevel"}, "decoder": byte_level()}, PLAIN[:4]),
    ("spaces to the right", "bytes", {"normalizer": {"type": "Strip", "strip_left": False, "strip_right": True}, "pre_tokenizer": byte_level()}, ["a  ", " \u3000", " x\u2028"]),
    ("sentencepiece, legacy", "spm", {"normalizer": LEGACY, "decoder": SPM_DECODER, "post_processor": template("<s>", "A", "</s>", s=[1], **{"/s": [2]}),
                                      "added_tokens": added((0, "<unk>", "s"), (1, "<s>", "s"), (2, "</s>", "s"))}, SPM + SPECIALS[:4]),
    ("metaspace first", "spm", {"pre_tokenizer": metaspace("first", False), "decoder": SPM_DECODER, "added_tokens": added((1, "<s>", "s"), (2, "</s>", "s"))}, SPM + SPECIALS[:4]),
    ("metaspace always", "fused", {"pre_tokenizer": metaspace("always"), "decoder": metaspace("always")}, SPM),
    ("metaspace never", "unfused", {"pre_tokenizer": metaspace("never"), "decoder": metaspace("never")}, SPM),
    ("metaspace first behind strip", "unfused", {"normalizer": {"type": "Strip", "strip_left": True, "strip_right": True}, "pre_tokenizer": metaspace("first")}, ["the a", "  the a ", "a"]),
    ("unknown dropped", "dropping", {"pre_tokenizer": metaspace("always")}, SPM),
    # Long enough to be cut, with unknown characters between some that merge.
] + [
    ("unknown in a long piece, " + m, m, {}, ["inжterжжlowж▁жtжhжeжж" * 3, "жж▁▁ж▁▁lжlжж▁wжorrж" * 3, "a\x16bжcжж" * 9 + "ж", "▁theж" + "ж" * 30 + "▁the"])
    for m in ("dropping", "fused", "unfused", "spm", "partly")
] + [
    ("end of word", "suffixed", {"pre_tokenizer": {"type": "WhitespaceSplit"}, "decoder": {"type": "BPEDecoder", "suffix": "</w>"}}, ["hello abc", "a b xa ax", "llo"]),
    ("continued words", "prefixed", {"pre_tokenizer": {"type": "Whitespace"}}, ["allo abc", "ab,c xa"]),
    ("wordpiece", "wordpiece", {"normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
                                "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
                                "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}, "added_tokens": added((2, "[CLS]", "s"), (3, "[SEP]", "s"))},
     ["Unaffable the ablest", "don't, THE é中 a12!", "[CLS] a\u0000b\u200d s", "unaffableab", "", "\u0301", "tabs\tand . !"]),
    ("wordpiece, bare", "wordpiece", {"normalizer": {"type": "BertNormalizer", "clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False},
                                      "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": False}}, ["Un the é中 a12!", "able, s."]),
    ("wordlevel", "wordlevel", {"pre_tokenizer": {"type": "Whitespace"}}, ["the cat, don't", "dog"]),
    ("unigram", "unigram", {"pre_tokenizer": metaspace("always"), "decoder": metaspace("always")}, ["ab abc", "the bcabc é zz z", "xyxy", "xx xy", "<unk>a"]),
    ("unigram spelling", "spelling", {"normalizer": LEGACY, "decoder": SPM_DECODER}, ["ab é", "жaжж b", "<unk>"]),
    ("roberta frame", "bytes", {"pre_tokenizer": byte_level(True), "decoder": byte_level(),
                                "post_processor": seq("o", byte_level(), {"type": "RobertaProcessing", "sep": ["!", 1], "cls": ["#", 2], "trim_offsets": True, "add_prefix_space": True})}, ["hello"]),
    ("no decoder", "wordlevel", {"pre_tokenizer": {"type": "WhitespaceSplit"}}, ["the cat", ""]),
    ("strip both ends", "spm", {"decoder": seq("d", {"type": "Fuse"}, {"type": "Strip", "content": "a", "start": 1, "stop": 2})}, ["aab", "taaa", "haat", "aataaaa"]),
    ("cut digits", "marked", {"pre_tokenizer": {"type": "Digits", "individual_digits": False}}, CUTS),
    ("cut each digit", "marked", {"pre_tokenizer": {"type": "Digits", "individual_digits": True}}, CUTS),
    ("cut white space", "marked", {"pre_tokenizer": {"type": "Whitespace"}}, CUTS),
    ("cut at fixed lengths", "marked", {"pre_tokenizer": {"type": "FixedLength", "length": 3}}, CUTS),
    ("cut at a delimiter", "marked", {"pre_tokenizer": {"type": "CharDelimiterSplit", "delimiter": "a"}}, CUTS),
] + [
    ("punctuation, " + b, "marked", {"pre_tokenizer": {"type": "Punctuation", "behavior": b}}, CUTS)
    for b in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
] + [
    ("split, %s, %s" % (b, i), "marked", {"pre_tokenizer": split("[a-c]|\\d+| ", b, i)}, CUTS[:5])
    for b in ("Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous") for i in (False, True)
] + [
    # The language of Oniguruma where it is not PCRE2's.
    ("pattern " + p, "marked", {"pre_tokenizer": split(p)}, t) for p, t in (
        (r"\h+", ["xabcy 12"]), (r"\w+", ["a_é ² ° 中a", "e\u0301x"]), (r"\bcat\b|\Bu\B", ["cat cats,cat écat", "cub lub u"]), (r"[a[bc]]+", ["xabcay"]), (r"[a-z&&[^b]]+", ["xabcay"]),
        (r"[^a&&b]+", ["xaby"]), (r"[^(\s|[.,!?])]+", ["a,b (c|d e"]), (r"a{,2}", ["aaaa"]), (r"a{1,2}+b", ["aaaab"]), (r"a{2}?", ["aaa a"]), (r"a(?i)b|c", ["C aB c ac"]), (r"(?m:a.b)", ["a\nb acb"]),
        (r"a.b", ["a\nb acb"]), (r"^b|c$", ["a\nb bc\nc"]), (r"\p{Letter}+|\p{^L}", ["ab1 c"]), (r"\u0061|\x{62}|\x63", ["abc"]), (r"", ["ab中"]), (r"x*", ["aaxxb"]), (r"[^]]+", ["a]b"]),
        (r"(?<=a)b|(?<!a)c", ["ab bc ac"]), (r"\p{Han}+|[一-本]", ["中国ab日本"]), (r"[[:digit:][:space:]]+|[[:^word:]]", ["a1 2-c"]), (r"(?>a+)b|\Aa|\z", ["aab"]), (r"a++?|\Qa", ["aaa Qa"]),
        (r"(a)\1", ["aab"]), (r"[\w\-]+|[^\W\d]", ["a-b, 1"]), (r"a**|b+?", ["aabb"]))
]


def main():
    out = []
    for name, model, parts, texts in CASES:
        tokenizer = Tokenizer.from_str(json.dumps({"version": "1.0", "model": MODELS[model], **{k: None for k in ("normalizer", "pre_tokenizer", "post_processor", "decoder")},
                                                   "added_tokens": [], **parts}))
        rows = []
        for text in texts:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            row = {"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)}
            framed = tokenizer.encode(text).ids
            tokenizer.encode_special_tokens = True
            plain = tokenizer.encode(text, add_special_tokens=False).ids
            tokenizer.encode_special_tokens = False
            skipped = tokenizer.decode(framed)
            row.update({k: v for k, v, usual in (("framed", framed, ids), ("as_text", plain, ids), ("skipped", skipped, row["decoded"])) if v != usual})
            rows.append(row)
        out.append({"name": name, "model": model, "parts": parts, "rows": rows})
    lines = lambda items: ",\n".join(json.dumps(i, separators=(",", ":"), ensure_ascii=True) for i in items)
    models = ",\n".join(json.dumps(k) + ":" + json.dumps(v, separators=(",", ":"), ensure_ascii=False) for k, v in MODELS.items())
    sys.stdout.write('{"models":{\n%s},\n"cases":[\n%s]}\n' % (models, lines(out)))


main()
