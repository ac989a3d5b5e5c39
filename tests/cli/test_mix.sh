# Shares of data sets, replay with the drift it prevents, noise on the embedding.

. tests/cli/tiny.sh
sft() { rm -rf "$work/o" && run sft --model "$tiny" --threads 1 --output "$work/o" --logging-steps 1 "$@"; }
summary() { "$helper" json "$work/o/summary.json" "$1"; }

cat >"$work/old.jsonl" <<'ROWS'
{"text": "The lamp is lit when the sun goes down."}
{"text": "Boats keep to the left of the buoy."}
ROWS

it "--data-weights: a share for every file"
sft --data "$work/train.jsonl" "$work/old.jsonl" --data-weights 1 3 --batch-size 2 --num-train-epochs 1
expect_status 0
[ "$(summary steps)" = 5 ] || problem "steps: $(summary steps)"
sft --data "$work/train.jsonl" "$work/old.jsonl" --data-weights 1 --max-steps 1
expect_status 2
expect_err data_weights "expected 2"
sft --data "$work/train.jsonl" "$work/old.jsonl" --data-weights 1 many --max-steps 1
expect_status 2
expect_err "found 'many'"
sft --data "$work/train.jsonl" "$work/old.jsonl" --data-weights 1 1 --no-shuffle --max-steps 1
expect_status 2
expect_err shuffle

it "--replay-data: old rows at a ratio; the drift is reported beside the gain"
sft --data "$work/train.jsonl" --eval-data "$work/dev.jsonl" --replay-data "$work/old.jsonl" --replay-ratio 0.2 \
    --eval-replay-data "$work/old.jsonl" --batch-size 2 --num-train-epochs 1 --learning-rate 0.001
expect_status 0
expect_out "old data" "new data"
[ "$(summary steps)" = 5 ] || problem "8 new rows and 2 old ones in batches of 2 are 5 steps, found $(summary steps)"
for key in eval_loss eval_loss_before eval_replay_loss eval_replay_loss_before gain drift; do
    [ -n "$(summary $key)" ] || problem "summary.json lacks $key"
done
grep -q '"step":0,.*eval_replay_loss' "$work/o/metrics.jsonl" || problem "no evaluation before the first step"
sft --data "$work/train.jsonl" --replay-data "$work/old.jsonl" --replay-ratio 1 --max-steps 1
expect_status 2
expect_err replay_ratio
sft --data "$work/train.jsonl" --replay-ratio 0.5 --max-steps 1
expect_status 2

it "a resumed run remembers what the drift is counted from"
sft --data "$work/train.jsonl" --replay-data "$work/old.jsonl" --eval-replay-data "$work/old.jsonl" --max-steps 4 --save-steps 2 --learning-rate 0.001
expect_status 0
cp "$work/o/adapter_model.safetensors" "$work/whole"
drift=$(summary drift)
run sft --resume "$work/o/checkpoint-2" --output "$work/o"
expect_status 0
expect_same "$work/whole" "$work/o/adapter_model.safetensors"
[ "$(summary drift)" = "$drift" ] || problem "drift $drift became $(summary drift)"

it "--neftune-noise-alpha: changes training, not evaluation"
sft --data "$work/train.jsonl" --max-steps 2 --seed 3
cp "$work/o/adapter_model.safetensors" "$work/plain"
sft --data "$work/train.jsonl" --max-steps 2 --seed 3 --neftune-noise-alpha 5
expect_status 0
! cmp -s "$work/plain" "$work/o/adapter_model.safetensors" || problem "the noise changed nothing"
cp "$work/o/adapter_model.safetensors" "$work/noisy"
sft --data "$work/train.jsonl" --max-steps 2 --seed 3 --neftune-noise-alpha 5
expect_same "$work/noisy" "$work/o/adapter_model.safetensors"
sft --data "$work/train.jsonl" --max-steps 1 --top-layers 1 --frozen-cache bf16 --neftune-noise-alpha 5
expect_status 2
