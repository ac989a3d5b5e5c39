#!/usr/bin/env python3
"""The tokenizer of the model that ships: a byte-level BPE of 512 tokens, learnt from make_text.py's text.

    make_tokenizer.py OUT_DIR        reads OUT_DIR/pretrain.jsonl, writes OUT_DIR/tokenizer.json and tokenizer_config.json

Needs the Python package `tokenizers`.
"""
import json, sys
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers


def main():
    out = sys.argv[1]
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    texts = [json.loads(x)["text"] for _, x in zip(range(20000), open(out + "/pretrain.jsonl", encoding="utf-8"))]
    t.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=512, special_tokens=["<|endoftext|>"], show_progress=False,
                                                     initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    t.save(out + "/tokenizer.json")
    json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "bos_token": None,
               "clean_up_tokenization_spaces": False, "model_max_length": 256}, open(out + "/tokenizer_config.json", "w"), indent=2)


if __name__ == "__main__":
    main()
