#!/usr/bin/env python3
"""The same fine-tuning in lathe and in PEFT: does the held-out loss fall as far?

    compare_peft.py --lathe build/lathe --model SmolLM2-135M-Instruct --data train.jsonl --eval-data dev.jsonl [--steps 40]

Rows are {"messages"} of one question and one answer; the model's template must be ChatML (SmolLM2, Qwen). Both start from
the same adapter, take the rows in file order and use the same recipe (batch 4, AdamW, linear schedule with warm-up, bf16 base in
lathe's default compute; PEFT in float32 unless --bf16). Prints the held-out loss of the base, of both adapters, and lathe's adapter
evaluated by PEFT. Needs torch, transformers, peft.
"""
import argparse, json, os, subprocess, tempfile
os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from peft import LoraConfig, PeftModel, get_peft_model


def tokens(tokenizer, messages):
    """ids, labels: the assistant's text and its <|im_end|> count, nothing else."""
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    head = "<|im_start|>assistant\n"
    begin = text.index(head) + len(head)
    end = text.index("<|im_end|>", begin) + len("<|im_end|>")
    e = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return e["input_ids"], [i if begin <= a and b <= end and b > a else -100 for i, (a, b) in zip(e["input_ids"], e["offset_mapping"])]


def loss_of(model, rows):
    total = count = 0
    model.eval()
    with torch.no_grad():
        for ids, labels in rows:
            n = sum(x != -100 for x in labels[1:])
            total += model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss.item() * n
            count += n
    return total / count


def train(model, rows, a):
    params = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(params, lr=a.learning_rate, weight_decay=0.0)
    warm = a.steps // 10
    model.train()
    for step in range(a.steps):
        for g in opt.param_groups:
            g["lr"] = a.learning_rate * (step / warm if step < warm else (a.steps - step) / (a.steps - warm))
        batch = [rows[(step * 4 + i) % len(rows)] for i in range(4)]
        n = sum(sum(x != -100 for x in labels[1:]) for _, labels in batch)
        for ids, labels in batch:
            k = sum(x != -100 for x in labels[1:])
            (model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss * k / n).backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        opt.zero_grad()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--lathe", default="build/lathe"); p.add_argument("--model", required=True)
    p.add_argument("--data", required=True); p.add_argument("--eval-data", required=True)
    p.add_argument("--steps", type=int, default=40); p.add_argument("--learning-rate", type=float, default=5e-4)
    p.add_argument("--bf16", action="store_true")
    a = p.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(a.model)
    read = lambda f: [tokens(tokenizer, json.loads(x)["messages"]) for x in open(f)]
    rows, dev = read(a.data), read(a.eval_data)
    dtype = torch.bfloat16 if a.bf16 else torch.float32
    with tempfile.TemporaryDirectory() as tmp:
        torch.manual_seed(0)
        base = AutoModelForCausalLM.from_pretrained(a.model, dtype=dtype)
        before = loss_of(base, dev)
        model = get_peft_model(base, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"))
        model.save_pretrained(tmp + "/start")
        train(model, rows, a)
        theirs = loss_of(model, dev)
        subprocess.run([a.lathe, "sft", "--model", a.model, "--data", a.data, "--eval-data", a.eval_data, "--adapter", tmp + "/start",
                        "--output", tmp + "/run", "--max-steps", str(a.steps), "--batch-size", "4", "--learning-rate", str(a.learning_rate),
                        "--lr-scheduler-type", "linear", "--warmup-steps", str(a.steps // 10), "--weight-decay", "0", "--no-shuffle",
                        "--save-strategy", "no"], check=True, capture_output=True)
        ours = json.load(open(tmp + "/run/summary.json"))["eval_loss"]
        again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(a.model, dtype=dtype), tmp + "/run")
        loaded = loss_of(again, dev)
    print(f"held-out loss: base {before:.4f}, PEFT {theirs:.4f}, lathe {ours:.4f} ({100 * (ours / theirs - 1):+.2f} %), "
          f"lathe's adapter in PEFT {loaded:.4f}")


if __name__ == "__main__":
    main()
