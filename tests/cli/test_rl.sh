# lathe rl: reinforcement learning

. tests/cli/tiny.sh
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    echo "{\"prompt\": \"The boats $i\", \"answer\": \"$i\"}"
done >"$work/prompts.jsonl"
judge="awk '{ print gsub(/e/, \"e\") / 4 }'"
rl() {
    run rl --model "$tiny" --data "$work/prompts.jsonl" --num-generations 4 --batch-size 16 --max-new-tokens 8 --learning-rate 1e-3 \
        --lora-r 4 --compute fp32 --scorer command --reward-command "$judge" "$@"
}
has_metric() { for m; do grep -q "\"$m\":" "$dir/metrics.jsonl" || problem "no metric $m"; done; }

it "learns by GRPO, and writes TRL's metrics and an adapter"
dir="$work/grpo"
rl --output "$dir" --max-steps 4 --beta 0.04 --threads 1
expect_status 0
has_metric reward reward_std frac_reward_zero_std rewards/command/mean kl entropy clip_ratio/region_mean completions/mean_length loss grad_norm
for f in adapter_model.safetensors adapter_config.json recipe.yaml summary.json trainer_state.json checkpoint-4; do expect_file "$dir/$f"; done
run eval --model "$tiny" --adapter "$dir" --data "$work/dev.jsonl" --json
expect_status 0

it "gives the same bytes for any number of threads and any batch of decoding"
dir="$work/grpo2"
rl --output "$dir" --max-steps 4 --beta 0.04 --threads 2 --decode-batch 5
expect_status 0
expect_same "$work/grpo/adapter_model.safetensors" "$dir/adapter_model.safetensors"

it "goes on where it was stopped, to the same bytes"
dir="$work/grpo3"
rl --output "$dir" --max-steps 2 --beta 0.04
expect_status 0
rl --output "$dir" --max-steps 4 --beta 0.04 --resume
expect_status 0
expect_same "$work/grpo/adapter_model.safetensors" "$dir/adapter_model.safetensors"
rl --output "$dir" --max-steps 6 --beta 0.04 --resume --temperature 0.9
expect_usage_error "temperature is another"

it "learns by the other losses of GRPO"
for loss in grpo bnpo dr_grpo; do
    dir="$work/loss_$loss"
    rl --output "$dir" --max-steps 2 --loss-type $loss --num-iterations 2 --epsilon-high 0.28 --mask-truncated-completions --dynamic-sampling 1
    expect_status 0
done

it "learns by RLOO, clipped and by mirror descent"
for loss in clip mirror; do
    dir="$work/rloo_$loss"
    rl --output "$dir" --max-steps 2 --algorithm rloo --loss-type $loss --num-iterations 2
    expect_status 0
    has_metric kl policy/step_kl
done

it "learns by PPO, resumably, and keeps the value head beside the adapter"
dir="$work/ppo"
rl --output "$dir" --max-steps 8 --algorithm ppo --kl-target 3 --missing-eos-penalty 1
expect_status 0
has_metric objective/kl objective/scores objective/kl_coef loss/value_avg policy/approxkl_avg val/ratio
expect_file "$dir/value_head.safetensors"
dir="$work/ppo2"
rl --output "$dir" --max-steps 4 --algorithm ppo --kl-target 3 --missing-eos-penalty 1
rl --output "$dir" --max-steps 8 --algorithm ppo --kl-target 3 --missing-eos-penalty 1 --resume
expect_status 0
for f in adapter_model value_head; do expect_same "$work/ppo/$f.safetensors" "$dir/$f.safetensors"; done

it "trains all parameters, without a reference"
dir="$work/full"
full() {
    run rl --model "$tiny" --data "$work/prompts.jsonl" --num-generations 4 --batch-size 8 --max-new-tokens 8 --scorer command \
        --reward-command "$judge" --method full --max-steps 1 "$@"
}
full --output "$dir"
expect_status 0
expect_file "$dir/model.safetensors"
full --output "$work/none" --beta 0.1
expect_usage_error "full training has none"

it "saves what was learned when the reward command fails, and goes on from there"
dir="$work/failing"
cat >"$work/judge.sh" <<'JUDGE'
n=$(cat "$1" 2>/dev/null || echo 0)
echo $((n + 1)) >"$1"
[ "$n" != 2 ] || { echo "third call fails" >&2; exit 1; }
awk '{ print gsub(/e/, "e") / 4 }'
JUDGE
run rl --model "$tiny" --data "$work/prompts.jsonl" --num-generations 4 --batch-size 16 --max-new-tokens 8 --learning-rate 1e-3 --lora-r 4 \
    --compute fp32 --scorer command --beta 0.04 --max-steps 4 --output "$dir" --reward-command sh "$work/judge.sh" "$work/count"
expect_failure "third call fails"
expect_file "$dir/checkpoint-2"
run rl --resume "$dir"
expect_status 0
expect_same "$work/grpo/adapter_model.safetensors" "$dir/adapter_model.safetensors"

it "warns when all answers score the same, and goes on"
run rl --model "$tiny" --data "$work/prompts.jsonl" --num-generations 4 --batch-size 8 --max-new-tokens 4 --scorer number --output "$work/flat" --max-steps 2
expect_status 0
expect_err "all score the same"

it "says what makes no sense"
rl --output "$work/x" --num-generations 1
expect_usage_error "takes 2 or more"
rl --output "$work/x" --num-generations 3
expect_usage_error "no multiple of 3"
rl --output "$work/x" --loss-type nonsense
expect_usage_error "no loss 'nonsense'"
rl --output "$work/x" --gamma 0.9
expect_usage_error "only --algorithm ppo uses it"
rl --output "$work/x" --temperature 0
expect_usage_error "greedy"
rl --output "$work/grpo"
expect_usage_error
rl --output "$work/x" --max-memory 3M
expect_failure
expect_no_file "$work/x/adapter_model.safetensors"
