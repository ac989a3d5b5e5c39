# lathe dpo, reward and classify, and lathe eval of what they train

. tests/cli/tiny.sh

cat >"$work/pairs.jsonl" <<'ROWS'
{"prompt": "one two three ", "chosen": "four five six", "rejected": "nine"}
{"prompt": [{"role": "user", "content": "Is the wind down?"}], "chosen": [{"role": "assistant", "content": "Not yet."}], "rejected": [{"role": "assistant", "content": "Boats."}]}
ROWS
cat >"$work/rated.jsonl" <<'ROWS'
{"prompt": "one two three ", "completion": "four five six", "label": true}
{"prompt": "a is for ", "completion": "boat", "label": false}
ROWS
cat >"$work/labelled.jsonl" <<'ROWS'
{"text": "The ferry leaves at nine.", "label": "ferry"}
{"text": "The keeper keeps the light.", "label": "light"}
{"text": "Seven boats and a ferry.", "label": "ferry"}
ROWS

short="--max-steps 4 --batch-size 2 --logging-steps 1 --learning-rate 5e-3 --threads 2"

it "trains on preferences, from the reference on"
run dpo --model "$tiny" --data "$work/pairs.jsonl" --output "$work/dpo" $short
expect_status 0
expect_file "$work/dpo/adapter_model.safetensors"
head -1 "$work/dpo/metrics.jsonl" >"$work/out"
expect_json rewards/margins 0.0
grep -q '"loss":0.693147' "$work/out" || problem "the first loss is not log 2: $(cat "$work/out")"

it "trains on single answers"
run dpo --model "$tiny" --data "$work/rated.jsonl" --loss-type kto --output "$work/kto" $short
expect_status 0
grep -q '"kl":' "$work/kto/metrics.jsonl" || problem "no kl in the metrics"
grep -q '"rewards/margins":' "$work/kto/metrics.jsonl" || problem "no margins in the metrics"

it "names the losses that there are"
run dpo --model "$tiny" --data "$work/pairs.jsonl" --loss-type best --output "$work/none"
expect_status 2
expect_err "sigmoid, hinge, ipo" "found 'best'"

it "refuses pairs that are all equal"
echo '{"prompt": "a is for ", "chosen": "apple", "rejected": "apple"}' >"$work/equal.jsonl"
run dpo --model "$tiny" --data "$work/equal.jsonl" --output "$work/none"
expect_err "the chosen answer is the rejected one"
expect_no_file "$work/none/adapter_model.safetensors"

it "trains a reward model that eval can use"
run reward --model "$tiny" --data "$work/pairs.jsonl" --output "$work/reward" $short
expect_status 0
run eval --model "$tiny" --adapter "$work/reward" --data "$work/pairs.jsonl" --json --per-example
expect_status 0
expect_json examples 2
expect_json objective reward

it "trains a classifier and writes its predictions"
run classify --model "$tiny" --data "$work/labelled.jsonl" --eval-data "$work/labelled.jsonl" --class-weights balanced \
    --predictions "$work/predictions.jsonl" --output "$work/classes" $short
expect_status 0
expect_file "$work/classes/labels.json"
expect_out "accuracy" "ferry" "light"
[ "$(wc -l <"$work/predictions.jsonl")" = 3 ] || problem "not a line for each row"

it "trains on several labels at once"
cat >"$work/sets.jsonl" <<'ROWS'
{"text": "The ferry leaves at nine.", "label": ["ferry", "time"]}
{"text": "The keeper keeps the light.", "label": ["light"]}
{"text": "Seven boats and a ferry.", "label": ["ferry"]}
ROWS
run classify --model "$tiny" --data "$work/sets.jsonl" --output "$work/sets" $short
expect_status 0
grep -q '"problem_type": *"multi_label_classification"' -r "$work/sets" || problem "the run does not say its problem type"
run eval --model "$tiny" --adapter "$work/sets" --data "$work/sets.jsonl" --json
expect_status 0

it "trains on numbers"
cat >"$work/numbers.jsonl" <<'ROWS'
{"text": "The ferry leaves at nine.", "label": 0.5}
{"text": "The keeper keeps the light.", "label": -1.25}
ROWS
run classify --model "$tiny" --data "$work/numbers.jsonl" --problem-type regression --output "$work/numbers" $short
expect_status 0
grep -q '"problem_type": *"regression"' -r "$work/numbers" || problem "the run does not say its problem type"

it "refuses a data set of one class"
head -1 "$work/labelled.jsonl" >"$work/one.jsonl"
run classify --model "$tiny" --data "$work/one.jsonl" --output "$work/none"
expect_status 2
expect_err "a classifier needs two classes"

it "says which numbers a loss does not use, and that kto takes two answers"
run dpo --model "$tiny" --data "$work/pairs.jsonl" --simpo-gamma 1 --output "$work/none"
expect_status 2
expect_err "--simpo-gamma has no effect here: this --loss-type does not use it"
run dpo --model "$tiny" --data "$work/rated.jsonl" --loss-type kto --batch-size 1 --output "$work/none"
expect_status 2
expect_err "batch_size: kto compares answers"

it "trains a head beside virtual tokens, and goes on with both"
for m in prompt-tuning p-tuning prefix-tuning; do
    run classify --model "$tiny" --data "$work/labelled.jsonl" --eval-data "$work/labelled.jsonl" --method $m --num-virtual-tokens 3 \
        --output "$work/$m" $short --json
    expect_status 0
    loss=$("$helper" json "$work/out" eval_loss)
    run eval --model "$tiny" --adapter "$work/$m" --data "$work/labelled.jsonl" --json
    expect_status 0
    again=$("$helper" json "$work/out" loss)
    awk -v a="$loss" -v b="$again" 'BEGIN { d = a - b; exit !(d * d < 1e-8) }' || problem "$m: loss $loss became $again"
    run classify --model "$tiny" --data "$work/labelled.jsonl" --adapter "$work/$m" --output "$work/on" --overwrite $short
    expect_status 0
done

it "takes two texts as one row"
cat >"$work/two.jsonl" <<'ROWS'
{"text": "The ferry leaves", "text_pair": "at nine.", "label": "yes"}
{"text": "The keeper keeps", "text_pair": "the ferry.", "label": "no"}
ROWS
run classify --model "$tiny" --data "$work/two.jsonl" --output "$work/two" $short
expect_status 0
first=$(head -1 "$work/two.jsonl")
echo "${first%%, \"text_pair\"*}, \"text_pair\": 3, \"label\": \"yes\"}" >"$work/broken.jsonl"
run eval --model "$tiny" --adapter "$work/two" --data "$work/broken.jsonl"
expect_status 1
expect_err "broken.jsonl:1: field 'text_pair': expected a string"
