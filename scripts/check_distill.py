#!/usr/bin/env python3
"""Distil for a step with lathe and with the formula in PyTorch, and compare loss, divergence and every gradient of the adapter.

    check_distill.py --lathe build/lathe [--rows N] CASE...

CASE is a folder with model/ (a small decoder) and train.jsonl (rows of input_ids and labels), such as those of tests/golden/cases. The
teacher is a model of the same family with one more layer and other weights. Needs torch, transformers, peft and safetensors. Prints a line
for each case and setting; exit status 1 when a loss is off by more than 1e-4 or a gradient by more than 1e-3 (Frobenius, relative).
"""
import argparse, copy, json, os, subprocess, sys, tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
SETTINGS = [(0.5, 1.0), (1.0, 1.0), (0.7, 2.5)]  # alpha, temperature


def make_teacher(config, folder):
    import torch
    from transformers import AutoModelForCausalLM
    config = copy.deepcopy(config)
    config.num_hidden_layers += 1
    if getattr(config, "layer_types", None):
        config.layer_types = list(config.layer_types) + list(config.layer_types)[:1]
    torch.manual_seed(11)
    teacher = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        for p in teacher.parameters():
            if p.dim() > 1:
                p.normal_(std=0.2)
    teacher.save_pretrained(folder)
    return teacher


def make_student(path, folder):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    torch.manual_seed(3)
    base = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, attn_implementation="eager")
    student = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules="all-linear"))
    with torch.no_grad():
        for name, p in student.named_parameters():
            if "lora_B" in name:
                p.normal_(std=0.1)
    student.save_pretrained(folder)
    return student.eval()


def reference(student, teacher, rows, alpha, tau):
    """(1 - alpha) CE + alpha tau^2 KL(teacher || student), both means over all counted tokens."""
    import torch
    import torch.nn.functional as F
    student.zero_grad()
    count = sum(sum(l != -100 for l in r["labels"][1:]) for r in rows)
    nll = kl = 0
    for r in rows:
        ids, labels = torch.tensor([r["input_ids"]]), torch.tensor(r["labels"])[1:]
        keep = labels != -100
        s = student(input_ids=ids).logits[0, :-1][keep]
        with torch.no_grad():
            t = teacher(input_ids=ids).logits[0, :-1][keep]
        nll = nll + F.cross_entropy(s, labels[keep], reduction="sum")
        kl = kl + F.kl_div(F.log_softmax(s / tau, -1), F.log_softmax(t / tau, -1), reduction="sum", log_target=True)
    loss = ((1 - alpha) * nll + alpha * tau * tau * kl) / count
    loss.backward()
    gradients = {n: p.grad.clone() for n, p in student.named_parameters() if p.grad is not None}
    return {"loss": loss.item(), "nll_loss": nll.item() / count, "kl": kl.item() / count}, gradients


def ours(a, case, folder, rows, alpha, tau):
    from safetensors.torch import load_file
    data, out, grads = f"{folder}/rows.jsonl", f"{folder}/run", f"{folder}/g.safetensors"
    with open(data, "w") as f:
        for r in rows:
            f.write(json.dumps({"input_ids": r["input_ids"], "labels": r["labels"]}) + "\n")
    command = [a.lathe, "sft", "--model", f"{case}/model", "--teacher", f"{folder}/teacher", "--adapter", f"{folder}/adapter", "--data", data,
               "--output", out, "--overwrite", "--distill-alpha", str(alpha), "--distill-temperature", str(tau), "--max-steps", "1",
               "--batch-size", str(len(rows)), "--no-shuffle", "--compute", "fp32", "--activation-bits", "32", "--learning-rate", "0",
               "--logging-steps", "1", "--save-strategy", "no", "--save-gradients", grads]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    with open(f"{out}/metrics.jsonl") as f:
        return json.loads(f.readline()), load_file(grads)


def compare(a, case):
    import torch
    from transformers import AutoConfig
    with open(f"{case}/train.jsonl") as f:
        rows = [json.loads(line) for line in f][: a.rows]
    good = True
    with tempfile.TemporaryDirectory() as folder:
        student = make_student(f"{case}/model", f"{folder}/adapter")
        teacher = make_teacher(AutoConfig.from_pretrained(f"{case}/model"), f"{folder}/teacher")
        for alpha, tau in SETTINGS:
            want, gradients = reference(student, teacher, rows, alpha, tau)
            got, found = ours(a, case, folder, rows, alpha, tau)
            worst, cosine = 0.0, 1.0
            wanted = {n.replace(".default", ""): g for n, g in gradients.items()}
            if set(wanted) != set(found):
                sys.exit(f"{case}: other tensors: {sorted(set(wanted) ^ set(found))[:4]}")
            for name, g in wanted.items():
                worst = max(worst, (torch.linalg.norm(found[name] - g) / torch.linalg.norm(g)).item())
                cosine = min(cosine, torch.nn.functional.cosine_similarity(found[name].flatten().double(), g.flatten().double(), dim=0).item())
            off = max(abs(got[k] - want[k]) / max(abs(want[k]), 1e-2) for k in want)
            ok = off < 1e-4 and worst < 1e-3
            good &= ok
            print(f"{os.path.basename(case):14} alpha {alpha:<4} T {tau:<4} loss {got['loss']:.6f} ({want['loss']:.6f})  "
                  f"kl {got['kl']:.6f} ({want['kl']:.6f})  losses off by {off:.1e}, {len(wanted)} gradients by {worst:.1e} at most, "
                  f"least cosine {cosine:.9f}  {'ok' if ok else 'DIFFERS'}", flush=True)
    return good


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--lathe", default="build/lathe")
    p.add_argument("--rows", type=int, default=4)
    p.add_argument("case", nargs="+")
    a = p.parse_args()
    results = [compare(a, case.rstrip("/")) for case in a.case]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
