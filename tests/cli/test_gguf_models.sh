# Model families in GGUF: written by merge, read in place, and turned back into a folder, they compute what they did

cat >"$work/dev.jsonl" <<'ROWS'
{"input_ids": [3, 17, 44, 9, 60, 22, 31, 8, 2, 55, 41, 12, 33, 47, 5, 16, 27, 38, 49, 61, 7, 18], "labels": [-100, 17, 44, 9, 60, 22, 31, 8, 2, 55, 41, 12, 33, 47, 5, 16, 27, 38, 49, 61, 7, 18]}
{"input_ids": [40, 41, 42, 43, 44, 1, 62], "labels": [-100, -100, 42, 43, 44, 1, 62]}
ROWS
loss() { run eval --threads 1 --compute fp32 --data "$work/dev.jsonl" --json "$@"; "$helper" json "$work/out" loss | cut -c1-7; }

sizes='"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 64, "max_position_embeddings": 64, "initializer_range": 0.3'

# family, its fields, the type that its GGUF is written with
round_trip() {
    mkdir -p "$work/$1-config"
    echo "{\"model_type\": \"$1\", $sizes, $2}" >"$work/$1-config/config.json"
    run init --config "$work/$1-config" --output "$work/$1" --seed 3
    expect_status 0
    was=$(loss --model "$work/$1")
    [ -n "$was" ] || problem "no loss"
    run merge --model "$work/$1" --format gguf --dtype fp32 --output "$work/$1.gguf"
    expect_status 0
    [ "$(loss --model "$work/$1.gguf")" = "$was" ] || problem "the GGUF computes something else"
    run merge --model "$work/$1.gguf" --output "$work/$1-back"
    expect_status 0
    [ "$(loss --model "$work/$1-back")" = "$was" ] || problem "the folder made of the GGUF computes something else"
    run merge --model "$work/$1" --format gguf --dtype q8_0 --output "$work/$1-q8.gguf"
    expect_status 0
    near=$(loss --model "$work/$1-q8.gguf")
    [ "$(echo "$near" | cut -c1-3)" = "$(echo "$was" | cut -c1-3)" ] || problem "with Q8_0 the loss is $near, it was $was"
}

it "Mixtral has all experts of a layer in one tensor"
round_trip mixtral '"intermediate_size": 96, "num_local_experts": 4, "num_experts_per_tok": 2'

it "Qwen2-MoE has a shared expert beside them"
round_trip qwen2_moe '"intermediate_size": 64, "num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 96, "tie_word_embeddings": false'

it "Qwen3-MoE divides the weights of a token's experts by their sum"
round_trip qwen3_moe '"intermediate_size": 64, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "head_dim": 32, "norm_topk_prob": true'

it "a mixture that GGUF's readers would route otherwise is refused"
mkdir -p "$work/other-config"
echo "{\"model_type\": \"qwen2_moe\", $sizes, \"intermediate_size\": 64, \"num_experts\": 4, \"num_experts_per_tok\": 2, \"moe_intermediate_size\": 32, \"shared_expert_intermediate_size\": 32, \"norm_topk_prob\": true}" >"$work/other-config/config.json"
run init --config "$work/other-config" --output "$work/other" --seed 3
run merge --model "$work/other" --format gguf --output "$work/other.gguf"
expect_failure "routing to experts"
expect_no_file "$work/other.gguf"

it "Phi-3's factors for short and long texts, on a part of each head"
round_trip phi3 '"intermediate_size": 96, "partial_rotary_factor": 0.5, "original_max_position_embeddings": 16, "rope_scaling": {"type": "longrope", "short_factor": [1, 1.5, 2, 3], "long_factor": [2, 3, 4, 5]}'

it "SmolLM3 leaves every fourth layer without a rope"
sizes=$(echo "$sizes" | sed 's/"num_hidden_layers": 2/"num_hidden_layers": 4/')
round_trip smollm3 '"intermediate_size": 96'

it "SmolLM3 with another choice of layers is refused"
mkdir -p "$work/odd-config"
echo "{\"model_type\": \"smollm3\", $sizes, \"intermediate_size\": 96, \"no_rope_layers\": [1, 0, 1, 1]}" >"$work/odd-config/config.json"
run init --config "$work/odd-config" --output "$work/odd" --seed 3
run merge --model "$work/odd" --format gguf --output "$work/odd.gguf"
expect_failure "layers' windows or positions"

it "inspect tells experts, classifiers and encoders from other models"
run inspect "$work/mixtral.gguf"
expect_out "4 of width 96, 2 for each token" "ffn_gate_exps"
run inspect "$work/qwen2_moe"
expect_out "6 of width 32, 2 for each token; a shared one of width 96" "experts.*.down_proj.weight"
run inspect "$work/qwen2_moe" --json
expect_json experts 6
expect_json head own
