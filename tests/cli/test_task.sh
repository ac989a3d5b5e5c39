# Questions with known answers: eval --task and generate --task.

. tests/cli/tiny.sh
cat >"$work/quiz.jsonl" <<'ROWS'
{"question": "How many boats?", "answer": "Two and five. #### 7"}
{"question": "How many lamps?", "answer": "#### 3"}
{"question": "How many keepers?", "answer": "#### 1"}
ROWS
cat >"$work/labels.jsonl" <<'ROWS'
{"text": "what a lovely day", "label": "positive"}
{"text": "it rained on us", "label": "negative"}
ROWS
ask() { run eval --model "$tiny" --max-new-tokens 8 --json "$@"; }

it "eval --task number: accuracy with its interval"
ask --data "$work/quiz.jsonl" --task number --fewshot-data "$work/quiz.jsonl" --num-fewshot 2 --per-example
expect_status 0
expect_json task number
expect_json examples 3
expect_json fewshot 2
expect_json per_example.0.expected 7
[ "$("$helper" json "$work/out" accuracy_high | cut -c1)" != "" ] || problem "no interval"

it "eval --task label, with examples"
ask --data "$work/labels.jsonl" --task label --fewshot-data "$work/labels.jsonl" --num-fewshot 2
expect_status 0
expect_json examples 2

it "--self-consistency: several answers to each question, the same for the same seed"
ask --data "$work/quiz.jsonl" --task regex --answer-pattern '(\w+)' --self-consistency 5 --chain-of-thought --max-examples 2 --per-example
expect_status 0
expect_json samples 5
expect_json examples 2
expect_json chain_of_thought true
sed 's/"seconds.*//' "$work/out" >"$work/first"
ask --data "$work/quiz.jsonl" --task regex --answer-pattern '(\w+)' --self-consistency 5 --chain-of-thought --max-examples 2 --per-example
sed 's/"seconds.*//' "$work/out" >"$work/second"
expect_same "$work/first" "$work/second"

it "generate --task: one question by majority"
run generate --model "$tiny" --prompt "How many boats?" --task exact --self-consistency 3 --max-new-tokens 4 --json
expect_status 0
expect_json samples.2.text "$("$helper" json "$work/out" samples.2.text)"
run generate --model "$tiny" --prompt "How many boats?" --task number --fewshot-data "$work/quiz.jsonl" --num-fewshot 3 --max-new-tokens 4
expect_status 0

it "says what is missing or without effect"
ask --data "$work/quiz.jsonl" --task regex
expect_status 2
expect_err answer-pattern
ask --data "$work/quiz.jsonl" --chain-of-thought
expect_status 2
expect_err "there is no --task"
ask --data "$work/quiz.jsonl" --task number --fewshot-data "$work/quiz.jsonl" --num-fewshot 9
expect_status 2
ask --data "$work/train.jsonl" --task number
[ "$status" != 0 ] || problem "rows without answers were taken"
