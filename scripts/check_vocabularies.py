#!/usr/bin/env python3
"""Compares the tokenizers that GGUF files hold with references: files of vocabulary alone are written from other tokenizers, the way
converters to GGUF do, and lathe's ids for many texts are compared with those of the tokenizer that the file was made from.

    make build/tokenize_batch
    scripts/check_vocabularies.py --tool build/tokenize_batch [--strings 20000] [--texts FILE…] [--only NAME] --data FOLDER [--more FOLDER…]

FOLDER is that of check_layouts.py; --more are folders with a tokenizer.json. Checked are

    gpt2 bert llama3 phi-3 and --more   byte-level, WordPiece and SentencePiece vocabularies against their tokenizer.json
    llama2                              a SentencePiece model as GGUF has it, against the package
    t5 xlm-r                            a unigram model that is trained here on the text, against the package `tokenizers`
    gemma4                              pieces with merges written down
    pre …                               gpt2's vocabulary under the names that tokenizer.ggml.pre has for ways to cut words, against the
                                        pre-tokenizers of the models that they are named for
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata

import hard_texts

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import gguf
import sentencepiece as spm
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def write_vocabulary(path, model, tokens, types, scores=None, merges=None, **more):
    """more: further keys of tokenizer.ggml; dots are written as two underscores."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.name", more.pop("name", "vocabulary"))
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if scores:
        writer.add_token_scores(scores)
    if merges is not None:
        writer.add_token_merges(merges)
    for key, value in more.items():
        key = "tokenizer.ggml." + key.replace("__", ".")
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, bytes):
            writer.add_array(key, value)
        else:
            writer.add_string(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tokens_of(root):
    """Tokens and their types by id, from a tokenizer.json."""
    vocab = dict(root["model"]["vocab"])
    added = {t["id"]: t for t in root["added_tokens"]}
    by_id = {i: t for t, i in vocab.items()} | {i: t["content"] for i, t in added.items()}
    tokens, types = [], []
    for i in range(max(by_id) + 1):
        tokens.append(by_id.get(i, f"[PAD{i}]"))
        types.append(UNUSED if i not in by_id else (CONTROL if added[i]["special"] else USER) if i in added else NORMAL)
    return tokens, types


def merges_of(root):
    return [m if isinstance(m, str) else " ".join(m) for m in root["model"]["merges"]]


def write_byte_level(path, root, pre):
    tokens, types = tokens_of(root)
    write_vocabulary(path, "gpt2", tokens, types, merges=merges_of(root), pre=pre, add_bos_token=False)


def write_word_pieces(path, root):
    tokens, types = tokens_of(root)
    tokens = [t[2:] if t.startswith("##") else t if kind != NORMAL or t.startswith("[") and t.endswith("]") else "▁" + t for t, kind in zip(tokens, types)]
    write_vocabulary(path, "bert", tokens, types, unknown_token_id=100, cls_token_id=101, seperator_token_id=102, bos_token_id=101, eos_token_id=102)


def write_pieces(path, root, name):
    """A tokenizer.json made from SentencePiece: the scores are the places of the merges that make a piece."""
    tokens, types = tokens_of(root)
    rank = {}
    for i, merge in enumerate(merges_of(root)):
        rank.setdefault(merge.replace(" ", ""), i)
    scores = [-float(rank[t]) if t in rank else -1e6 for t in tokens]
    types = [BYTE if t.startswith("<0x") and len(t) == 6 else UNKNOWN if t == "<unk>" else k for t, k in zip(tokens, types)]
    write_vocabulary(path, "llama", tokens, types, scores=scores, name=name, add_bos_token=False, unknown_token_id=0)


class Checker:
    def __init__(self, args):
        self.args, self.bad = args, 0
        self.real = hard_texts.read(args.texts)

    def texts(self, vocab=(), added=()):
        return list(hard_texts.strings(random.Random(self.args.seed), self.args.strings, self.real, vocab, added))

    def compare(self, name, path, texts, want, mode="encode", ties=False):
        """ties: the same tokens in another order are as good; sums of scores may be equal but for rounding."""
        data = b"".join(map(hard_texts.escape, texts))
        done = subprocess.run([self.args.tool, mode, path], input=data, capture_output=True)
        if done.returncode:
            self.bad += 1
            return print(f"FAIL {name}: {done.stderr.decode().strip()}", flush=True)
        got = done.stdout.split(b"\n")[:-1]
        wrong = [(t, g.decode(), w) for t, g, w in zip(texts, got, (" ".join(map(str, w)) for w in want))
                 if g.decode() != w and not (ties and sorted(g.decode().split()) == sorted(w.split()))]
        self.bad += bool(wrong) or len(got) != len(texts)
        print(f"{'FAIL' if wrong else 'ok  '} {name} ({mode}): {len(texts)} texts, {len(wrong)} different", flush=True)
        for t, g, w in wrong[:3]:
            print(f"     {t!r}\n       lathe     {g}\n       reference {w}")

    def against(self, name, path, tokenizer, modes=("encode", "encode-text"), fits=None):
        tokenizer.no_truncation()
        tokenizer.no_padding()
        texts = self.texts(sorted(tokenizer.get_vocab()), [t.content for t in tokenizer.get_added_tokens_decoder().values()])
        texts = [t for t in texts if not fits or fits(t)]
        for mode in modes:
            tokenizer.encode_special_tokens = mode == "encode-text"
            self.compare(name, path, texts, (e.ids for e in hard_texts.batches(lambda t: tokenizer.encode_batch_fast(t, add_special_tokens=False), texts)), mode)
        tokenizer.encode_special_tokens = False

    def wants(self, name):
        return not self.args.only or any(name.startswith(o) for o in self.args.only)


def plain(root):
    """GGUF has no flags of added tokens; what they say is dropped."""
    for t in root["added_tokens"]:
        t.update(single_word=False, lstrip=False, rstrip=False, normalized=False)
    return Tokenizer.from_str(json.dumps(root))


def folders(c, data, tmp):
    for name, pre in (("gpt2", "gpt-2"), ("llama3", "llama-bpe"), ("bert-base-uncased", None), ("phi-3-mini", None)):
        if not c.wants(name):
            continue
        file = f"{data}/{name}/tokenizer.json"
        root = json.load(open(file, encoding="utf-8"))
        path = f"{tmp}/{name}.gguf"
        if pre:
            write_byte_level(path, root, pre)
        elif root["model"]["type"] == "WordPiece":
            write_word_pieces(path, root)
        else:
            write_pieces(path, root, name)
        c.against(name, path, Tokenizer.from_file(file) if name.startswith("phi-3") else plain(root))
    for folder in c.args.more:
        name = os.path.basename(os.path.normpath(folder))
        if not c.wants(name):
            continue
        file = f"{folder}/tokenizer.json"
        root = json.load(open(file, encoding="utf-8"))
        path = f"{tmp}/{name}.gguf"
        if root["model"]["type"] == "WordPiece":
            write_word_pieces(path, root)
        else:
            write_byte_level(path, root, "smollm" if '"Digits"' in json.dumps(root["pre_tokenizer"]) else "gpt-2")
        c.against(name, path, plain(root))


def pieces_of(model):
    """Pieces with their scores, and their types."""
    ids = range(len(model))
    types = [UNKNOWN if model.is_unknown(i) else CONTROL if model.is_control(i) else BYTE if model.is_byte(i) else NORMAL for i in ids]
    return [(model.id_to_piece(i), model.get_score(i)) for i in ids], types


def fields(message):
    """Numbers and values of a protocol buffer's fields."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        size = {0: 0, 1: 8, 5: 4}.get(key & 7)
        if size == 0:
            yield key >> 3, varint()
        else:
            size = varint() if size is None else size
            at += size
            yield key >> 3, message[at - size:at]


def sentencepiece_llama(c, data, tmp):
    model = spm.SentencePieceProcessor(model_file=f"{data}/llama2/tokenizer.model")
    pieces, types = pieces_of(model)
    path = f"{tmp}/llama2.gguf"
    write_vocabulary(path, "llama", [p for p, _ in pieces], types, scores=[s for _, s in pieces])
    texts = c.texts([p for p, _ in pieces])
    c.compare("llama2", path, texts, hard_texts.batches(model.encode, texts), "encode-text")


def has_single_characters(text):
    """The package normalises clusters of characters as one, by a rule of its own, and U+0085 is white space to it."""
    return not any(c in "\r\x85\u0e33\u0eb3" or unicodedata.category(c) in ("Mn", "Mc", "Me", "Cf", "Cn") or 0x1100 <= ord(c) <= 0x11FF
                   or 0xA960 <= ord(c) <= 0xA97C or 0xD7B0 <= ord(c) <= 0xD7FB or 0xAC00 <= ord(c) <= 0xD7A3 or ord(c) >= 0x1F000 for c in text)


def unigram(c, tmp):
    """A model with SentencePiece's own normalisation; the reference is built as T5's and XLM-RoBERTa's tokenizer.json are."""
    corpus = f"{tmp}/corpus.txt"
    with open(corpus, "w", encoding="utf-8") as f:
        f.write("\n".join(t[:300000] for t in c.real))
    spm.SentencePieceTrainer.train(input=corpus, model_prefix=f"{tmp}/unigram", model_type="unigram", vocab_size=2000, minloglevel=2, num_threads=1,
                                   hard_vocab_limit=False, normalization_rule_name="nmt_nfkc")
    model = spm.SentencePieceProcessor(model_file=f"{tmp}/unigram.model")
    rules = next(value for number, value in fields(model.serialized_model_proto()) if number == 3)
    charsmap = next(value for number, value in fields(rules) if number == 2)
    pieces, types = pieces_of(model)
    path = f"{tmp}/t5.gguf"
    write_vocabulary(path, "t5", [p for p, _ in pieces], types, scores=[s for _, s in pieces], precompiled_charsmap=charsmap,
                     remove_extra_whitespaces=True, add_space_prefix=True, unknown_token_id=0, eos_token_id=2, bos_token_id=1)
    tokenizer = Tokenizer(models.Unigram(pieces, 0, False))
    tokenizer.normalizer = normalizers.Precompiled(charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace("▁", "always")])
    tokenizer.add_special_tokens([p for (p, _), t in zip(pieces, types) if t in (CONTROL, UNKNOWN)])
    c.against("t5", path, tokenizer, ("encode",), fits=has_single_characters)
    texts = c.texts([p for p, _ in pieces])
    c.compare("t5 against sentencepiece", path, texts, hard_texts.batches(model.encode, texts), "encode-text", ties=True)


def gemma(c, data, tmp):
    """phi-3's pieces and merges, without the space before a text."""
    root = json.load(open(f"{data}/phi-3-mini/tokenizer.json", encoding="utf-8"))
    root["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    for t in root["added_tokens"]:
        t["rstrip"] = False  # for what is written below
    tokens, types = tokens_of(root)
    path = f"{tmp}/gemma4.gguf"
    write_vocabulary(path, "gemma4", tokens, types, merges=merges_of(root), unknown_token_id=0, bos_token_id=1)
    c.against("gemma4", path, Tokenizer.from_str(json.dumps(root)))
    write_vocabulary(path, "gpt2", tokens, types, merges=merges_of(root), unknown_token_id=0, pre="gemma4")
    c.against("gemma4 as gpt2", path, Tokenizer.from_str(json.dumps(root)))


# How models cut words, as their own tokenizer.json has it.
SHORT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
ENDS = r"\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|" + ENDS
CASED = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+%s|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
         r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*%s|%s| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + ENDS)


def split(*patterns):
    return [pre_tokenizers.Split(Regex(p), "isolated") for p in patterns]


def digits():
    return [pre_tokenizers.Digits(individual_digits=True)]


def byte_level(cut):
    return [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=cut)]


PRE = {
    "gpt-2": (None, byte_level(True)),
    "mpt": ("NFC", byte_level(True)),
    "modern-bert": ("NFC", byte_level(True)),
    "starcoder": (None, digits() + byte_level(True)),
    "refact": (None, digits() + byte_level(True)),
    "smollm": (None, digits() + byte_level(True)),
    "command-r": ("NFC", digits() + byte_level(True)),
    "llama-bpe": (None, split(LLAMA3 % r"\p{N}{1,3}") + byte_level(False)),
    "qwen2": ("NFC", split(LLAMA3 % r"\p{N}") + byte_level(False)),
    "qwen35": ("NFC", split(SHORT + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + ENDS) + byte_level(False)),
    "falcon": (None, [pre_tokenizers.Punctuation("contiguous"), *byte_level(True), pre_tokenizers.Digits(False),
                      pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")]),
    "deepseek-coder": (None, split(r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+") + digits() + byte_level(False)),
    "deepseek-llm": (None, split(
        r"[\r\n]",
        "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+",
        r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", "[一-龥ࠀ-一가-퟿]+") + digits() + byte_level(False)),
    "deepseek-v3": (None, split(r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
                                r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|""" + ENDS)
                    + byte_level(False)),
    "tekken": (None, split(CASED % ("", "", r"\p{N}")) + byte_level(False)),
    "gpt-4o": (None, split(CASED % (SHORT + "?", SHORT + "?", r"\p{N}{1,3}")) + byte_level(False)),
    "bloom": (None, split(" ?[^(\\s|[.,!?…。，、।۔،])]+") + byte_level(False)),
    "viking": (None, split(" ?[^(\\s|[.,!?…。，、।۔،])]+") + digits() + byte_level(False)),
    "bailingmoe": (None, split(r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+") + byte_level(False)),
    "seed-coder": (None, split(SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}" + "\r\n" + r"]+|\s*[\r\n]+|\s+(?!\S)|\s+") + byte_level(False)),
    "exaone-moe": (None, split(SHORT + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+") + byte_level(False)),
    "minicpm5": (None, split(r"\p{N}{1,3}", LLAMA3 % r"\p{N}+") + byte_level(False)),
    "laguna": (None, split(r"[^\n]+|[\n]+", LLAMA3 % r"\p{N}") + byte_level(False)),
    "tiny_aya": (None, split(r"\d{1,3}(?=(?:\d{3})*\b)", CASED % (SHORT + "?", SHORT + "?", r"\p{N}{1,3}")) + byte_level(False)),
    "superbpe": (None, split(r"\p{N}+", r"(?=(\d{3})+(?!\d))") + byte_level(False)),
}
WHOLE_WORDS = ("llama-bpe", "tekken", "minicpm5")  # a word that is a token needs no merges


def pre_names(c, data, tmp):
    root = json.load(open(f"{data}/gpt2/tokenizer.json", encoding="utf-8"))
    for name, (form, steps) in PRE.items():
        if not c.wants("pre " + name):
            continue
        path = f"{tmp}/{name}.gguf"
        write_byte_level(path, root, name)
        vocab = root["model"]["vocab"] if name not in WHOLE_WORDS else {t: i for t, i in root["model"]["vocab"].items() if t != "<|endoftext|>"}
        model = models.BPE(vocab=vocab, merges=[tuple(m.split(" ")) for m in merges_of(root)], ignore_merges=name in WHOLE_WORDS)
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizers.NFC() if form else None
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
        tokenizer.decoder = decoders.ByteLevel()
        if name not in WHOLE_WORDS:
            tokenizer.add_special_tokens([AddedToken("<|endoftext|>", normalized=False, special=True)])
        c.against("pre " + name, path, tokenizer, ("encode-text",) if name in WHOLE_WORDS else ("encode",))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tool", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--texts", nargs="+", required=True)
    p.add_argument("--more", nargs="*", default=[])
    p.add_argument("--only", nargs="*", default=[])
    p.add_argument("--strings", type=int, default=20000)
    p.add_argument("--seed", type=int, default=2)
    args = p.parse_args()
    c = Checker(args)
    with tempfile.TemporaryDirectory() as tmp:
        folders(c, args.data, tmp)
        if c.wants("llama2"):
            sentencepiece_llama(c, args.data, tmp)
        if c.wants("t5"):
            unigram(c, tmp)
        if c.wants("gemma4"):
            gemma(c, args.data, tmp)
        pre_names(c, args.data, tmp)
    return 1 if c.bad else 0


if __name__ == "__main__":
    sys.exit(main())
