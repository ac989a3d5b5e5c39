# lathe sample: rejection sampling

. tests/cli/tiny.sh
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    echo "{\"prompt\": \"The boats $i\", \"answer\": \"#### $i\"}"
done >"$work/prompts.jsonl"
sample() {
    run sample --model "$tiny" --threads 1 --data "$work/prompts.jsonl" --num-generations 4 --max-new-tokens 8 --keep-truncated "$@"
}
# A score for every line that depends on the answer alone.
judge="awk '{ print length(\$0) % 5 }'"

it "writes rows for sft and for dpo, and every sample with its score"
rm -rf "$work/a"
sample --scorer command --reward-command "$judge" --output "$work/a" --json
expect_status 0
expect_json prompts 12
expect_json samples 48
expect_json sft_rows 12
for f in sft.jsonl preferences.jsonl samples.jsonl summary.json recipe.yaml; do expect_file "$work/a/$f"; done
[ "$(wc -l <"$work/a/samples.jsonl")" = 48 ] || problem "samples.jsonl has not 48 rows"
grep -q '"chosen".*"score_chosen"' "$work/a/preferences.jsonl" || problem "no preference row"

it "gives the same rows whatever the batch and the number of threads"
rm -rf "$work/b"
sample --scorer command --reward-command "$judge" --output "$work/b" --decode-batch 3 --threads 2
expect_status 0
for f in sft preferences samples; do expect_same "$work/a/$f.jsonl" "$work/b/$f.jsonl"; done

it "goes on where it was stopped, to the same rows"
rm -rf "$work/c"
sample --scorer command --reward-command "$judge" --output "$work/c" --max-prompts 8
expect_status 0
printf '{"torn' >>"$work/c/samples.jsonl" # as a process leaves it that is killed while it writes
sample --scorer command --reward-command "$judge" --output "$work/c" --resume
expect_status 0
for f in sft preferences samples; do expect_same "$work/a/$f.jsonl" "$work/c/$f.jsonl"; done

it "refuses to go on with other options, and to write over what is there"
sample --scorer command --reward-command "$judge" --output "$work/c" --resume --temperature 0.5
expect_usage_error "temperature is another"
sample --scorer command --reward-command "$judge" --output "$work/c"
expect_usage_error "holds samples already" "--resume"

it "keeps what reaches the threshold"
rm -rf "$work/d"
sample --scorer command --reward-command "$judge" --threshold 3 --output "$work/d" --json
expect_status 0
! grep -vq '"score":[34]' "$work/d/sft.jsonl" || problem "a row below the threshold"

it "trains on what it wrote"
rm -rf "$work/run"
run sft --model "$tiny" --data "$work/a/sft.jsonl" --output "$work/run" --max-steps 1 --batch-size 2 --lora-r 2
expect_status 0

it "lets a committee answer"
rm -rf "$work/e"
sample --adapter "$work/run" --committee "$work/run" --scorer number --output "$work/e" --json
expect_status 0
expect_json samples 96

it "asks a reward model"
echo '{"prompt": "The boats ", "chosen": "are here", "rejected": "no no"}' >"$work/pairs.jsonl"
run reward --model "$tiny" --data "$work/pairs.jsonl" --output "$work/reward" --max-steps 1 --batch-size 1 --lora-r 2
expect_status 0
sample --scorer reward --reward-model "$work/reward" --output "$work/r" --json
expect_status 0
expect_json sft_rows 12
expect_json preference_rows 12
sample --scorer reward --reward-model "$work/run" --output "$work/r2"
expect_usage_error "scorer reward"

it "loses nothing when the reward command fails, and says how"
rm -rf "$work/f"
sample --scorer command --reward-command "sh -c 'echo broken >&2; exit 4'" --output "$work/f"
expect_failure "scorer command" "exit status 4" "broken"
sample --scorer command --reward-command "sleep 20" --reward-timeout 0.3 --output "$work/f" --resume
expect_usage_error "reward_command is another"
sample --scorer command --reward-command "sleep 20" --reward-timeout 0.3 --output "$work/f" --overwrite
expect_failure "not done after 0.3 seconds"

it "says what is missing"
sample --scorer regex --output "$work/g"
expect_usage_error "scorer_pattern"
sample --scorer nonsense --output "$work/g"
expect_usage_error "there is no scorer 'nonsense'"
sample --scorer number --scorer-pattern x --output "$work/g"
expect_usage_error "only the scorer regex uses it"
sample --scorer number --reward-weights 1,2 --output "$work/g"
expect_usage_error "expected 1 numbers"
sample --scorer number --temperature 0 --output "$work/g"
expect_usage_error "greedy answers are the same"
echo '{"prompt": "no answer"}' >"$work/bare.jsonl"
run sample --model "$tiny" --data "$work/bare.jsonl" --scorer number --output "$work/h"
expect_failure "bare.jsonl:1" "has none under 'answer'"
sample --scorer number --max-memory 2M --output "$work/h"
expect_failure "takes at least"
