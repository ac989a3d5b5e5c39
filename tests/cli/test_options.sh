# Every training option acts: its effect shows in what the run leaves.

. tests/cli/tiny.sh
sft() { rm -rf "$work/o" && run sft --model "$tiny" --data "$work/train.jsonl" --threads 1 --output "$work/o" --logging-steps 1 --max-steps 2 "$@"; }
config() { [ "$("$helper" json "$work/o/adapter_config.json" "$1")" = "$2" ] || problem "$1 in adapter_config.json is not $2"; }
metric() { sed -n "$1p" "$work/o/metrics.jsonl" >"$work/row" && "$helper" json "$work/row" "$2"; } # line, key
expect_metric() { got=$(metric "$1" "$2") && [ "$got" = "$3" ] || problem "$2 in line $1 of metrics.jsonl is $got, expected $3"; }
tensors() { run inspect "$work/o/adapter_model.safetensors" --json && "$helper" json "$work/out" tensors >"$work/tensors"; }

it "--lora-r, --lora-alpha, --lora-dropout, --use-rslora: the adapter's configuration"
sft --lora-r 4 --lora-alpha 6 --lora-dropout 0.25 --use-rslora
expect_status 0
config r 4
config lora_alpha 6
config lora_dropout 0.25
config use_rslora true

it "--target-modules and --exclude-modules: names"
sft --target-modules q_proj,v_proj --exclude-modules model.layers.0.self_attn.v_proj
expect_status 0
tensors
[ "$(grep -o lora_A "$work/tensors" | wc -l)" = 3 ] || problem "expected three adapted layers"

it "--target-modules: a regular expression"
sft --target-modules '.*layers\.1\..*_proj'
expect_status 0
tensors
[ "$(grep -o lora_A "$work/tensors" | wc -l)" = 7 ] || problem "expected seven adapted layers"

it "--layers-to-transform"
sft --layers-to-transform 1
expect_status 0
tensors
grep -q 'layers\.1\.' "$work/tensors" || problem "layer 1 has no adapter"
! grep -q 'layers\.0\.' "$work/tensors" || problem "layer 0 has an adapter"

it "--modules-to-save"
sft --modules-to-save norm
expect_status 0
tensors
grep -q 'model\.norm\.weight' "$work/tensors" || problem "the norm is not in the adapter"

it "--trainable-token-indices"
sft --trainable-token-indices 3,5
expect_status 0
tensors
grep -q 'embed_tokens\.token_adapter\.trainable_tokens_delta' "$work/tensors" || problem "the rows are not in the adapter"
sft --trainable-token-indices 3,5,70,71,72,73,74,75,101,102 --learning-rate 1e-2
run eval --model "$tiny" --adapter "$work/o" --data "$work/dev.jsonl" --compute fp32 --json
expect_status 0
"$helper" json "$work/out" loss | cut -c 1-6 >"$work/applied"
run merge --model "$tiny" --adapter "$work/o" --output "$work/merged" --dtype fp32
expect_status 0
run eval --model "$work/merged" --data "$work/dev.jsonl" --compute fp32 --json
"$helper" json "$work/out" loss | cut -c 1-6 >"$work/merged_loss"
[ -s "$work/applied" ] && cmp -s "$work/applied" "$work/merged_loss" || problem "merged, the loss is another"
sft --trainable-token-indices 3,3
expect_status 2

it "--adapter: goes on from an adapter"
sft
cp -r "$work/o" "$work/first"
sft --adapter "$work/first" --learning-rate 0 --max-steps 1
expect_status 0
expect_same "$work/first/adapter_model.safetensors" "$work/o/adapter_model.safetensors"

it "--learning-rate, --lr-scheduler-type, --warmup-steps: the rate of each step"
sft --learning-rate 0.5 --lr-scheduler-type constant
expect_metric 1 learning_rate 0.5
sft --learning-rate 0.5 --lr-scheduler-type linear
expect_metric 2 learning_rate 0.25
sft --learning-rate 0.5 --lr-scheduler-type constant_with_warmup --warmup-steps 2
expect_metric 1 learning_rate 0.0
expect_metric 2 learning_rate 0.25
sft --learning-rate 0.5 --lr-scheduler-type constant_with_warmup --warmup-ratio 1
expect_metric 2 learning_rate 0.25

it "--min-lr-ratio, --num-decay-steps, --num-cycles, --power: their schedules"
sft --learning-rate 0.5 --lr-scheduler-type warmup_stable_decay --num-decay-steps 1 --min-lr-ratio 0.5
expect_status 0
expect_metric 1 learning_rate 0.5
a=$(sft --max-steps 4 --lr-scheduler-type cosine && metric 2 learning_rate) b=$(sft --max-steps 4 --lr-scheduler-type cosine --num-cycles 1.5 && metric 2 learning_rate)
[ "$a" != "$b" ] || problem "--num-cycles makes no difference"
a=$(sft --max-steps 4 --lr-scheduler-type polynomial && metric 3 learning_rate) b=$(sft --max-steps 4 --lr-scheduler-type polynomial --power 2 && metric 3 learning_rate)
[ "$a" != "$b" ] || problem "--power makes no difference"

it "--max-grad-norm, --weight-decay, --adam-beta1, --adam-beta2, --adam-epsilon, --seed, --lora-dropout, --no-shuffle: other weights"
sft --learning-rate 0.01 --batch-size 4
cp "$work/o/adapter_model.safetensors" "$work/plain"
for option in --max-grad-norm=0.01 --weight-decay=0.9 --adam-beta1=0.5 --adam-beta2=0.5 --adam-epsilon=0.1 --seed=3 --lora-dropout=0.5 --no-shuffle; do
    sft --learning-rate 0.01 --batch-size 4 $option
    ! cmp -s "$work/plain" "$work/o/adapter_model.safetensors" || problem "$option makes no difference"
done

it "--batch-size and --gradient-accumulation-steps: tokens of a step"
sft --no-shuffle --batch-size 4
whole=$(metric 1 tokens)
sft --no-shuffle --batch-size 2
half=$(metric 1 tokens)
[ "$half" -lt "$whole" ] || problem "the batch is as large as before"
sft --no-shuffle --batch-size 2 --gradient-accumulation-steps 2
expect_metric 1 tokens "$whole"

it "--max-length and --packing: rows that are cut, rows that share a record"
sft --no-shuffle --batch-size 8
whole=$(metric 1 tokens)
sft --no-shuffle --batch-size 8 --max-length 20
cut=$(metric 1 tokens)
[ "$cut" -lt "$whole" ] || problem "--max-length cuts nothing"
sft --no-shuffle --batch-size 1
one=$(metric 1 tokens)
sft --no-shuffle --batch-size 1 --packing --max-length 100
packed=$(metric 1 tokens)
[ "$packed" -gt "$one" ] && [ "$packed" -le 100 ] || problem "a packed record has $packed tokens, a row $one"

it "--num-train-epochs: the number of steps"
sft --max-steps 0 --batch-size 4 --num-train-epochs 1.5
expect_status 0
[ "$("$helper" json "$work/o/summary.json" steps)" = 3 ] || problem "not three steps"

it "--eval-strategy and --eval-steps: rows of evaluation"
sft --eval-data "$work/dev.jsonl" --eval-strategy steps --eval-steps 1
[ "$(grep -c eval_loss "$work/o/metrics.jsonl")" = 2 ] || problem "not two evaluations"
sft --eval-data "$work/dev.jsonl" --eval-strategy no
[ "$(grep -c eval_loss "$work/o/metrics.jsonl")" = 1 ] || problem "not the one evaluation at the end"

it "--save-strategy, --save-steps, --save-total-limit: checkpoints"
sft --max-steps 5 --save-steps 1 --save-total-limit 2
expect_status 0
expect_file "$work/o/checkpoint-5"
[ "$(ls -d "$work"/o/checkpoint-* | wc -l)" = 2 ] || problem "not two checkpoints"
sft --max-steps 5 --save-strategy no
expect_no_file "$work/o/checkpoint-5"

it "--resume: from a checkpoint of one's choice"
sft --max-steps 4 --save-steps 1 --save-total-limit 0
cp "$work/o/adapter_model.safetensors" "$work/whole"
run sft --resume "$work/o/checkpoint-2"
expect_status 0
expect_same "$work/whole" "$work/o/adapter_model.safetensors"

it "--compute and --activation-bits: the summary's arithmetic, or other weights"
sft --compute fp32 --learning-rate 0.01
[ "$("$helper" json "$work/o/summary.json" compute)" = fp32 ] || problem "not computed in fp32"
cp "$work/o/adapter_model.safetensors" "$work/plain"
sft --compute fp32 --learning-rate 0.01 --activation-bits 8
! cmp -s "$work/plain" "$work/o/adapter_model.safetensors" || problem "--activation-bits makes no difference"
sft --activation-bits 12
[ "$status" = 2 ] || problem "12 bits were accepted"

it "--max-memory: the plan keeps below it"
run plan --model "$tiny" --data "$work/train.jsonl" --json
peak=$("$helper" json "$work/out" peak_bytes)
run plan --model "$tiny" --data "$work/train.jsonl" --json --max-memory $((peak - 20000))
expect_status 0
[ "$("$helper" json "$work/out" peak_bytes)" -lt "$peak" ] || problem "the plan is as large as without a limit"

it "--chat-template: other text, other tokens"
sft --no-shuffle
whole=$(metric 1 tokens)
printf '%s' "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}" >"$work/short.jinja"
sft --no-shuffle --chat-template "$work/short.jinja"
[ "$(metric 1 tokens)" -lt "$whole" ] || problem "the template makes no difference"

it "--text-field, --messages-field: the data's own keys"
printf '{"body": "The ferry leaves the harbour."}\n' >"$work/own.jsonl"
rm -rf "$work/o" && run sft --model "$tiny" --data "$work/own.jsonl" --output "$work/o" --max-steps 1 --text-field body
expect_status 0
printf '{"talk": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n' >"$work/own.jsonl"
rm -rf "$work/o" && run sft --model "$tiny" --data "$work/own.jsonl" --output "$work/o" --max-steps 1 --messages-field talk
expect_status 0
