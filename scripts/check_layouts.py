#!/usr/bin/env python3
"""Compares what lathe makes of older tokenizer layouts with references on the same vocabulary.

    make build/tokenize_batch
    scripts/check_layouts.py --tool build/tokenize_batch [--count 20000] --data FOLDER [--text FILE]

FOLDER holds one folder per tokenizer: gpt2, bert-base-uncased, qwen2 (tokenizer.json, or vocab.json and merges.txt), llama3 (tokenizer.json
and tiktoken's tokenizer.model), llama2 (SentencePiece's). Checked are

    vocab.json and merges.txt    taken out of gpt2's tokenizer.json, against transformers' class
    vocab.txt                    out of bert-base-uncased's, against transformers' class
    tiktoken                     llama3's own file, and qwen.tiktoken written from qwen2's vocabulary
    SentencePiece                llama2's file against the sentencepiece package; BPE and unigram models that it trains on the text with
                                 all settings of normalisation
"""
import argparse
import base64
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import sentencepiece as spm
from tokenizers import Tokenizer

PARTS = [" ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "the", "The", " don't", "I'LL", "naïve", "Straße", "ﬁre", "½", "x²", "e\u0301", "가", "日本語", "中文",
         "ไทย", "العربية", "русский", "12345", "3.14", "1,000", "0xFF", "http://a.b/c?d=e", "a_b-c.d", "ＡＢＣ", "…", "—", "😀", "👩‍👩‍👧‍👦", "def f(x):\n    return x\n",
         "<s>", "</s>", "<unk>", "<0x0A>", "[CLS]", "[SEP]", "[MASK]", "<|endoftext|>", "<|eot_id|>", "<|im_end|>", "▁", "▁▁", "\u00a0", "\u3000", "\u200b",
         "aaaa", "hello", " world", ".", ",", "!", "''", "--", "()", "#", "\ufeff", "\x01", "\x7f"]


def texts(count, text, rng):
    out = ["", " ", "  ", "\n", "a", " a", "a ", "  a  b  "]
    for _ in range(count):
        parts = []
        for _ in range(rng.choice([1, 2, 3, 6, 12])):
            kind = rng.randrange(4)
            if kind == 0:
                parts.append(rng.choice(PARTS))
            elif kind == 1:
                at = rng.randrange(len(text))
                parts.append(text[at:at + rng.choice([3, 10, 40])])
            elif kind == 2:
                parts.append("".join(chr(rng.choice([rng.randint(32, 126), rng.randint(160, 0x2FF), rng.randint(0x370, 0xD7FF)])) for _ in range(rng.randint(1, 8))))
            else:
                parts.append("".join(rng.choice("etaoinshrdlu ") for _ in range(rng.randint(1, 12))))
        out.append("".join(parts))
    return out


class Checker:
    def __init__(self, tool):
        self.tool, self.bad = tool, 0

    def ids(self, folder, mode, inputs):
        data = b"".join(t.encode().replace(b"\0", b"\xc0\x80") + b"\0" for t in inputs)
        done = subprocess.run([self.tool, mode, folder], input=data, capture_output=True)
        if done.returncode:
            return done.stderr.decode().strip()
        return [list(map(int, line.split())) for line in done.stdout.split(b"\n")[:-1]]

    def compare(self, name, folder, inputs, want, mode="encode", ties=False):
        got = self.ids(folder, mode, inputs)
        if isinstance(got, str):
            self.bad += 1
            return print(f"FAIL {name}: {got}")
        wrong = [(t, g, w) for t, g, w in zip(inputs, got, want) if g != w and not (ties and sorted(g) == sorted(w))]
        self.bad += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok  '} {name} ({mode}): {len(want)} texts, {len(wrong)} different")
        for t, g, w in wrong[:3]:
            print(f"     {t!r}\n       lathe     {g}\n       reference {w}")

    def against_json(self, name, folder, tokenizer, inputs):
        tokenizer.no_truncation()
        tokenizer.no_padding()
        for mode, special in (("encode", False), ("encode-special", True)):
            self.compare(name, folder, inputs, [e.ids for e in tokenizer.encode_batch(inputs, add_special_tokens=special)], mode)


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def alphabet():
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in own}
    for n, b in enumerate(b for b in range(256) if b not in own):
        table[b] = chr(256 + n)
    return {c: b for b, c in table.items()}


def write_tiktoken(path, vocab):
    byte = alphabet()
    with open(path, "wb") as f:
        for token, rank in sorted(vocab.items(), key=lambda x: x[1]):
            f.write(base64.b64encode(bytes(byte[c] for c in token)) + b" %d\n" % rank)


def json_layouts(c, data, inputs, tmp):
    gpt2 = json.load(open(f"{data}/gpt2/tokenizer.json"))
    d = os.path.join(tmp, "gpt2")
    os.mkdir(d)
    write(f"{d}/vocab.json", json.dumps(gpt2["model"]["vocab"]))
    write(f"{d}/merges.txt", "#version: 0.2\n" + "\n".join(m if isinstance(m, str) else " ".join(m) for m in gpt2["model"]["merges"]) + "\n")
    write(f"{d}/config.json", json.dumps({"model_type": "gpt2"}))
    from transformers import BertTokenizer, GPT2Tokenizer
    c.against_json("gpt2 vocab.json", d, GPT2Tokenizer.from_pretrained(d).backend_tokenizer, inputs)

    bert = json.load(open(f"{data}/bert-base-uncased/tokenizer.json"))
    d = os.path.join(tmp, "bert")
    os.mkdir(d)
    write(f"{d}/vocab.txt", "".join(t + "\n" for t, _ in sorted(bert["model"]["vocab"].items(), key=lambda x: x[1])))
    t = BertTokenizer.from_pretrained(d)
    c.against_json("bert vocab.txt", d, t.backend_tokenizer, inputs)
    write(f"{d}/tokenizer_config.json", json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": False, "tokenize_chinese_chars": False}))
    t = BertTokenizer.from_pretrained(d)
    c.against_json("bert vocab.txt, cased", d, t.backend_tokenizer, inputs)


def tiktoken_layouts(c, data, inputs, tmp):
    d = os.path.join(tmp, "llama3")
    os.mkdir(d)
    shutil.copy(f"{data}/llama3/tokenizer.model", d)
    c.against_json("llama3 tiktoken", d, Tokenizer.from_file(f"{data}/llama3/tokenizer.json"), inputs)

    from transformers import AutoTokenizer
    d = os.path.join(tmp, "qwen")
    os.mkdir(d)
    write_tiktoken(f"{d}/qwen.tiktoken", json.load(open(f"{data}/qwen2/vocab.json")))
    write(f"{d}/tokenizer_config.json", json.dumps({"tokenizer_class": "QWenTokenizer"}))
    c.against_json("qwen.tiktoken", d, AutoTokenizer.from_pretrained(f"{data}/qwen2").backend_tokenizer, inputs)


def pieces(model, inputs):
    """What sentencepiece gives for texts in which no control or user-defined piece is spelled out."""
    return [model.encode(t) for t in inputs]


def sentencepiece_layouts(c, data, inputs, text, tmp):
    plain = [t for t in inputs if not any(x in t for x in ("<s>", "</s>", "<unk>", "<0x0A>", "\x01", "[MASK]"))]
    d = os.path.join(tmp, "llama2")
    os.mkdir(d)
    shutil.copy(f"{data}/llama2/tokenizer.model", d)
    model = spm.SentencePieceProcessor(model_file=f"{d}/tokenizer.model")
    c.compare("llama2 tokenizer.model", d, plain, pieces(model, plain))
    c.compare("llama2 tokenizer.model", d, plain, [[1, *ids] for ids in pieces(model, plain)], "encode-special")
    corpus = os.path.join(tmp, "corpus.txt")
    write(corpus, text)
    for kind in ("bpe", "unigram"):
        for i, more in enumerate([dict(), dict(byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False),
                                  dict(normalization_rule_name="nmt_nfkc_cf", add_dummy_prefix=False),
                                  dict(byte_fallback=True, split_digits=True, user_defined_symbols=["[MASK]"], remove_extra_whitespaces=False)]):
            d = os.path.join(tmp, f"{kind}{i}")
            os.mkdir(d)
            spm.SentencePieceTrainer.train(input=corpus, model_prefix=f"{d}/tokenizer", model_type=kind, vocab_size=1200, minloglevel=2,
                                           hard_vocab_limit=False, num_threads=1, **more)
            model = spm.SentencePieceProcessor(model_file=f"{d}/tokenizer.model")
            # The tokenizers package, which transformers goes by, normalises "\r\n" as one character.
            some = [t for t in plain if "\r" not in t]
            c.compare(f"{kind} {more}", d, some, pieces(model, some), ties=kind == "unigram")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tool", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--text", required=True)
    p.add_argument("--count", type=int, default=20000)
    a = p.parse_args()
    text = open(a.text, encoding="utf-8").read()[:300000]
    c = Checker(a.tool)
    inputs = texts(a.count, text, random.Random(5))
    with tempfile.TemporaryDirectory() as tmp:
        json_layouts(c, a.data, inputs, tmp)
        tiktoken_layouts(c, a.data, inputs, tmp)
        sentencepiece_layouts(c, a.data, inputs, text, tmp)
    return 1 if c.bad else 0


if __name__ == "__main__":
    sys.exit(main())
