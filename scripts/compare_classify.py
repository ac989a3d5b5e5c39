#!/usr/bin/env python3
"""Train a classifier with lathe and with PEFT by the same recipe, and compare their accuracy.

    compare_classify.py --lathe build/lathe --model DIR --train FILE --dev FILE [--rows N] [--dev-rows N] [--epochs N] [--batch N]
                        [--lr X] [--rank N] [--seeds 1,2,3] [--own-start]

Rows are {"text", "label"}. Both put LoRA on every linear layer (rank N, alpha 2N) and train the head, with AdamW and a linear
schedule, in f32, without dropout. They begin with the same values and see the rows in the same order; with --own-start each draws
its own, and the base's dropout is on in PEFT (lathe has none in a base). lathe's adapter is also loaded into PEFT and must give the same
predictions there. Needs torch, transformers and peft. Exit status 0 when the mean accuracies are within one point.
"""
import argparse, json, os, random, subprocess, sys, tempfile, time


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("lathe", "build/lathe"), ("model", None), ("train", None), ("dev", None), ("seeds", "1")):
        p.add_argument("--" + name, default=default, required=default is None)
    for name, default in (("rows", 1000), ("dev-rows", 400), ("epochs", 2), ("batch", 16), ("rank", 8)):
        p.add_argument("--" + name, type=int, default=default)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--own-start", action="store_true")
    return p.parse_args()


def head(path, n):
    with open(path, encoding="utf-8") as fh:
        return [json.loads(x) for x in fh if x.strip()][:n]


def peft_model(a, labels):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    tok = AutoTokenizer.from_pretrained(a.model)
    model = AutoModelForSequenceClassification.from_pretrained(a.model, num_labels=len(labels), dtype=torch.float32)
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tok.pad_token_id
    return tok, model


def predict(model, tok, rows, batch):
    import torch
    out = []
    model.eval()
    with torch.no_grad():
        for i in range(0, len(rows), batch):
            x = tok([r["text"] for r in rows[i:i + batch]], return_tensors="pt", padding=True)
            out += model(**x).logits.argmax(-1).tolist()
    return out


def orders(a, train, seed):
    """The rows of each epoch."""
    order = random.Random(seed)
    return [order.sample(train, len(train)) for _ in range(a.epochs)]


def start(a, labels, seed):
    import torch
    from peft import LoraConfig, get_peft_model
    torch.manual_seed(seed)
    tok, model = peft_model(a, labels)
    return tok, get_peft_model(model, LoraConfig(task_type="SEQ_CLS", r=a.rank, lora_alpha=2 * a.rank, target_modules="all-linear"))


def train_peft(a, tok, model, train, dev, labels, seed):
    import torch
    params = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(params, lr=a.lr, weight_decay=0)
    steps = a.epochs * ((len(train) + a.batch - 1) // a.batch)
    plan = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: max(0.0, 1 - s / steps))
    model.train(a.own_start)
    for rows in orders(a, train, seed):
        for i in range(0, len(rows), a.batch):
            part = rows[i:i + a.batch]
            x = tok([r["text"] for r in part], return_tensors="pt", padding=True)
            loss = model(**x, labels=torch.tensor([labels.index(r["label"]) for r in part])).loss
            opt.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(params, 1.0)
            opt.step()
            plan.step()
    got = predict(model, tok, dev, a.batch)
    return sum(labels[g] == r["label"] for g, r in zip(got, dev)) / len(dev)


def train_lathe(a, folder, seed):
    """With the same start the file has the rows of all epochs, in order."""
    out = f"{folder}/run{seed}"
    begin = (["--num-train-epochs", str(a.epochs), "--lora-r", str(a.rank), "--lora-alpha", str(2 * a.rank)] if a.own_start else
             ["--num-train-epochs", "1", "--no-shuffle", "--adapter", f"{folder}/start{seed}"])
    subprocess.run([a.lathe, "classify", "--model", a.model, "--data", f"{folder}/train.jsonl", "--eval-data", f"{folder}/dev.jsonl",
                    "--output", out, "--batch-size", str(a.batch), "--learning-rate", str(a.lr), *begin, "--compute", "fp32", "--seed", str(seed),
                    "--predictions", f"{folder}/predictions{seed}.jsonl"], check=True, capture_output=True)
    return out, json.load(open(f"{out}/summary.json"))["eval_accuracy"]


def same_in_peft(a, out, dev, labels, predictions):
    from peft import PeftModel
    tok, model = peft_model(a, labels)
    model = PeftModel.from_pretrained(model, out)
    got = [labels[g] for g in predict(model, tok, dev, 1)]
    want = [json.loads(x)["prediction"] for x in open(predictions)]
    return sum(g == w for g, w in zip(got, want)), len(want)


def main():
    a = arguments()
    train, dev = head(a.train, a.rows), head(a.dev, a.dev_rows)
    labels = sorted({r["label"] for r in train})
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in map(int, a.seeds.split(",")):
            tok, model = start(a, labels, seed)
            model.save_pretrained(f"{folder}/start{seed}")
            shown = train if a.own_start else [r for rows in orders(a, train, seed) for r in rows]
            for name, rows in (("train", shown), ("dev", dev)):
                with open(f"{folder}/{name}.jsonl", "w", encoding="utf-8") as fh:
                    fh.writelines(json.dumps(r) + "\n" for r in rows)
            begin = time.time()
            out, accuracy = train_lathe(a, folder, seed)
            ours.append(accuracy)
            middle = time.time()
            theirs.append(train_peft(a, tok, model, train, dev, labels, seed))
            same, all_rows = same_in_peft(a, out, dev, labels, f"{folder}/predictions{seed}.jsonl")
            print(f"seed {seed}: lathe {ours[-1]:.4f} in {middle - begin:.0f} s, PEFT {theirs[-1]:.4f} in {time.time() - middle:.0f} s; "
                  f"lathe's adapter in PEFT predicts the same for {same} of {all_rows} rows", flush=True)
    mean = [sum(x) / len(x) for x in (ours, theirs)]
    print(f"accuracy on {len(dev)} rows: lathe {mean[0]:.4f}, PEFT {mean[1]:.4f}, difference {100 * (mean[0] - mean[1]):+.2f} points")
    return 0 if mean[0] >= mean[1] - 0.01 else 1


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main())
