#!/usr/bin/env python3
"""lathe against PyTorch + PEFT: the same LoRA training steps on the same rows, turn by turn on the same machine.

    bench_peer.py --lathe build/lathe --model DIR [--data ROWS.jsonl] [--tokens 512] [--steps 8] [--rounds 3]
                  [--compile] [--checkpointing] [--lathe-args "--max-memory 300MiB"]

Rows: `--data` takes {"input_ids", "labels"} rows; without it random full rows of --tokens tokens are made. Batch --batch rows a
step (PyTorch pads them to the longest). LoRA r=16 on all linear layers, bf16, AdamW. Prints for each side the median step's
tokens/s (padding not counted) and the process's peak resident memory, and the ratios, round by round.
Needs torch, transformers and peft for the peer.
"""
import argparse, json, os, random, resource, shlex, statistics, subprocess, sys, tempfile, time


def rows_of(a, vocabulary, path):
    if a.data:
        return [json.loads(x) for x in open(a.data)]
    rng = random.Random(1)
    rows = [[rng.randrange(min(1000, vocabulary - 1), vocabulary) if vocabulary > 2000 else rng.randrange(vocabulary) for _ in range(a.tokens)]
            for _ in range(a.batch * 4)]
    rows = [{"input_ids": r, "labels": r} for r in rows]
    with open(path, "w") as fh:
        fh.writelines(json.dumps(r) + "\n" for r in rows)
    return rows


def peer(a):
    """The child: trains with PyTorch and prints {"seconds": […], "tokens": […], "peak": bytes}."""
    import torch
    from transformers import AutoModelForCausalLM
    from peft import LoraConfig, get_peft_model
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    rows = [json.loads(x) for x in open(a.data)]
    model = AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.bfloat16)
    if a.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    model = get_peft_model(model, LoraConfig(r=a.rank, lora_alpha=2 * a.rank, target_modules="all-linear", task_type="CAUSAL_LM"))
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    if a.compile:
        model = torch.compile(model)
    seconds, tokens = [], []
    for step in range(a.steps):
        batch = [rows[(step * a.batch + i) % len(rows)] for i in range(a.batch)]
        width = max(len(r["input_ids"]) for r in batch)
        ids = torch.tensor([r["input_ids"] + [0] * (width - len(r["input_ids"])) for r in batch])
        labels = torch.tensor([r["labels"] + [-100] * (width - len(r["labels"])) for r in batch])
        mask = torch.tensor([[1] * len(r["input_ids"]) + [0] * (width - len(r["input_ids"])) for r in batch])
        begin = time.perf_counter()
        if all(len(r["input_ids"]) == width for r in batch):
            loss = model(input_ids=ids, labels=labels).loss
        else:
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - begin)
        tokens.append(sum(len(r["input_ids"]) for r in batch))
    print(json.dumps({"seconds": seconds, "tokens": tokens, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


def run_peer(a, data):
    command = [sys.executable, os.path.abspath(__file__), "--as-peer", "--model", a.model, "--data", data, "--steps", str(a.steps),
               "--batch", str(a.batch), "--rank", str(a.rank), "--threads", str(a.threads)]
    command += ["--compile"] if a.compile else []
    command += ["--checkpointing"] if a.checkpointing else []
    p = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    if p.returncode:
        sys.exit("the peer failed:\n" + p.stderr[-2000:])
    r = json.loads(p.stdout.strip().splitlines()[-1])
    skip = 2 if a.compile else 1
    return statistics.median(t / s for t, s in list(zip(r["tokens"], r["seconds"]))[skip:]), r["peak"]


def run_lathe(a, data):
    with tempfile.TemporaryDirectory() as tmp:
        command = [a.lathe, "sft", "--model", a.model, "--data", data, "--output", tmp + "/run", "--max-steps", str(a.steps),
                   "--batch-size", str(a.batch), "--lora-r", str(a.rank), "--lora-alpha", str(2 * a.rank), "--target-modules", "all-linear",
                   "--learning-rate", "1e-4", "--logging-steps", "1", "--no-shuffle", "--threads", str(a.threads),
                   "--save-strategy", "no"] + shlex.split(a.lathe_args)
        p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, error = p.communicate()
        if p.returncode:
            sys.exit("lathe failed:\n" + error[-2000:])
        steps = [json.loads(x) for x in open(tmp + "/run/metrics.jsonl") if '"loss"' in x]
        summary = json.load(open(tmp + "/run/summary.json"))
        return statistics.median(s["tokens_per_second"] for s in steps[1:]), summary["peak_rss_bytes"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--lathe", default="build/lathe"); p.add_argument("--model", required=True); p.add_argument("--data")
    p.add_argument("--tokens", type=int, default=512); p.add_argument("--steps", type=int, default=8)
    p.add_argument("--rounds", type=int, default=3); p.add_argument("--batch", type=int, default=1)
    p.add_argument("--rank", type=int, default=16); p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--compile", action="store_true"); p.add_argument("--checkpointing", action="store_true")
    p.add_argument("--lathe-args", default=""); p.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.as_peer:
        return peer(a)
    with tempfile.TemporaryDirectory() as tmp:
        vocabulary = json.load(open(a.model + "/config.json"))["vocab_size"]
        rows_of(a, vocabulary, tmp + "/rows.jsonl")
        data = a.data or tmp + "/rows.jsonl"
        ours, theirs = [], []
        for i in range(a.rounds):
            ours.append(run_lathe(a, data)); theirs.append(run_peer(a, data))
            print(f"round {i + 1}: lathe {ours[-1][0]:8.1f} tokens/s {ours[-1][1] / 1e6:8.0f} MB   "
                  f"PyTorch {theirs[-1][0]:8.1f} tokens/s {theirs[-1][1] / 1e6:8.0f} MB   "
                  f"speed {ours[-1][0] / theirs[-1][0]:5.2f}x  memory 1/{theirs[-1][1] / ours[-1][1]:.1f}", flush=True)
    speed = statistics.median(o[0] / t[0] for o, t in zip(ours, theirs))
    memory = statistics.median(t[1] / o[1] for o, t in zip(ours, theirs))
    print(f"median: speed {speed:.2f}x, memory 1/{memory:.1f}")


if __name__ == "__main__":
    main()
