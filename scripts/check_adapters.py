#!/usr/bin/env python3
"""Compare adapters with PEFT: python scripts/check_adapters.py [LATHE]

For each kind of adapter: lathe trains two steps on a tiny random model, PEFT loads the folder, and the logits of both and the
loss over all tokens are compared. (Gradients and trained tensors are compared with PEFT's by the golden cases.)
Needs torch, transformers, peft and safetensors. Prints a line for each; exit status 1 when one differs.
"""
import json
import os
import subprocess
import sys
import tempfile

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

KINDS = {
    "lora": [],
    "rslora, patterns": ["--use-rslora", "--rank-pattern", "q_proj=4", "--alpha-pattern", "v_proj=3"],
    "gaussian": ["--init-lora-weights", "gaussian"],
    "orthogonal": ["--init-lora-weights", "orthogonal"],
    "olora": ["--init-lora-weights", "olora"],
    "pissa": ["--init-lora-weights", "pissa"],
    "pissa, rslora, patterns": ["--init-lora-weights", "pissa_niter_4", "--use-rslora", "--rank-pattern", "q_proj=4",
                                "--alpha-pattern", "v_proj=3"],
    "dora": ["--method", "dora"],
    "trainable tokens": ["--trainable-token-indices", "53,9,140"],
    "trainable tokens, tied": ["--trainable-token-indices", "53,9,140"],
    "trainable tokens, pissa": ["--trainable-token-indices", "67", "--init-lora-weights", "pissa"],
    "ia3": ["--method", "ia3"],
    "prompt tuning": ["--method", "prompt-tuning", "--prompt-tuning-init", "sample_vocab"],
    "p-tuning, mlp": ["--method", "p-tuning", "--encoder-hidden-size", "8"],
    "p-tuning, lstm": ["--method", "p-tuning", "--encoder-hidden-size", "8", "--encoder-reparameterization-type", "lstm"],
    "prompt tuning, head": ["--method", "prompt-tuning", "--modules-to-save", "lm_head"],
    "prefix, head and norm": ["--method", "prefix-tuning", "--modules-to-save", "lm_head,norm"],
    "prefix": ["--method", "prefix-tuning", "--num-virtual-tokens", "5"],
    "prefix, projected": ["--method", "prefix-tuning", "--prefix-projection", "--encoder-hidden-size", "8"],
}
TOLERANCE = 2e-4  # of the largest logit
LOSS_TOLERANCE = 1e-4


def make_model(folder, tied):
    torch.manual_seed(0)
    config = LlamaConfig(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
                         num_key_value_heads=2, vocab_size=160, max_position_embeddings=128, tie_word_embeddings=tied)
    model = LlamaForCausalLM(config)
    for p in model.parameters():
        p.data = torch.randn_like(p) * 0.15 if p.dim() > 1 else 1 + 0.1 * torch.randn_like(p)
    model.save_pretrained(folder)


def run(lathe, *args):
    done = subprocess.run([lathe, *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout


def check(lathe, work, base, options):
    """The largest difference of logits, relative to the largest logit; and that of the losses, all tokens counted."""
    out, rows = f"{work}/out", f"{work}/rows.jsonl"
    ids = [1, 40, 53, 67, 28, 9, 77, 140]
    with open(rows, "w", encoding="utf-8") as f:
        f.write(json.dumps({"input_ids": ids, "labels": ids}) + "\n")
    run(lathe, "sft", "--model", base, "--data", rows, "--output", out, "--overwrite", "--max-steps", "2", "--batch-size", "1",
        "--learning-rate", "1e-3", "--compute", "fp32", *options)
    loss = json.loads(run(lathe, "eval", "--model", base, "--adapter", out, "--data", rows, "--compute", "fp32", "--json", "--save-logits",
                          f"{work}/logits.safetensors"))["loss"]
    ours = load_file(f"{work}/logits.safetensors")["logits"]
    model = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(base, dtype=torch.float32), out)
    with torch.no_grad():
        x = torch.tensor([ids])
        got = model(input_ids=x, attention_mask=torch.ones(1, len(ids)), labels=x)  # the first token counts behind virtual ones
    theirs = got.logits[0]
    theirs = theirs[-len(ids):]  # virtual tokens in the stream have logits too
    return ((ours - theirs).abs().max() / theirs.abs().max()).item(), abs(loss / got.loss.item() - 1)


def main():
    os.environ["HF_HUB_OFFLINE"] = "1"
    lathe, bad = sys.argv[1] if len(sys.argv) > 1 else "build/lathe", 0
    with tempfile.TemporaryDirectory() as work:
        make_model(f"{work}/base", False)
        make_model(f"{work}/tied", True)
        for name, options in KINDS.items():
            try:
                error, loss = check(lathe, work, f"{work}/{'tied' if 'tied' in name else 'base'}", options)
                ok = error <= TOLERANCE and loss <= LOSS_TOLERANCE
                print(f"{'ok  ' if ok else 'FAIL'} {name}: largest difference of logits {error:.1e}, of losses {loss:.1e}")
            except Exception as e:  # a kind that cannot be compared differs
                ok = False
                print(f"FAIL {name}: {e}")
            bad += not ok
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
