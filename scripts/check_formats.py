#!/usr/bin/env python3
"""Compares what lathe reads from and writes to model and adapter files with transformers, safetensors and PEFT.

    make build/formats_probe
    scripts/check_formats.py configs FOLDER|CONFIG.json…     every field, window, rope and tensor against transformers
    scripts/check_formats.py random-configs [--count 300]    the same for configurations made up here, in both styles
    scripts/check_formats.py tensors PATH…                   values against safetensors, and a copy that it reads back
    scripts/check_formats.py adapters --models FOLDER… [--count 300]
                                                             target matching, ranks and scales against PEFT, and what we write
    scripts/check_formats.py init FOLDER|CONFIG.json…        lathe init's weights against transformers' initialisation

Prints one line per comparison that matters and a summary; exits with 1 when anything differs. A configuration that lathe
refuses is counted apart.
"""
import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification  # noqa: E402

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

ACTIVATIONS = {"silu": 0, "swish": 0, "gelu_pytorch_tanh": 1, "gelu_new": 1, "gelu": 2, "relu": 3}
ROPES = {"default": 0, "linear": 1, "llama3": 2, "longrope": 3}


def probe(*arguments, text=""):
    done = subprocess.run([ARGS.tool, *arguments], input=text, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{ARGS.tool} {arguments}: status {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def as_folder(path, scratch):
    """A folder with the configuration as config.json."""
    if os.path.isdir(path):
        return path
    folder = tempfile.mkdtemp(dir=scratch)
    shutil.copy(path, folder + "/config.json")
    return folder


# ---- configurations ----


class Differences(list):
    def expect(self, name, got, want):
        same = math.isclose(got, want, rel_tol=1e-12) if isinstance(want, float) else got == want
        if not same:
            self.append(f"{name}: lathe has {str(got)[:200]}, transformers {str(want)[:200]}")


def token(config, value):
    return value if value is not None and 0 <= value < config.vocab_size else -1


def as_list(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def compare_sizes(d, got, c, folder):
    names = {"C": "hidden_size", "H": "num_attention_heads", "K": "num_key_value_heads", "F": "intermediate_size",
             "V": "vocab_size", "L": "num_hidden_layers", "max_position": "max_position_embeddings"}
    for ours, theirs in names.items():
        d.expect(ours, got[ours], getattr(c, theirs))
    d.expect("D", got["D"], getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads)
    d.expect("epsilon", got["epsilon"], float(c.rms_norm_eps))
    activation = c.hidden_activation if c.model_type in ("gemma2", "gemma3_text") else c.hidden_act
    d.expect("activation", got["activation"], ACTIVATIONS[activation])
    d.expect("bos", got["bos"], token(c, c.bos_token_id))
    d.expect("pad", got["pad"], token(c, c.pad_token_id))
    ends = [e for e in as_list(c.eos_token_id) if token(c, e) >= 0]
    if os.path.exists(folder + "/generation_config.json"):
        more = as_list(json.load(open(folder + "/generation_config.json")).get("eos_token_id"))
        ends += [e for e in more if e not in ends]
    d.expect("eos", got["eos"], ends)


def compare_scales(d, got, c):
    d.expect("attention_softcap", got["attention_softcap"], float(getattr(c, "attn_logit_softcapping", None) or 0))
    d.expect("logit_softcap", got["logit_softcap"], float(getattr(c, "final_logit_softcapping", None) or 0))
    embedding = float(c.hidden_size) ** 0.5 if c.model_type.startswith("gemma") else getattr(c, "embedding_multiplier", 1.0)
    d.expect("embedding_scale", got["embedding_scale"], float(embedding))
    d.expect("residual_scale", got["residual_scale"], float(getattr(c, "residual_multiplier", 1.0)))
    d.expect("logit_scale", got["logit_scale"], 1 / float(getattr(c, "logits_scaling", 1.0)))


def compare_ropes(d, got, c):
    p = c.rope_parameters
    ropes = [p["full_attention"], p["sliding_attention"]] if c.model_type == "gemma3_text" else [p]
    d.expect("number of ropes", len(got["ropes"]), len(ropes))
    for ours, theirs in zip(got["ropes"], ropes):
        kind = theirs["rope_type"]
        d.expect("rope kind", ours["kind"], ROPES[kind])
        d.expect("rope theta", ours["theta"], float(theirs["rope_theta"]))
        d.expect("rope width", ours["width"], int(got["D"] * theirs.get("partial_rotary_factor", 1.0)))
        if kind in ("linear", "llama3"):
            d.expect("rope factor", ours["factor"], float(theirs["factor"]))
        if kind == "llama3":
            d.expect("rope low", ours["low"], float(theirs["low_freq_factor"]))
            d.expect("rope high", ours["high"], float(theirs["high_freq_factor"]))
        if kind in ("llama3", "longrope"):
            d.expect("rope original", ours["original"], theirs["original_max_position_embeddings"])
        if kind == "longrope":
            _, magnitude = transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS["longrope"](c)
            d.expect("rope magnitude", ours["magnitude"], float(magnitude))
            for key in ("short", "long"):
                d.expect(key, ours[key], torch.tensor(theirs[key + "_factor"], dtype=torch.float32).tolist())


def compare_model(d, got, c):
    classifier = "SequenceClassification" in got["architecture"]
    with torch.device("meta"):
        model = (AutoModelForSequenceClassification if classifier else AutoModelForCausalLM).from_config(c)
    tensors = {k: list(v.shape) for k, v in model.state_dict().items()}
    if classifier:
        d.expect("labels", got["labels"], c.num_labels)
    else:
        d.expect("tied", got["tied"], bool(c.tie_word_embeddings))
        if c.tie_word_embeddings:
            tensors.pop("lm_head.weight", None)
    d.expect("tensors", got["tensors"], tensors)
    for i, layer in enumerate(model.model.layers):
        attention = layer.self_attn
        window = c.sliding_window if c.model_type in ("mistral", "phi3") else getattr(attention, "sliding_window", None)
        rope = 0
        if c.model_type == "smollm3":
            rope = 0 if attention.use_rope else -1
        if c.model_type == "gemma3_text":
            rope = int(c.layer_types[i] == "sliding_attention")
        d.expect(f"layer {i}", got["layers"][i], [window or 0, rope])
        d.expect("attention_scale", got["attention_scale"], float(attention.scaling))


def check_config(folder):
    got = probe("config", folder)
    if "error" in got:
        return "refused: " + got["error"]
    c = AutoConfig.from_pretrained(folder)
    d = Differences()
    compare_sizes(d, got, c, folder)
    compare_scales(d, got, c)
    compare_ropes(d, got, c)
    compare_model(d, got, c)
    return "DIFFERS: " + "; ".join(d) if d else "same"


def check_configs(paths, scratch):
    counts = {"same": 0, "refused": 0, "DIFFERS": 0}
    for path in paths:
        result = check_config(as_folder(path, scratch))
        counts[result.split(":")[0]] += 1
        if result != "same":
            print(f"{path}: {result}")
    print(f"configurations: {counts['same']} the same, {counts['refused']} refused, {counts['DIFFERS']} different")
    return counts["DIFFERS"] == 0


FAMILIES = ["llama", "qwen2", "qwen3", "mistral", "gemma", "gemma2", "gemma3_text", "phi3", "smollm3", "olmo2", "granite"]


def random_rope(rng, family, head):
    theta = rng.choice([10000.0, 5e5])
    if family == "phi3":
        share = rng.choice([1.0, 0.5]) if head // 2 % 2 == 0 else 1.0
        rope = {"rope_type": "default", "rope_theta": theta, "partial_rotary_factor": share}
        if rng.random() < 0.5:
            half = int(head * share) // 2
            rope.update(rope_type="longrope", short_factor=[1 + 0.1 * i for i in range(half)],
                        long_factor=[1 + 0.7 * i for i in range(half)])
            if rng.random() < 0.4:
                rope["attention_factor"] = 1.25
        return rope
    return rng.choice([
        {"rope_type": "default", "rope_theta": theta},
        {"rope_type": "linear", "factor": rng.choice([2, 4.0]), "rope_theta": theta},
        {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 32, "rope_theta": theta}])


def random_config(rng, family):
    heads, layers = rng.choice([4, 6, 8]), rng.randint(1, 7)
    kw = dict(hidden_size=heads * rng.choice([8, 12]), num_attention_heads=heads, num_hidden_layers=layers,
              num_key_value_heads=rng.choice([k for k in range(1, heads + 1) if heads % k == 0]),
              intermediate_size=rng.choice([40, 64]), vocab_size=rng.choice([100, 33000]),
              max_position_embeddings=rng.choice([64, 256]), rms_norm_eps=rng.choice([1e-5, 1e-6]),
              tie_word_embeddings=rng.random() < 0.5, bos_token_id=rng.choice([None, 1, 5]),
              eos_token_id=rng.choice([None, 2, [3, 4]]), pad_token_id=rng.choice([None, 0, 7]))
    if family in ("gemma", "gemma2", "gemma3_text", "qwen3") or (rng.random() < 0.5 and family != "phi3"):
        kw["head_dim"] = rng.choice([8, 16, 24])
    if family not in ("mistral", "phi3", "qwen2"):
        kw["attention_bias"] = rng.random() < 0.5
    if family in ("llama", "smollm3", "granite"):
        kw["mlp_bias"] = rng.random() < 0.5
    if family in ("qwen2", "qwen3"):
        kw.update(use_sliding_window=rng.random() < 0.6, sliding_window=rng.choice([5, 9]),
                  max_window_layers=rng.randint(0, layers))
    if family in ("mistral", "phi3"):
        kw["sliding_window"] = rng.choice([None, 7])
    if family in ("gemma2", "gemma3_text"):
        kw.update(sliding_window=rng.choice([6, 8]), query_pre_attn_scalar=rng.choice([16, 100]))
    if family == "gemma2":
        kw.update(attn_logit_softcapping=rng.choice([None, 20.0]), final_logit_softcapping=rng.choice([None, 10.0]))
    if family == "gemma3_text" and rng.random() < 0.5:
        kw["sliding_window_pattern"] = rng.randint(1, 4)
    if family == "smollm3":
        kw.update(no_rope_layer_interval=rng.randint(1, 4), use_sliding_window=rng.random() < 0.5,
                  sliding_window=rng.choice([None, 8]))
    if family == "granite":
        kw.update(attention_multiplier=0.07, embedding_multiplier=12.0, residual_multiplier=0.22, logits_scaling=8.0)
    if family == "phi3":
        kw["original_max_position_embeddings"] = rng.choice([16, 64, 256])
    return kw, random_rope(rng, family, kw.get("head_dim") or kw["hidden_size"] // heads)


def write_old_style(rng, family, kw, rope, folder):
    """As hub repositories have them: rope_theta and rope_scaling, and much left out."""
    theta, share, kind = rope.pop("rope_theta"), rope.pop("partial_rotary_factor", None), rope.pop("rope_type")
    kw["rope_theta"] = theta
    if share is not None:
        kw["partial_rotary_factor"] = share
    if family == "gemma3_text":
        kw["rope_local_base_freq"] = 300.0
        kind = "default" if kind == "llama3" else kind
    # transformers 5 does not see "type" in Gemma 3's rope_scaling (earlier ones did, and lathe does)
    key = "rope_type" if family == "gemma3_text" else rng.choice(["type", "rope_type"])
    kw["rope_scaling"] = None if kind == "default" else {key: kind, **rope}
    for key in list(kw):
        if kw[key] is None and rng.random() < 0.5 or key.endswith("_token_id") and rng.random() < 0.3:
            del kw[key]
    if rng.random() < 0.3:
        del kw["tie_word_embeddings"]
    json.dump({"model_type": family, **kw}, open(folder + "/config.json", "w"))


def write_new_style(family, kw, rope, folder):
    if family == "gemma3_text":
        full = rope if rope["rope_type"] != "llama3" else {"rope_type": "default", "rope_theta": 1e4}
        rope = {"full_attention": full, "sliding_attention": {"rope_type": "default", "rope_theta": 77.0}}
    AutoConfig.for_model(family, rope_parameters=rope, **kw).save_pretrained(folder)


def make_random_configs(rng, count, scratch):
    while count:
        family = rng.choice(FAMILIES)
        kw, rope = random_config(rng, family)
        folder = tempfile.mkdtemp(dir=scratch)
        if rng.random() < 0.5:
            write_old_style(rng, family, kw, rope, folder)
        else:
            write_new_style(family, kw, rope, folder)
        try:
            with torch.device("meta"):
                AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
        except Exception:  # transformers itself cannot build it: a default id beyond a small vocabulary, say
            continue
        count -= 1
        yield folder


# ---- tensors ----


def check_tensors(paths, scratch):
    from safetensors import safe_open
    from safetensors.torch import load_file

    count = 0
    for path in paths:
        files = [path] if os.path.isfile(path) else [os.path.join(path, f) for f in os.listdir(path)
                                                     if f.endswith(".safetensors")]
        want = {k: v for f in files for k, v in load_file(f).items()}
        got = probe("tensors", path)
        assert "error" not in got, got
        assert set(got) == set(want), path
        for name, tensor in want.items():
            assert got[name]["shape"] == list(tensor.shape), (path, name)
            if tensor.is_floating_point():
                weights = (torch.arange(tensor.numel()) % 97 + 1).double()
                total = (tensor.double().flatten() * weights).sum().item()
                assert math.isclose(got[name]["sum"], total, rel_tol=1e-6, abs_tol=1e-6), (path, name)
        copy = scratch + "/copy.safetensors"
        assert probe("copy", path, copy) == {}
        back = load_file(copy)
        assert set(back) == set(want)
        assert all(back[k].dtype == want[k].dtype and torch.equal(back[k], want[k]) for k in want), path
        with safe_open(copy, "pt") as file:
            assert file.metadata() == {"format": "pt"}
        count += len(want)
    print(f"tensors: {count} of {len(paths)} files or folders the same, and read back by safetensors")
    return True


# ---- adapters ----

REGEXES = [r".*\.(q|v)_proj", r".*layers\.\d+\.self_attn.*", r"model\.layers\.[0]\..*_proj", r".*attn.*|.*mlp.*",
           r".*\.h\.\d+\.mlp\.c_(fc|proj)", r"(?!.*mlp).*proj", r".*(query|value)$", r"lm_head|.*embed_tokens", r".*"]
PATTERNS = [r"q_proj", r"^model.layers.0.*", r"layers\.\d+\.mlp\..*", r".*attn.*", r"self_attn.k_proj", r"c_attn", r"c_.*",
            r"layer.1.*", r"model.layers.1.self_attn.v_proj", r"down_proj"]


def leaf_modules(model):
    from transformers.pytorch_utils import Conv1D

    head = None if "SequenceClassification" in type(model).__name__ else model.get_output_embeddings()
    for name, module in model.named_modules():
        if not name or any(True for _ in module.children()):
            continue
        if module is head:
            yield "H", name
        elif isinstance(module, (torch.nn.Linear, Conv1D)):
            yield "L", name
        else:
            yield ("E" if isinstance(module, torch.nn.Embedding) else "O"), name


def random_lora(rng, names):
    leaves = sorted({n.split(".")[-1] for n in names})

    def some(pool, n):
        return rng.sample(pool, min(len(pool), n))

    def ending():
        return ".".join(rng.choice(names).split(".")[-rng.randint(1, 4):])

    kind = rng.random()
    if kind < 0.15:
        target = "all-linear"
    elif kind < 0.45:
        target = rng.choice(REGEXES)
    else:
        target = some(leaves, rng.randint(1, 5)) + [ending() for _ in range(rng.randint(0, 3))]
    kw = dict(target_modules=target, r=rng.randint(1, 32), lora_alpha=rng.choice([1, 8, 16, 3.5, 1e-5, 123456.75]),
              lora_dropout=rng.choice([0.0, 0.05, 0.1, 1 / 3, 1e-7]), use_rslora=rng.random() < 0.5,
              use_dora=rng.random() < 0.3, bias=rng.choice(["none", "all", "lora_only"]),
              init_lora_weights=rng.choice([True, False, "gaussian", "orthogonal"]), fan_in_fan_out=rng.random() < 0.3,
              task_type=rng.choice([None, "CAUSAL_LM", "SEQ_CLS"]), revision=rng.choice([None, "main"]),
              base_model_name_or_path=rng.choice([None, '/x/é "q" \\ \x7f 😀']))
    if rng.random() < 0.3:
        kw["exclude_modules"] = rng.choice([rng.choice(REGEXES), [ending()]])
    if rng.random() < 0.3:
        kw["modules_to_save"] = some(leaves, rng.randint(1, 2))
    if isinstance(target, list) and rng.random() < 0.4:
        kw["layers_to_transform"] = rng.choice([0, 1, [0], [1], [0, 1], [5], []])
        if rng.random() < 0.5:
            kw["layers_pattern"] = rng.choice(["layers", "h", ["layers"], ["h", "layers", "layer"], "blocks", []])
    if rng.random() < 0.5:
        kw["rank_pattern"] = {k: rng.randint(1, 64) for k in some(PATTERNS, rng.randint(1, 4))}
    if rng.random() < 0.5:
        kw["alpha_pattern"] = {k: rng.choice([1, 3, 16, 2.5, 0.1]) for k in some(PATTERNS, rng.randint(1, 4))}
    if rng.random() < 0.2:
        kw["trainable_token_indices"] = rng.choice([[1, 2, 3], {"embed_tokens": [4, 5], "x": []}])
    return kw


def check_matching(config, modules, got):
    from peft.tuners.tuners_utils import check_target_module_exists
    from peft.utils.other import get_pattern_key

    for _, name in modules:
        found = check_target_module_exists(config, name)
        adapts = bool(found) and type(found).__name__ != "_ExcludedModule"
        ours = got[name]
        assert ours["adapts"] == adapts, (name, ours, config)
        assert ours["saves"] == any(name.endswith(m) for m in config.modules_to_save or []), (name, config)
        if adapts:
            rank = config.rank_pattern.get(get_pattern_key(config.rank_pattern.keys(), name), config.r)
            alpha = config.alpha_pattern.get(get_pattern_key(config.alpha_pattern.keys(), name), config.lora_alpha)
            scale = alpha / math.sqrt(rank) if config.use_rslora else alpha / rank
            assert (ours["rank"], ours["alpha"]) == (rank, alpha) and math.isclose(ours["scale"], scale), (name, ours)


def check_rewriting(folder, scratch):
    """What lathe writes says the same, in Python's very characters, and PEFT loads it without a warning."""
    from peft import PeftConfig

    again = scratch + "/again"
    os.makedirs(again, exist_ok=True)
    assert probe("rewrite", folder, again) == {}
    saved, text = json.load(open(folder + "/adapter_config.json")), open(again + "/adapter_config.json").read()
    back = json.loads(text)
    assert text == json.dumps(back, indent=2, sort_keys=True)
    for key, value in back.items():
        assert value == saved[key] or value == [saved[key]], (key, value, saved[key])
    for key in set(saved) - set(back):
        assert saved[key] in (None, False, [], {}) or key in ("peft_version", "qalora_group_size"), key
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PeftConfig.from_pretrained(again)


def check_adapters(models, count, rng, scratch):
    from peft import LoraConfig, PeftConfig
    from peft.tuners.tuners_utils import _maybe_include_all_linear_layers

    built = []
    for folder in models:
        c = AutoConfig.from_pretrained(folder)
        classifier = "SequenceClassification" in c.architectures[0]
        with torch.device("meta"):
            built.append((AutoModelForSequenceClassification if classifier else AutoModelForCausalLM).from_config(c))
    decisions = 0
    for _ in range(count):
        model = rng.choice(built)
        modules = list(leaf_modules(model))
        try:
            made = LoraConfig(**random_lora(rng, [n for _, n in modules]))
        except ValueError:  # contradictory options
            continue
        if made.task_type == "SEQ_CLS":  # only then PEFT spares a classifier's head
            modules = [("H" if n in ("score", "classifier") else k, n) for k, n in modules]
        made.save_pretrained(scratch + "/adapter")
        config = _maybe_include_all_linear_layers(PeftConfig.from_pretrained(scratch + "/adapter"), model)
        got = probe("match", scratch + "/adapter", text="\n".join(f"{k} {n}" for k, n in modules))
        assert "error" not in got, (got, made)
        check_matching(config, modules, got)
        check_rewriting(scratch + "/adapter", scratch)
        decisions += len(modules)
    print(f"adapters: {count} random configurations, {decisions} decisions about modules as PEFT makes them")
    return True


# ---- lathe init ----


def check_init(paths, scratch):
    for path in paths:
        out = tempfile.mkdtemp(dir=scratch) + "/model"
        result = probe("init", path, out, "1")
        assert "error" not in result, result
        config = AutoConfig.from_pretrained(out)
        model, info = AutoModelForCausalLM.from_pretrained(out, dtype="auto", output_loading_info=True)
        assert not info["missing_keys"] and not info["unexpected_keys"], info
        assert result["parameters"] == model.num_parameters()
        ours, worst, count = dict(model.named_parameters()), 0.0, 0
        for name, want in AutoModelForCausalLM.from_config(config).named_parameters():
            got, want = ours[name].float(), want.float()
            if want.std() == 0:
                assert torch.equal(got, want), name
                continue
            error = want.std() / want.numel() ** 0.5
            worst = max(worst, (abs(got.mean()) / error).item(), (abs(got.std() - want.std()) / error).item())
            pad = config.pad_token_id
            if "embed" in name and pad is not None:
                assert bool((got[pad] == 0).all()) == bool((want[pad] == 0).all()), name
            count += 1
        print(f"init: {path}: {count} matrices, means and deviations at most {worst:.1f} standard errors away")
        assert worst < 5
        shutil.rmtree(out)
    return True


def main():
    global ARGS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["configs", "random-configs", "tensors", "adapters", "init"])
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--models", nargs="*", default=[])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tool", default="build/formats_probe")
    ARGS = parser.parse_args()
    rng = random.Random(ARGS.seed)
    with tempfile.TemporaryDirectory() as scratch:
        if ARGS.what == "configs":
            ok = check_configs(ARGS.paths, scratch)
        elif ARGS.what == "random-configs":
            ok = check_configs(list(make_random_configs(rng, ARGS.count, scratch)), scratch)
        elif ARGS.what == "tensors":
            ok = check_tensors(ARGS.paths, scratch)
        elif ARGS.what == "adapters":
            ok = check_adapters(ARGS.models, ARGS.count, rng, scratch)
        else:
            ok = check_init(ARGS.paths, scratch)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
