#!/usr/bin/env python3
"""Train some steps with lathe and with TRL's trainers, from one adapter and on the same rows in the same order, and compare what both log.

    compare_trl.py --lathe build/lathe --model DIR [--steps N] [--batch N] [--only dpo,kto,orpo,cpo,reward,sft] [--verbose]

For every loss that TRL's installed version has: loss, gradient norm, rewards, margins and log-probabilities of each step. The model is a
small decoder with a tokenizer; rows are made up here. Plain AdamW at a constant rate in f32. Needs torch, transformers, peft, trl and
datasets. Prints a line for each loss; exit status 1 when one differs by more than the tolerance.
"""
import argparse, contextlib, io, json, logging, os, random, subprocess, sys, tempfile, warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
TOLERANCE = 2e-3  # relative to the larger of the number and a floor
FLOOR = {"loss": 1e-2, "rewards/margins": 1e-2, "rewards/chosen": 1e-2, "rewards/rejected": 1e-2, "kl": 1e-2, "grad_norm": 1e-1,
         "margin": 1e-2, "mean_reward": 1e-2}
PASSED_OVER = ("step", "epoch", "learning_rate", "num_tokens", "entropy")
DPO = {"sigmoid": {}, "hinge": {}, "ipo": {}, "robust": {"label_smoothing": 0.1},
       "sigmoid_norm": {}, "exo_pair": {"label_smoothing": 0.01}, "nca_pair": {}, "bco_pair": {}, "sppo_hard": {}, "apo_zero": {},
       "apo_down": {}, "discopop": {}}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--lathe", default="build/lathe")
    p.add_argument("--model", required=True)
    p.add_argument("--steps", type=int, default=6)
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--only", default="sft,dpo,kto,orpo,cpo,reward")
    p.add_argument("--verbose", action="store_true")
    return p.parse_args()


def sentence(rng, n):
    nouns = "girl boy dog cat tree house ball park mom friend bird sun".split()
    verbs = "saw liked found took made loved".split()
    return " ".join(f"The {rng.choice(nouns)} {rng.choice(verbs)} the {rng.choice(nouns)}." for _ in range(n))


def rows(kind, count):
    rng, out = random.Random(7), []
    for i in range(count):
        prompt = "Once upon a time, there was a " + rng.choice(["girl.", "boy.", "dog."])
        good, bad = " " + sentence(rng, 1 + i % 3), " " + sentence(rng, 1 + (i + 1) % 2)
        if kind == "kto":  # the last batch is of one kind
            out.append({"prompt": prompt, "completion": good if i % 3 else bad, "label": i % 3 != 0 or i >= count - 4})
        elif kind == "sft":
            out.append({"prompt": prompt, "completion": good})
        elif kind == "reward":
            out.append({"chosen": prompt + good, "rejected": prompt + bad})
        else:
            out.append({"prompt": prompt, "chosen": good, "rejected": bad})
    return out


def make_adapter(a, folder, scored):
    """An adapter none of whose tensors is trivial."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
    torch.manual_seed(3)
    base = (AutoModelForSequenceClassification.from_pretrained(a.model, num_labels=1, dtype=torch.float32) if scored
            else AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.float32))
    model = get_peft_model(base, LoraConfig(task_type="SEQ_CLS" if scored else "CAUSAL_LM", r=4, lora_alpha=8,
                                            target_modules=["q_proj", "v_proj", "down_proj"]))
    for name, p in model.named_parameters():
        if "lora_B" in name or "score" in name:
            torch.nn.init.normal_(p, std=0.02)
    model.save_pretrained(folder)


def run_lathe(a, work, command, adapter, options):
    out = f"{work}/run"
    done = subprocess.run([a.lathe, command, "--model", a.model, "--adapter", adapter, "--data", f"{work}/rows.jsonl", "--output", out,
                           "--overwrite", "--max-steps", str(a.steps), "--batch-size", str(a.batch), "--no-shuffle", "--logging-steps", "1",
                           "--learning-rate", "1e-3", "--lr-scheduler-type", "constant", "--compute", "fp32", "--max-length", "128", *options],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return [json.loads(x) for x in open(f"{out}/metrics.jsonl") if '"loss"' in x]


def run_trl(a, trainer_class, config_class, adapter, data, scored, options):
    import torch
    from datasets import Dataset
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(a.model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token
    base = (AutoModelForSequenceClassification.from_pretrained(a.model, num_labels=1, dtype=torch.float32) if scored
            else AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.float32))
    base.config.pad_token_id = tokenizer.pad_token_id
    model = PeftModel.from_pretrained(base, adapter, is_trainable=True)
    with tempfile.TemporaryDirectory() as out:
        known = {"output_dir": out, "per_device_train_batch_size": a.batch, "max_steps": a.steps, "learning_rate": 1e-3,
                 "lr_scheduler_type": "constant", "logging_steps": 1, "report_to": [], "use_cpu": True, "bf16": False,
                 "gradient_checkpointing": False, "max_length": 128, "disable_tqdm": True, "save_strategy": "no", "optim": "adamw_torch",
                 "train_sampling_strategy": "sequential", "dataloader_num_workers": 0, **options}
        trainer = trainer_class(model=model, args=config_class(**known), train_dataset=Dataset.from_list(data), processing_class=tokenizer)
        sampler = torch.utils.data.SequentialSampler(trainer.train_dataset)
        trainer._get_train_sampler = lambda *_: sampler
        trainer.train()
        return [x for x in trainer.state.log_history if "loss" in x]


def compare(a, name, ours, theirs):
    """The largest relative difference over all numbers that both log."""
    worst, where, keys = 0.0, "", set()
    for step, (o, t) in enumerate(zip(ours, theirs)):
        for key in t:
            if key in o and key not in PASSED_OVER and not (key == "nll_loss" and "simpo" in name):  # TRL logs 0 where it has no weight
                x, y = float(o[key]), float(t[key])
                keys.add(key)
                error = abs(x - y) / max(abs(y), FLOOR.get(key, 1e-3))
                if a.verbose:
                    print(f"    {name} step {step + 1} {key}: lathe {x:.6g}, TRL {y:.6g}")
                if error > worst:
                    worst, where = error, f"{key} at step {step + 1}: lathe {x:.6g}, TRL {y:.6g}"
    ok = worst <= TOLERANCE and len(ours) == len(theirs) and "loss" in keys
    print(f"{'ok  ' if ok else 'FAIL'} {name}: {len(ours)} steps, largest difference {worst:.1e}" + (f" ({where})" if where else "") +
          f"; compared: {', '.join(sorted(keys))}", flush=True)
    return ok


def cases(only):
    """(name, command, lathe's options, rows, trainer, configuration, its options)"""
    import trl
    if "sft" in only:
        yield "sft", "sft", [], "sft", trl.SFTTrainer, trl.SFTConfig, {"completion_only_loss": True}
    if "dpo" in only:
        for name, extra in DPO.items():
            loss = name.split()[0]
            flags = [x for k, v in extra.items() for x in ("--" + k.replace("_", "-"), str(v))]
            yield (f"dpo {name}", "dpo", ["--loss-type", loss, *flags], "pairs", trl.DPOTrainer, trl.DPOConfig,
                   {"loss_type": [loss], "beta": 0.1, **extra})
    if "kto" in only:
        for loss in ("kto", "apo_zero_unpaired"):
            yield (f"kto {loss}", "dpo", ["--loss-type", loss, "--desirable-weight", "1.2"], "kto", trl.KTOTrainer, trl.KTOConfig,
                   {"loss_type": loss, "beta": 0.1, "desirable_weight": 1.2})
    if "orpo" in only:
        from trl.experimental.orpo import ORPOConfig, ORPOTrainer
        yield "orpo", "dpo", ["--loss-type", "orpo"], "pairs", ORPOTrainer, ORPOConfig, {"beta": 0.1}
    if "cpo" in only:
        from trl.experimental.cpo import CPOConfig, CPOTrainer
        for loss, flags, extra in (("cpo", [], {"loss_type": "sigmoid"}), ("cpo_hinge", [], {"loss_type": "hinge"}),
                                   ("cpo_ipo", [], {"loss_type": "ipo"}),
                                   ("simpo", ["--simpo-gamma", "0.5"], {"loss_type": "simpo", "simpo_gamma": 0.5, "cpo_alpha": 0.0})):
            yield f"cpo {loss}", "dpo", ["--loss-type", loss, *flags], "pairs", CPOTrainer, CPOConfig, {"beta": 0.1, **extra}
    if "reward" in only:
        yield ("reward", "reward", ["--center-rewards-coefficient", "0.01", "--pad-token-id", "0"], "reward", trl.RewardTrainer,
               trl.RewardConfig, {"center_rewards_coefficient": 0.01})


def main():
    a, bad = arguments(), 0
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as work:
        for scored in (False, True):
            make_adapter(a, f"{work}/adapter{int(scored)}", scored)
        for name, command, flags, kind, trainer, config, options in cases(a.only.split(",")):
            adapter = f"{work}/adapter{int(command == 'reward')}"
            data = rows(kind, a.steps * a.batch)
            with open(f"{work}/rows.jsonl", "w", encoding="utf-8") as fh:
                fh.writelines(json.dumps(x) + "\n" for x in data)
            if trainer.__name__ in ("DPOTrainer", "KTOTrainer"):  # TRL's reference is the adapter as it was
                flags = [*flags, "--ref-adapter", adapter]
            try:
                ours = run_lathe(a, work, command, adapter, flags)
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    theirs = run_trl(a, trainer, config, adapter, data, command == "reward", options)
                bad += not compare(a, name, ours, theirs)
            except Exception as e:  # a loss that cannot be compared differs
                print(f"FAIL {name}: {type(e).__name__}: {e}", flush=True)
                bad += 1
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
