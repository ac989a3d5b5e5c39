#!/usr/bin/env python3
"""lathe against PyTorch + PEFT: the same LoRA training steps on the same rows, turn by turn on the same machine.

    bench_peer.py --shape qwen2.5-0.5b [--tokens 512] [--peer eager,compile]       random weights of a real shape
    bench_peer.py --model DIR --messages CHATS.jsonl --batch 8 --max-length 400    conversations, prompts masked
    bench_peer.py --model DIR --data ROWS.jsonl                                    rows of {"input_ids", "labels"}
    bench_peer.py --shape smollm2-135m --peer none --limit 112MiB --limit 224MiB   what a limit costs in speed
    bench_peer.py --shape qwen2.5-0.5b --peer none --scaling                       one thread against all

LoRA on all linear layers (--rank 16), bf16, AdamW. Each side's figure is the median step's tokens/s (padding not counted, the first
steps left out) and the peak resident memory that the kernel counted. Ratios are formed round by round, against the fastest peer; the
useful share is 4 FLOPs per parameter and trained token (2 per parameter for what only goes forward) over the peak that lathe measures.
Needs torch, transformers and peft unless --peer none.
"""
import argparse, json, os, random, resource, shlex, statistics, subprocess, sys, tempfile, time

LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "rms_norm_eps": 1e-5, "dtype": "bfloat16",
         "torch_dtype": "bfloat16", "attention_bias": False, "mlp_bias": False, "vocab_size": 128256, "num_key_value_heads": 8,
         "tie_word_embeddings": True, "max_position_embeddings": 32768, "rope_theta": 500000.0}
SHAPES = {
    "smollm2-135m": {**LLAMA, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
                     "num_key_value_heads": 3, "vocab_size": 49152, "rope_theta": 100000.0},
    "qwen2.5-0.5b": {**LLAMA, "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "rms_norm_eps": 1e-6,
                     "rope_theta": 1000000.0, "use_sliding_window": False, "hidden_size": 896, "intermediate_size": 4864,
                     "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151936},
    "llama-3.2-1b": {**LLAMA, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
                     "head_dim": 64},
    "llama-3.2-3b": {**LLAMA, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28, "num_attention_heads": 24,
                     "head_dim": 128},
    "llama-3.1-8b": {**LLAMA, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
                     "head_dim": 128, "tie_word_embeddings": False},
}
PEERS = ("eager", "compile", "checkpointing")


def write_rows(rows, path):
    with open(path, "w") as fh:
        fh.writelines(json.dumps(r) + "\n" for r in rows)


def random_rows(a, model, path):
    """Full rows of random ids."""
    vocabulary = json.load(open(model + "/config.json"))["vocab_size"]
    rng = random.Random(1)
    rows = [[rng.randrange(min(1000, vocabulary // 2), vocabulary) for _ in range(a.tokens)] for _ in range(a.batch * 4)]
    write_rows([{"input_ids": r, "labels": r} for r in rows], path)


def conversation_rows(a, model, path):
    """Conversations as the model's template has them; all but the last answer is masked."""
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = []
    for line in open(a.messages):
        messages = json.loads(line)["messages"]
        ids = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False)
        prompt = tokenizer.apply_chat_template(messages[:-1], tokenize=True, add_generation_prompt=True, return_dict=False)
        if 60 <= len(ids) <= a.max_length:
            rows.append({"input_ids": ids, "labels": [-100] * len(prompt) + ids[len(prompt):]})
        if len(rows) == a.batch * (a.steps + 1):
            break
    write_rows(rows, path)


def peer(a):
    """The child: trains with PyTorch and prints {"seconds": […], "tokens": […], "peak": bytes}."""
    import torch
    from transformers import AutoModelForCausalLM
    from peft import LoraConfig, get_peft_model
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    rows = [json.loads(x) for x in open(a.data)]
    model = AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.bfloat16)
    if a.peer == "checkpointing":
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    model = get_peft_model(model, LoraConfig(r=a.rank, lora_alpha=2 * a.rank, target_modules="all-linear", task_type="CAUSAL_LM"))
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    if a.peer == "compile":
        model = torch.compile(model, dynamic=True if a.messages else None)
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


def run_peer(a, model, data, variant):
    command = [sys.executable, os.path.abspath(__file__), "--as-peer", "--model", model, "--data", data, "--steps", str(a.steps),
               "--batch", str(a.batch), "--rank", str(a.rank), "--threads", str(a.threads), "--peer", variant]
    command += ["--messages", a.messages] if a.messages else []
    p = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    if p.returncode:
        return None, p.stderr.strip().splitlines()[-1] if p.stderr.strip() else "killed: out of memory?"
    r = json.loads(p.stdout.strip().splitlines()[-1])
    skip = 2 if variant == "compile" else 1
    return statistics.median(t / s for t, s in list(zip(r["tokens"], r["seconds"]))[skip:]), r["peak"]


def lathe_command(a, model, data, verb, extra):
    return [a.lathe, verb, "--model", model, "--data", data, "--max-steps", str(a.steps), "--batch-size", str(a.batch), "--lora-r",
            str(a.rank), "--lora-alpha", str(2 * a.rank), "--target-modules", *a.target_modules.split(","), "--learning-rate", "1e-4",
            "--no-shuffle", "--max-length", str(max(a.tokens, a.max_length))] + extra + shlex.split(a.lathe_args)


def run_lathe(a, model, data, extra=(), threads=None):
    with tempfile.TemporaryDirectory() as tmp:
        command = lathe_command(a, model, data, "sft", ["--output", tmp + "/run", "--logging-steps", "1", "--save-strategy", "no",
                                                        "--threads", str(threads or a.threads), *extra])
        p = subprocess.run(command, capture_output=True, text=True)
        if p.returncode:
            sys.exit("lathe failed:\n" + p.stderr[-2000:])
        steps = [json.loads(x) for x in open(tmp + "/run/metrics.jsonl") if '"loss"' in x]
        summary = json.load(open(tmp + "/run/summary.json"))
        return statistics.median(s["tokens_per_second"] for s in steps[1:]), summary["peak_rss_bytes"]


def useful_flops_per_token(a, model, data):
    """And the peak in FLOP/s: what lathe's own plan says."""
    with tempfile.TemporaryDirectory() as tmp:
        p = subprocess.run(lathe_command(a, model, data, "plan", ["--output", tmp + "/run", "--json", "--threads", str(a.threads)]),
                           capture_output=True, text=True)
    if p.returncode:
        sys.exit("lathe plan failed:\n" + p.stderr[-2000:])
    plan = json.loads(p.stdout)
    doctor = json.loads(subprocess.run([a.lathe, "doctor", "--json"], capture_output=True, text=True).stdout)
    peak = max(plan["flops_per_second"], doctor["bf16_flops_per_second"] if doctor["threads"] == a.threads else 0)
    return plan["useful_flops_per_step"] / plan["tokens_per_step"], peak


def compare(a, model, data):
    """Turn by turn; returns nothing, prints every round and the medians."""
    flops, peak = useful_flops_per_token(a, model, data)
    variants = [v for v in a.peer.split(",") if v != "none"]
    speed, memory, share = [], [], []
    for i in range(a.rounds):
        ours = run_lathe(a, model, data)
        share.append(ours[0] * flops / peak)
        line = f"round {i + 1}: lathe {ours[0]:.1f} tokens/s, {ours[1] / 1e6:.0f} MB, {100 * share[-1]:.0f} % useful"
        theirs = []
        for variant in variants:
            result = run_peer(a, model, data, variant)
            if result[0] is None:
                line += f"; {variant} failed ({result[1]})"
                continue
            theirs.append(result)
            line += f"; {variant} {result[0]:.1f} tokens/s, {result[1] / 1e6:.0f} MB"
        if theirs:
            best = max(theirs)
            speed.append(ours[0] / best[0])
            memory.append(min(t[1] for t in theirs) / ours[1])
            line += f"; speed {speed[-1]:.2f}x, memory 1/{memory[-1]:.1f}"
        print(line, flush=True)
    print(f"median: {100 * statistics.median(share):.0f} % of the peak useful"
          + (f", speed {statistics.median(speed):.2f}x the faster peer, memory 1/{statistics.median(memory):.1f} of the leaner" if speed else ""))


def own_ratios(a, model, data, cases):
    """cases: (name, extra arguments, threads) against the run without, turn by turn."""
    ratios, peaks = {name: [] for name, _, _ in cases}, {}
    for _ in range(a.rounds):
        base = run_lathe(a, model, data)
        for name, extra, threads in cases:
            speed, peaks[name] = run_lathe(a, model, data, extra, threads)
            ratios[name].append((base[0] / speed) / (a.threads / threads) if threads else speed / base[0])
    print(f"unlimited: {base[0]:.1f} tokens/s, {base[1] / 2**20:.1f} MiB")
    for name, _, _ in cases:
        print(f"{name}: {100 * statistics.median(ratios[name]):.0f} %, peak {peaks[name] / 2**20:.1f} MiB")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--lathe", default="build/lathe"); p.add_argument("--model"); p.add_argument("--shape", choices=SHAPES)
    p.add_argument("--data"); p.add_argument("--messages"); p.add_argument("--max-length", type=int, default=400)
    p.add_argument("--tokens", type=int, default=512); p.add_argument("--steps", type=int, default=8)
    p.add_argument("--rounds", type=int, default=3); p.add_argument("--batch", type=int, default=1)
    p.add_argument("--rank", type=int, default=16); p.add_argument("--target-modules", default="all-linear")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--peer", default="eager", help="none, or some of " + ",".join(PEERS))
    p.add_argument("--compile", action="store_true", help="the compiled peer too"); p.add_argument("--checkpointing", action="store_true")
    p.add_argument("--limit", action="append", default=[], help="--max-memory of lathe, against its speed without")
    p.add_argument("--scaling", action="store_true", help="efficiency of all threads against one")
    p.add_argument("--lathe-args", default=""); p.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.as_peer:
        return peer(a)
    if bool(a.model) == bool(a.shape):
        p.error("one of --model and --shape")
    a.peer += ",compile" * a.compile + ",checkpointing" * a.checkpointing
    unknown = [v for v in a.peer.split(",") if v not in PEERS + ("none",)]
    if unknown:
        p.error(f"unknown peer {unknown[0]}")
    with tempfile.TemporaryDirectory() as tmp:
        model, data = a.model or tmp + "/model", a.data or tmp + "/rows.jsonl"
        if a.shape:
            json.dump(SHAPES[a.shape], open(tmp + "/config.json", "w"))
            subprocess.run([a.lathe, "init", "--config", tmp + "/config.json", "--output", model], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        if a.messages:
            conversation_rows(a, model, data)
        elif not a.data:
            random_rows(a, model, data)
        cases = [(limit, ("--max-memory", limit), None) for limit in a.limit]
        cases += [(f"efficiency at {a.threads} threads", (), 1)] if a.scaling else []
        own_ratios(a, model, data, cases) if cases else compare(a, model, data)


if __name__ == "__main__":
    main()
