# lathe rounds: commands over rounds

. tests/cli/tiny.sh
for i in 1 2 3 4 5 6 7 8; do
    echo "{\"prompt\": \"The boats $i\", \"answer\": \"$i\"}" >>"$work/prompts.jsonl"
    echo "{\"prompt\": \"one $i \", \"completion\": \"two\"}" >>"$work/human.jsonl"
done
cat >"$work/recipe.yaml" <<RECIPE
model: $tiny
rounds: 2
seed: 3
steps:
  - sample: {data: $work/prompts.jsonl, scorer: command, reward_command: "awk '{ print gsub(/e/, \"e\") / 4 }'", num_generations: 4, max_new_tokens: 8, keep_truncated: true}
  - reward: {data: ["\${sample}/preferences.jsonl"], max_steps: 1, batch_size: 2, lora_r: 2, adapter: null}
  - mix: {data: [$work/human.jsonl, "\${sample}/sft.jsonl"], shares: [0.25, 0.75]}
  - sft: {data: ["\${mix}/rows.jsonl"], max_steps: 2, batch_size: 4, lora_r: 4, name: tuned, adapter: null}
  - dpo: {data: ["\${sample}/preferences.jsonl"], max_steps: 1, batch_size: 2, ref_adapter: "\${tuned}"}
  - average: {adapters: ["\${tuned}", "\${dpo}"], weights: [1, 3]}
  - rl: {rounds: [2], data: $work/prompts.jsonl, scorer: reward, reward_model: "\${reward}", num_generations: 2, batch_size: 8, max_steps: 1, max_new_tokens: 4}
evaluate: {data: $work/prompts.jsonl, scorer: number, num_generations: 2, max_new_tokens: 4, keep_truncated: true}
RECIPE

it "runs every step of every round and says what each gained"
run rounds "$work/recipe.yaml" --output "$work/run"
expect_status 0
expect_out "evaluate" "gained" "tuned" "average"
expect_file "$work/run/round-2/7-rl/adapter_model.safetensors"
expect_no_file "$work/run/round-1/7-rl"
expect_file "$work/run/round-1/4-tuned.yaml"
[ "$(wc -l <"$work/run/round-1/3-mix/rows.jsonl")" = 10 ] || problem "rows of the mix: $(wc -l <"$work/run/round-1/3-mix/rows.jsonl")"
[ "$(grep -c '"two"' "$work/run/round-1/3-mix/rows.jsonl")" = 3 ] || [ "$(grep -c '"two"' "$work/run/round-1/3-mix/rows.jsonl")" = 2 ] || problem "a quarter should be human"

it "goes on at the step where it was stopped, to the same bytes"
sed 's/rounds: 2$/rounds: 1/' "$work/recipe.yaml" >"$work/one.yaml"
run rounds "$work/one.yaml" --output "$work/again"
expect_status 0
run rounds "$work/recipe.yaml" --output "$work/again" --resume --json
expect_status 0
expect_json steps.0.round 0
expect_same "$work/run/round-2/7-rl/adapter_model.safetensors" "$work/again/round-2/7-rl/adapter_model.safetensors"

it "names what is wrong with a recipe before anything runs"
run rounds "$work/recipe.yaml" --output "$work/run"
expect_usage_error "holds rounds already"
sed 's/shares/share/' "$work/recipe.yaml" >"$work/bad.yaml"
run rounds "$work/bad.yaml" --output "$work/bad"
expect_usage_error "mix has no option 'share'"
sed 's/- dpo/- dpoo/' "$work/recipe.yaml" >"$work/bad.yaml"
run rounds "$work/bad.yaml" --output "$work/bad2"
expect_usage_error "step 5"
sed 's/{tuned}"}/{nothing}"}/' "$work/recipe.yaml" >"$work/bad.yaml"
run rounds "$work/bad.yaml" --output "$work/bad3"
expect_status 2
expect_err "no step of that name"
