# lathe sft, pretrain and plan

. tests/cli/tiny.sh

sft() { run sft --model "$tiny" --data "$work/train.jsonl" --threads 2 "$@"; }

it "trains an adapter and leaves the files of a run"
sft --eval-data "$work/dev.jsonl" --output "$work/run" --max-steps 12 --batch-size 4 --logging-steps 1 --learning-rate 5e-3
expect_status 0
for file in adapter_model.safetensors adapter_config.json recipe.yaml metrics.jsonl trainer_state.json summary.json; do
    expect_file "$work/run/$file"
done
expect_out "done" "12 steps" "when first logged" "eval loss" "peak" "planned" "$work/run"
expect_err "step 12/12"
expect_no_err "$(printf '\r')"
expect_no_out "$(printf '\033[')"

it "learns: the loss at the end is below the loss at the start"
cp "$work/run/summary.json" "$work/out"
first=$("$helper" json "$work/out" loss_first) last=$("$helper" json "$work/out" loss_last)
awk "BEGIN { exit !($last < $first) }" || problem "loss went from $first to $last"

it "says with --json what summary.json says"
sft --output "$work/json" --max-steps 2 --json
expect_status 0
expect_json command sft
expect_json steps 2
cp "$work/out" "$work/printed"
for key in steps tokens trained_tokens loss_first loss_last peak_rss_bytes; do
    [ "$("$helper" json "$work/printed" $key)" = "$("$helper" json "$work/json/summary.json" $key)" ] || problem "$key differs"
done

it "repeats a run from its recipe, to the same bytes"
run sft --config "$work/run/recipe.yaml" --output "$work/again"
expect_status 0
expect_same "$work/run/adapter_model.safetensors" "$work/again/adapter_model.safetensors"

it "gives other weights with another seed"
run sft --config "$work/run/recipe.yaml" --output "$work/other" --seed 1
expect_status 0
! cmp -s "$work/run/adapter_model.safetensors" "$work/other/adapter_model.safetensors" || problem "the seed made no difference"

it "gives the same bytes for another number of threads"
run sft --config "$work/run/recipe.yaml" --output "$work/serial" --threads 1
expect_status 0
expect_same "$work/run/adapter_model.safetensors" "$work/serial/adapter_model.safetensors"

it "does not write over an earlier run"
cp "$work/run/adapter_model.safetensors" "$work/before"
sft --output "$work/run" --max-steps 1
expect_usage_error "$work/run" "--overwrite"
expect_same "$work/before" "$work/run/adapter_model.safetensors"

it "replaces an earlier run when asked to"
sft --output "$work/json" --max-steps 1 --overwrite
expect_status 0
[ "$("$helper" json "$work/json/summary.json" steps)" = 1 ] || problem "summary.json is still that of the earlier run"

it "saves a checkpoint at Ctrl-C and resumes to the bytes of an uninterrupted run"
long="--max-steps 300 --batch-size 4 --logging-steps 1 --save-strategy no"
sft --output "$work/whole" $long
expect_status 0
run_in "$helper" interrupt "/300" "$lathe" sft --model "$tiny" --data "$work/train.jsonl" --threads 2 --output "$work/part" $long
expect_status 130
expect_out "lathe sft --resume"
expect_no_out "error"
expect_no_file "$work/part/summary.json"
run sft --resume "$work/part"
expect_status 0
expect_same "$work/whole/adapter_model.safetensors" "$work/part/adapter_model.safetensors"

it "shows a bar on a terminal, within its width"
run_in "$helper" pty 60 "$lathe" sft --model "$tiny" --data "$work/train.jsonl" --output "$work/bar" --max-steps 30
expect_status 0
expect_out "training" "30/30" "loss"
tr '\r' '\n' <"$work/out" | sed 's/\x1b\[[0-9;]*[mK]//g' | grep '^training' | awk '{ gsub(/[^ -~]/, "", $0) } length > 60 { exit 1 }' ||
    problem "a bar is wider than the terminal"

it "draws the bar in ASCII where the locale is not UTF-8"
run_in env LC_ALL=C "$helper" pty 60 "$lathe" sft --model "$tiny" --data "$work/train.jsonl" --output "$work/ascii" --max-steps 30
expect_status 0
! LC_ALL=C grep -q '[^ -~[:cntrl:]]' "$work/out" || problem "the output has characters beyond ASCII"

it "survives that nobody reads its messages"
{ "$lathe" sft --model "$tiny" --data "$work/train.jsonl" --output "$work/deaf" --max-steps 3 2>&1 >"$work/out"; echo $? >"$work/status"; } | true
[ "$(cat "$work/status")" = 0 ] || problem "exit status $(cat "$work/status")"
expect_file "$work/deaf/adapter_model.safetensors"

it "trains all parameters with --method full"
sft --output "$work/full" --max-steps 2 --method full
expect_status 0
expect_file "$work/full/model.safetensors"
expect_out "lathe generate --model $work/full"

it "trains a DoRA adapter"
sft --output "$work/dora" --max-steps 2 --method dora
expect_status 0
run inspect "$work/dora" --json
expect_json config.use_dora true
expect_json recipe.method dora
sft --output "$work/x" --method dora --adapter "$work/run"
expect_usage_error "--method has no effect here"

it "pre-trains on plain text"
printf 'The keeper and her daughter keep the light burning at night.\n%.0s' 1 2 3 4 5 6 7 8 9 >"$work/text.txt"
run pretrain --model "$tiny" --data "$work/text.txt" --output "$work/pre" --max-steps 3 --max-length 32 --batch-size 2
expect_status 0
expect_file "$work/pre/model.safetensors"

it "refuses options that would have no effect"
sft --output "$work/x" --method full --lora-r 4
expect_usage_error "--lora-r has no effect here"
sft --output "$work/x" --eval-strategy steps
expect_usage_error "--eval-strategy has no effect here" "--eval-data"
sft --output "$work/x" --num-cycles 2
expect_usage_error "--num-cycles has no effect here"
expect_no_file "$work/x"

it "asks for the options it cannot do without"
run sft --model "$tiny" --output "$work/x"
expect_usage_error "sft needs --data FILE"
run sft --model "$tiny" --data "$work/train.jsonl"
expect_usage_error "sft needs --output DIR"

it "names data that is not there, and leaves no folder behind"
run sft --model "$tiny" --data "$work/none.jsonl" --output "$work/x"
expect_failure "none.jsonl" "No such file"
expect_no_file "$work/x"

it "names file and line of a broken row"
printf '{"text": "fine"}\n{"text": \n' >"$work/bad.jsonl"
run sft --model "$tiny" --data "$work/bad.jsonl" --output "$work/x"
expect_failure "bad.jsonl:2"
expect_no_file "$work/x"

it "refuses rows that train nothing"
printf '{"messages": [{"role": "user", "content": "hello"}]}\n' >"$work/silent.jsonl"
run sft --model "$tiny" --data "$work/silent.jsonl" --output "$work/x"
[ "$status" = 1 ] || [ "$status" = 2 ] || problem "exit status $status"
expect_err "lathe: error: "
expect_no_file "$work/x"

it "names an output that cannot be written"
: >"$work/plain"
run sft --model "$tiny" --data "$work/train.jsonl" --output "$work/plain/run" --max-steps 1
expect_status 1
expect_err "$work/plain"

it "suggests the schedule or module names that there are"
sft --output "$work/x" --max-steps 1 --lr-scheduler-type cosin
expect_status 2
expect_err "cosine"
sft --output "$work/x" --max-steps 1 --target-modules q_projection
[ "$status" != 0 ] || problem "a module that is not there was accepted"
expect_err "q_proj"
expect_no_file "$work/x"

it "takes names of the data's own keys"
printf '{"question": "How many boats?", "answer": "Seven boats."}\n' >"$work/qa.jsonl"
run sft --model "$tiny" --data "$work/qa.jsonl" --prompt-field question --completion-field answer --output "$work/qa" --max-steps 1
expect_status 0

it "plans without writing anything"
run plan sft --model "$tiny" --data "$work/train.jsonl" --json
expect_status 0
expect_json mode
peak=$("$helper" json "$work/out" peak_bytes) || problem "no peak_bytes"
[ "$peak" -gt 1000000 ] || problem "peak_bytes is $peak"
expect_json bytes.activations
expect_json seconds_per_step
expect_json bytes_read_per_step

it "plans for people, with sft when no command is named"
run plan --model "$tiny" --data "$work/train.jsonl"
expect_status 0
expect_out "peak" "activations" "read from disk"

it "plans the run of a recipe"
run plan --config "$work/pre/recipe.yaml" --json
expect_status 0
expect_json peak_bytes

it "refuses a limit that nothing fits in, and names the least that would do"
sft --output "$work/x" --max-memory 1M
expect_failure
expect_no_file "$work/x"

it "writes the first step's gradients"
sft --output "$work/grads" --max-steps 1 --save-gradients "$work/g.safetensors"
expect_status 0
run inspect "$work/g.safetensors" --json
expect_json kind file
[ "$("$helper" json "$work/out" tensors.0.dtype)" = F32 ] || problem "gradients are not F32"

it "inspects a run"
run inspect "$work/run"
expect_status 0
expect_out "run" "LoRA" "12, loss" "rank"
run inspect "$work/run" --json
expect_json kind run
expect_json summary.steps 12
expect_json recipe.command sft
