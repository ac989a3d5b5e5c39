#!/usr/bin/env python3
"""Compares lathe's model families with transformers on tiny models with random weights.

    scripts/check_families.py [--lathe build/lathe] [--seeds 2] [FAMILY...]

Every configuration of VARIANTS is made into a model whose parameters are all random (norms and biases too), saved, and run through

    lathe eval       losses of every row, logits of the first one
    lathe generate   a greedy continuation (not for encoders)
    lathe sft        one step of full training: the gradient of every parameter

Needs torch, transformers and safetensors.
"""
import argparse
import copy
import json
import os
import random
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy as np
import torch
import transformers
from safetensors.numpy import load_file

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

BASE = dict(hidden_size=48, intermediate_size=72, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, vocab_size=101,
            max_position_embeddings=128)
GPT2 = dict(n_embd=48, n_layer=3, n_head=4, n_positions=96, vocab_size=97, bos_token_id=1, eos_token_id=2, embd_pdrop=0.0,
            attn_pdrop=0.0, resid_pdrop=0.0)
LONG = dict(type="longrope", short_factor=[1.0, 1.1, 1.3, 1.6, 2.0, 2.2], long_factor=[1.2, 1.9, 3.0, 4.1, 6.0, 7.5])
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
BERT = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4, vocab_size=107,
            max_position_embeddings=96, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
MOE = dict(num_experts_per_tok=2, num_local_experts=5)
QMOE = dict(num_experts=6, num_experts_per_tok=3, moe_intermediate_size=24, decoder_sparse_step=1)


def v(base, **more):
    return {**base, **more}


# model_type: configurations
VARIANTS = {
    "llama": [v(BASE, rope_theta=500000.0, rope_scaling=LLAMA3), v(BASE, num_attention_heads=6, num_key_value_heads=3, head_dim=10,
              attention_bias=True, mlp_bias=True, tie_word_embeddings=True), v(BASE, num_key_value_heads=1, rms_norm_eps=1e-3,
              rope_scaling=dict(type="linear", factor=3.0))],
    "qwen2": [v(BASE), v(BASE, use_sliding_window=True, sliding_window=7, max_window_layers=1, tie_word_embeddings=True)],
    "qwen3": [v(BASE, head_dim=20), v(BASE, head_dim=16, attention_bias=True, tie_word_embeddings=True)],
    "mistral": [v(BASE, sliding_window=9), v(BASE, head_dim=18, sliding_window=None, rope_theta=1e6)],
    "gemma": [v(BASE, head_dim=12), v(BASE, head_dim=20, num_key_value_heads=1, hidden_act="gelu")],
    "gemma2": [v(BASE, head_dim=12, sliding_window=8, query_pre_attn_scalar=20), v(BASE, head_dim=16, sliding_window=5,
               query_pre_attn_scalar=16, attn_logit_softcapping=3.0, final_logit_softcapping=2.0)],
    "gemma3_text": [v(BASE, head_dim=12, sliding_window=8, query_pre_attn_scalar=20, num_hidden_layers=7),
                    v(BASE, head_dim=16, sliding_window=5, rope_theta=1e5, rope_local_base_freq=1e3, num_hidden_layers=4,
                      layer_types=["sliding_attention", "full_attention"] * 2)],
    "phi3": [v(BASE, pad_token_id=0, sliding_window=11), v(BASE, num_attention_heads=3, num_key_value_heads=3, pad_token_id=0,
             partial_rotary_factor=0.75, rope_scaling=LONG, original_max_position_embeddings=16, max_position_embeddings=64)],
    "smollm3": [v(BASE, num_hidden_layers=5, pad_token_id=0), v(BASE, no_rope_layers=[0, 1, 0], pad_token_id=0)],
    "olmo2": [v(BASE), v(BASE, num_attention_heads=6, num_key_value_heads=6, rms_norm_eps=1e-4)],
    "granite": [v(BASE, embedding_multiplier=3.0, residual_multiplier=0.4, attention_multiplier=0.2, logits_scaling=4.0),
                v(BASE, attention_bias=True, mlp_bias=True, tie_word_embeddings=True)],
    "gpt2": [v(GPT2), v(GPT2, n_inner=70, scale_attn_by_inverse_layer_idx=True), v(GPT2, scale_attn_weights=False,
             activation_function="relu", tie_word_embeddings=False, layer_norm_epsilon=1e-3)],
    "bert": [v(BERT), v(BERT, hidden_act="relu", type_vocab_size=3, layer_norm_eps=1e-3),
             v(BERT, hidden_act="gelu_new", tie_word_embeddings=False, num_attention_heads=6)],
    "mixtral": [v(BASE, **MOE), v(BASE, **v(MOE, num_experts_per_tok=1), sliding_window=9, head_dim=16)],
    "qwen2_moe": [v(BASE, **QMOE, shared_expert_intermediate_size=40), v(BASE, **QMOE, shared_expert_intermediate_size=20,
                  norm_topk_prob=True, mlp_only_layers=[1])],
    "qwen3_moe": [v(BASE, **QMOE, head_dim=16), v(BASE, **v(QMOE, decoder_sparse_step=2), head_dim=12, norm_topk_prob=True)],
}
ENCODERS = {"bert"}
NO_FULL = {"mixtral", "qwen2_moe", "qwen3_moe"}  # their routers and experts are frozen


def make(family, fields, seed):
    torch.manual_seed(seed)
    config = transformers.AutoConfig.for_model(family, **copy.deepcopy(fields))
    config._attn_implementation = "eager"
    auto = transformers.AutoModelForMaskedLM if family in ENCODERS else transformers.AutoModelForCausalLM
    model = auto.from_config(config).float().eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.copy_(torch.randn_like(p) * 0.2 + (0 if name.endswith("bias") or family.startswith("gemma") else 1))
            else:
                p.copy_(torch.randn_like(p) * (0.6 if "embed" in name or "wte" in name else 0.25))
    return model


def rows(family, vocab, types, rng, longest):
    out = []
    for n in (longest, 1 + longest // 3, 7, 18, 2):
        ids = [rng.randrange(3, vocab) for _ in range(n)]
        labels = [i if rng.random() < 0.7 else -100 for i in ids]
        labels[-1] = ids[-1]
        row = {"input_ids": ids, "labels": labels}
        if family in ENCODERS:
            row["token_type_ids"] = sorted(rng.randrange(types) for _ in ids)
        out.append(row)
    return out


def losses(model, family, data):
    """Sum of -log p and count per row, and the logits of the first one."""
    result, first = [], None
    for row in data:
        ids = torch.tensor([row["input_ids"]])
        more = {"token_type_ids": torch.tensor([row["token_type_ids"]])} if "token_type_ids" in row else {}
        logits = model(input_ids=ids, **more, use_cache=False).logits[0] if family not in ENCODERS else model(input_ids=ids, **more).logits[0]
        first = logits if first is None else first
        labels = torch.tensor(row["labels"])
        if family not in ENCODERS:
            logits, labels = logits[:-1], labels[1:]
        result.append((torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum"), int((labels >= 0).sum())))
    return result, first


def run(lathe, *args):
    p = subprocess.run([lathe, *map(str, args)], capture_output=True, text=True, timeout=300)
    if p.returncode:
        raise RuntimeError((p.stderr.strip().splitlines() or ["no message"])[-1])
    return p.stdout


def greedy(model, ids, n):
    out = list(ids)
    gap = 1e9
    for _ in range(n):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([out]), use_cache=False).logits[0, -1]
        top = torch.topk(logits, 2).values
        gap = min(gap, float(top[0] - top[1]))
        out.append(int(logits.argmax()))
    return out[len(ids):], gap


def check(lathe, family, fields, seed, folder):
    model, rng = make(family, fields, seed), random.Random(seed)
    path = os.path.join(folder, "model")
    model.save_pretrained(path)
    data = rows(family, model.config.vocab_size, getattr(model.config, "type_vocab_size", 1), rng, 45)
    file = os.path.join(folder, "data.jsonl")
    with open(file, "w") as f:
        f.writelines(json.dumps(r) + "\n" for r in data)
    bad = []
    want, logits = losses(model, family, data)
    total = sum(s for s, _ in want) / sum(n for _, n in want)
    want = [(float(s.detach()), n) for s, n in want]
    kept = os.path.join(folder, "logits.safetensors")
    got = json.loads(run(lathe, "eval", "--model", path, "--data", file, "--compute", "fp32", "--json", "--per-example", "--save-logits", kept))
    for i, ((s, n), g) in enumerate(zip(want, got["per_example"])):
        if n and abs(g["loss"] * n - s) > 1e-4 * abs(s):
            bad.append(f"loss of row {i}: {g['loss']:.6f}, expected {s / n:.6f}")
    ours = load_file(kept)["logits"]
    error = float(np.abs(ours - logits.detach().numpy()).max() / np.abs(logits.detach().numpy()).max())
    if error > 2e-4:
        bad.append(f"logits differ by {error:.2e}")
    if family not in ENCODERS:
        prompt = data[3]["input_ids"][:12]
        text, gap = greedy(model, prompt, 10)
        out = json.loads(run(lathe, "generate", "--model", path, "--prompt-ids", ",".join(map(str, prompt)), "--max-new-tokens", 10,
                             "--greedy", "--ignore-eos", "--compute", "fp32", "--json"))
        if out["output_ids"] != text and gap > 1e-3:
            bad.append(f"greedy {out['output_ids']}, expected {text}")
    worst = 0.0
    if family not in NO_FULL:
        total.backward()
        grads = os.path.join(folder, "grads.safetensors")
        run(lathe, "sft", "--model", path, "--data", file, "--method", "full", "--output", os.path.join(folder, "out"), "--max-steps", 1,
            "--batch-size", len(data), "--no-shuffle", "--compute", "fp32", "--activation-bits", 32, "--save-gradients", grads,
            *(["--max-memory", "64MB"] if seed % 2 else []))
        ours = load_file(grads)
        least = 1e-4 * max(float(p.grad.norm()) for p in model.parameters() if p.grad is not None)  # smaller ones are rounding
        for name, p in model.named_parameters():
            if p.grad is None:
                continue
            if name not in ours:
                bad.append(f"no gradient of {name}")
                continue
            g = p.grad.numpy()
            e = float(np.linalg.norm(ours[name] - g) / max(np.linalg.norm(g), least))
            worst = max(worst, e)
            if e > 1e-3:
                bad.append(f"gradient of {name} differs by {e:.2e}")
    return bad, f"loss {float(total.detach()):.4f}, logits {error:.1e}, gradients {worst:.1e}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--lathe", default="build/lathe")
    p.add_argument("--seeds", type=int, default=2)
    p.add_argument("families", nargs="*")
    a = p.parse_args()
    torch.set_num_threads(1)
    count = failed = 0
    for family in a.families or VARIANTS:
        for i, fields in enumerate(VARIANTS[family]):
            for seed in range(a.seeds):
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        bad, said = check(a.lathe, family, fields, seed, folder)
                    except RuntimeError as e:
                        bad, said = [str(e)], ""
                count += 1
                failed += bool(bad)
                print(f"{'FAIL' if bad else 'ok  '} {family} {i} seed {seed}: {said}")
                for line in bad[:6]:
                    print("     " + line)
    print(f"{count - failed} of {count} as transformers")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
