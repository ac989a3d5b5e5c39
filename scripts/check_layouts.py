#!/usr/bin/env python3
"""Compares what lathe makes of older tokenizer layouts with references on the same vocabulary.

    make build/tokenize_batch
    scripts/check_layouts.py --tool build/tokenize_batch [--strings 20000] --data FOLDER --texts FILE… [--only NAME…]

FOLDER holds one folder per tokenizer: gpt2, bert-base-uncased, qwen2 (tokenizer.json, or vocab.json and merges.txt), llama3 (tokenizer.json
and tiktoken's tokenizer.model), llama2 (SentencePiece's). Checked are

    vocab.json and merges.txt    taken out of gpt2's tokenizer.json, against transformers' class
    vocab.txt                    out of bert-base-uncased's, against transformers' class
    tiktoken                     llama3's own file, and qwen.tiktoken written from qwen2's vocabulary
    SentencePiece                llama2's file against the sentencepiece package; BPE and unigram models that it trains on the texts with
                                 all settings of normalisation, with user-defined pieces, and with those of Gemma's files
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
import hard_texts
import sentencepiece as spm
from tokenizers import Tokenizer

class Checker:
    def __init__(self, tool, only):
        self.tool, self.only, self.bad = tool, only, 0

    def wants(self, name):
        return not self.only or any(name.startswith(o) for o in self.only)

    def ids(self, folder, mode, inputs):
        data = b"".join(map(hard_texts.escape, inputs))
        done = subprocess.run([self.tool, mode, folder], input=data, capture_output=True)
        if done.returncode:
            return done.stderr.decode().strip()
        return done.stdout.decode().split("\n")[:-1]

    def compare(self, name, folder, inputs, want, mode="encode"):
        got = self.ids(folder, mode, inputs)
        if isinstance(got, str):
            self.bad += 1
            return print(f"FAIL {name}: {got}")
        want = [" ".join(map(str, ids)) for ids in want]
        wrong = [(t, g, w) for t, g, w in zip(inputs, got, want) if g != w]
        self.bad += bool(wrong) or len(got) != len(want)
        print(f"{'FAIL' if wrong else 'ok  '} {name} ({mode}): {len(want)} texts, {len(wrong)} different", flush=True)
        for t, g, w in wrong[:3]:
            print(f"     {t!r}\n       lathe     {g}\n       reference {w}")

    def against_json(self, name, folder, tokenizer, inputs):
        tokenizer.no_truncation()
        tokenizer.no_padding()
        for mode, special, some in (("encode", False, inputs), ("encode-special", True, inputs[::4])):
            self.compare(name, folder, some, (e.ids for e in hard_texts.batches(lambda t: tokenizer.encode_batch_fast(t, add_special_tokens=special), some)), mode)


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


def gpt2_layout(c, data, inputs, tmp):
    gpt2 = json.load(open(f"{data}/gpt2/tokenizer.json"))
    d = os.path.join(tmp, "gpt2")
    os.mkdir(d)
    write(f"{d}/vocab.json", json.dumps(gpt2["model"]["vocab"]))
    write(f"{d}/merges.txt", "#version: 0.2\n" + "\n".join(m if isinstance(m, str) else " ".join(m) for m in gpt2["model"]["merges"]) + "\n")
    write(f"{d}/config.json", json.dumps({"model_type": "gpt2"}))
    from transformers import GPT2Tokenizer
    c.against_json("gpt2 vocab.json", d, GPT2Tokenizer.from_pretrained(d).backend_tokenizer, inputs)


def bert_layout(c, data, inputs, tmp):
    from transformers import BertTokenizer
    bert = json.load(open(f"{data}/bert-base-uncased/tokenizer.json"))
    d = os.path.join(tmp, "bert")
    os.mkdir(d)
    write(f"{d}/vocab.txt", "".join(t + "\n" for t, _ in sorted(bert["model"]["vocab"].items(), key=lambda x: x[1])))
    t = BertTokenizer.from_pretrained(d)
    c.against_json("bert vocab.txt", d, t.backend_tokenizer, inputs)
    write(f"{d}/tokenizer_config.json", json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": False, "tokenize_chinese_chars": False}))
    t = BertTokenizer.from_pretrained(d)
    c.against_json("bert vocab.txt, cased", d, t.backend_tokenizer, inputs)


def llama3_tiktoken(c, data, inputs, tmp):
    d = os.path.join(tmp, "llama3")
    os.mkdir(d)
    shutil.copy(f"{data}/llama3/tokenizer.model", d)
    c.against_json("llama3 tiktoken", d, Tokenizer.from_file(f"{data}/llama3/tokenizer.json"), inputs)


def qwen_tiktoken(c, data, inputs, tmp):
    from transformers import AutoTokenizer
    d = os.path.join(tmp, "qwen")
    os.mkdir(d)
    write_tiktoken(f"{d}/qwen.tiktoken", json.load(open(f"{data}/qwen2/vocab.json")))
    write(f"{d}/tokenizer_config.json", json.dumps({"tokenizer_class": "QWenTokenizer"}))
    c.against_json("qwen.tiktoken", d, AutoTokenizer.from_pretrained(f"{data}/qwen2").backend_tokenizer, inputs)


def llama2_sentencepiece(c, data, inputs, tmp):
    d = os.path.join(tmp, "llama2")
    os.mkdir(d)
    shutil.copy(f"{data}/llama2/tokenizer.model", d)
    model = spm.SentencePieceProcessor(model_file=f"{d}/tokenizer.model")
    c.compare("llama2 tokenizer.model", d, inputs, hard_texts.batches(model.encode, inputs), "encode-text")
    some = [t for t in inputs[::4] if not any(model.is_control(model.piece_to_id(x)) and x in t for x in ("<s>", "</s>")) and "<unk>" not in t]
    c.compare("llama2 tokenizer.model", d, some, ([1, *ids] for ids in hard_texts.batches(model.encode, some)), "encode-special")


SETTINGS = [
    dict(),
    dict(byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False),
    dict(normalization_rule_name="nmt_nfkc_cf", add_dummy_prefix=False),
    dict(byte_fallback=True, split_digits=True, user_defined_symbols=["[MASK]"], remove_extra_whitespaces=False),
    # As Gemma's.
    dict(byte_fallback=True, split_digits=True, normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=False,
         user_defined_symbols=["▁▁", "▁▁▁", "▁▁▁▁", "▁▁▁▁▁▁▁▁", "\n", "\n\n", "\n\n\n", "<start_of_turn>", "<end_of_turn>", "<table>", "</table>", "<unused0>"]),
]


def trained_sentencepiece(c, inputs, real, tmp):
    corpus = os.path.join(tmp, "corpus.txt")
    write(corpus, "\n".join(t[:300000] for t in real))
    for kind in ("bpe", "unigram"):
        for i, more in enumerate(SETTINGS):
            name = f"{kind} {i}"
            if not c.wants(name):
                continue
            d = os.path.join(tmp, f"{kind}{i}")
            os.mkdir(d)
            spm.SentencePieceTrainer.train(input=corpus, model_prefix=f"{d}/tokenizer", model_type=kind, vocab_size=1200, minloglevel=2,
                                           hard_vocab_limit=False, num_threads=1, **more)
            model = spm.SentencePieceProcessor(model_file=f"{d}/tokenizer.model")
            own = more.get("user_defined_symbols", [])
            if kind == "unigram":  # a user-defined piece has a great score there; here, as in transformers, it is an added token
                some = [t for t in inputs if not any(x in model.normalize(t) or x in t for x in own)] if own else inputs
            else:  # no space goes before an added token at the start of a text
                some = [t for t in inputs if not any(t.startswith(x) for x in own)] if more.get("add_dummy_prefix", True) else inputs
            c.compare(name, d, some, hard_texts.batches(model.encode, some), "encode-text")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tool", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--texts", nargs="+", required=True)
    p.add_argument("--only", nargs="*", default=[])
    p.add_argument("--strings", type=int, default=20000)
    a = p.parse_args()
    c = Checker(a.tool, a.only)
    real = hard_texts.read(a.texts)
    inputs = ["", " ", "  ", "\n", "a", " a", "a ", "  a  b  "] + list(hard_texts.strings(random.Random(5), a.strings, real))
    with tempfile.TemporaryDirectory() as tmp:
        for name, check in (("gpt2", gpt2_layout), ("bert", bert_layout), ("llama3", llama3_tiktoken), ("qwen", qwen_tiktoken), ("llama2", llama2_sentencepiece)):
            if c.wants(name):
                check(c, a.data, inputs, tmp)
        trained_sentencepiece(c, inputs, real, tmp)
    return 1 if c.bad else 0


if __name__ == "__main__":
    sys.exit(main())
