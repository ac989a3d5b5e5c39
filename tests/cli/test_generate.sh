# lathe generate, chat and eval

. tests/cli/tiny.sh
generate() { run generate --model "$tiny" --threads 1 --max-new-tokens 6 --ignore-eos "$@"; }
printf '[{"role": "user", "content": "How many boats?"}]' >"$work/question.json"

it "continues token ids, greedily to the same tokens each time"
generate --prompt-ids 281,315 --greedy --json
expect_status 0
expect_json prompt_ids.1 315
expect_json stop_reason length
expect_json output_ids.5
expect_json tokens_per_second
first=$("$helper" json "$work/out" output_ids)
generate --prompt-ids 281 315 --greedy --json
expect_json output_ids "$first"

it "continues a text"
generate --prompt "The boats" --greedy --json
expect_status 0
expect_json prompt_ids "[281, 315]"
expect_json output_ids "$first"

it "writes the text alone when it is not asked for JSON"
generate --prompt "The boats" --greedy
expect_status 0
expect_no_err
[ -s "$work/out" ] || problem "nothing was written"

it "answers a conversation"
generate --messages "$work/question.json" --json
expect_status 0
expect_json text

it "draws the same answer from the same seed"
generate --prompt "The boats" --temperature 1 --seed 5 --json
first=$("$helper" json "$work/out" output_ids)
generate --prompt "The boats" --temperature 1 --seed 5 --json
expect_json output_ids "$first"

it "applies an adapter"
run sft --model "$tiny" --data "$work/train.jsonl" --output "$work/adapter" --max-steps 20 --learning-rate 1e-2 --threads 1
expect_status 0
expect_out "lathe generate --model $tiny --adapter $work/adapter"
run eval --model "$tiny" --data "$work/train.jsonl" --json
expect_status 0
before=$("$helper" json "$work/out" loss)
run eval --model "$tiny" --adapter "$work/adapter" --data "$work/train.jsonl" --json
after=$("$helper" json "$work/out" loss)
awk "BEGIN { exit !($after < $before) }" || problem "loss went from $before to $after"
generate --adapter "$work/adapter" --prompt "The boats" --greedy --json
expect_status 0

it "wants one prompt"
generate
expect_status 2
generate --prompt a --prompt-ids 1
expect_status 2

it "names an id that the model does not have"
generate --prompt-ids 281,100000
[ "$status" != 0 ] || problem "it was accepted"
expect_err "lathe: error: " "100000"

it "names an adapter that is not there, or of another model"
generate --prompt a --adapter "$work/none"
expect_failure "$work/none"
sed 's/"hidden_size": 64/"hidden_size": 32/' tests/data/tiny/config.json >"$work/narrow.json"
run init --config "$work/narrow.json" --output "$work/narrow"
run generate --model "$work/narrow" --adapter "$work/adapter" --prompt-ids 1
expect_status 1
expect_err "lathe: error: "

it "gives the loss of every row, and their mean over tokens"
run eval --model "$tiny" --data "$work/dev.jsonl" --json --per-example --compute fp32
expect_status 0
expect_json examples 2
expect_json per_example.1.tokens
expect_json perplexity
a=$("$helper" json "$work/out" per_example.0.sum_logprob) b=$("$helper" json "$work/out" per_example.1.sum_logprob)
awk "BEGIN { d = ($a + $b) / $("$helper" json "$work/out" tokens) + $("$helper" json "$work/out" loss); exit !(d < 1e-5 && d > -1e-5) }" ||
    problem "the loss is not the mean"

it "shows the loss to people"
run eval --model "$tiny" --data "$work/dev.jsonl"
expect_status 0
expect_out "loss" "perplexity"

it "writes the logits of the first row"
run eval --model "$tiny" --data "$work/dev.jsonl" --json --save-logits "$work/logits.safetensors"
expect_status 0
run inspect "$work/logits.safetensors" --json
expect_json tensors.0.name logits
expect_json tensors.0.shape.1 360

it "chats on a terminal until the end of input"
printf 'How many boats?\n' >"$work/typed"
status=0
"$lathe" chat --model "$tiny" --max-new-tokens 4 --threads 1 <"$work/typed" >"$work/out" 2>"$work/err" || status=$?
expect_status 0
