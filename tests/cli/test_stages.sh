# Pre-training in stages.

. tests/cli/tiny.sh
cat >"$work/web.txt" <<'TEXT'
The ferry leaves the harbour at nine in the morning, and the harbour is quiet until it comes back in the evening.
A lamp is lit at dusk. The keeper climbs the stairs, cleans the glass and writes the weather into a book.
TEXT
cat >"$work/books.jsonl" <<'ROWS'
{"text": "Seven boats went out and six came back; the seventh had found a quieter island and stayed there."}
{"text": "Nobody remembers who built the tower, but everybody knows who painted it."}
ROWS
cat >"$work/stages.yaml" <<YAML
command: pretrain
model: $tiny
output: $work/run
logging_steps: 1
save_steps: 2
batch_size: 2
max_length: 16
learning_rate: 0.002
stages:
  - name: core
    data: [$work/web.txt, $work/books.jsonl]
    data_weights: [1, 3]
    max_steps: 4
    lr_scheduler_type: constant_with_warmup
    warmup_steps: 1
  - name: long
    data: $work/books.jsonl
    max_length: 48
    max_steps: 4
    rope_theta: 500000
    lr_scheduler_type: constant
  - name: anneal
    data: $work/books.jsonl
    max_steps: 3
    lr_scheduler_type: linear
YAML
key() { "$helper" json "$1" "$2"; }

it "trains the stages one after the other"
run pretrain --config "$work/stages.yaml" --threads 1
expect_status 0
expect_out 1-core 2-long 3-anneal
expect_file "$work/run/model.safetensors"
expect_file "$work/run/recipe.yaml"
[ "$(key "$work/run/summary.json" steps)" = 11 ] || problem "steps of all stages: $(key "$work/run/summary.json" steps)"
[ "$(key "$work/run/2-long/config.json" rope_theta)" = 500000 ] || problem "the rope of stage 2"
[ "$(key "$work/run/config.json" rope_theta)" = 500000 ] || problem "stage 3 did not inherit the rope"
expect_same "$work/run/3-anneal/model.safetensors" "$work/run/model.safetensors"
[ ! -e "$work/run/2-long.base" ] || problem "the folder of the changed rope was left behind"
[ "$(wc -l <"$work/run/metrics.jsonl")" = 11 ] || problem "metrics have $(wc -l <"$work/run/metrics.jsonl") rows"
tail -1 "$work/run/metrics.jsonl" >"$work/row"
[ "$(key "$work/row" step)" = 11 ] && [ "$(key "$work/row" stage)" = 3-anneal ] || problem "the last row is not step 11 of 3-anneal"
run generate --model "$work/run" --prompt "The ferry" --max-new-tokens 2 --greedy
expect_status 0

it "goes on inside the stage where it was stopped, with the same bytes"
cp -r "$work/run" "$work/cut"
sed -i "s|$work/run|$work/cut|" "$work/cut/recipe.yaml"
rm -r "$work/cut/3-anneal" "$work/cut/2-long/checkpoint-4" "$work/cut/2-long/summary.json" "$work/cut/2-long/model.safetensors" "$work/cut/summary.json" "$work/cut/model.safetensors"
run pretrain --resume "$work/cut"
expect_status 0
expect_same "$work/run/model.safetensors" "$work/cut/model.safetensors"

it "the optimiser goes on from stage to stage unless it is told not to"
sed "s|output: .*|output: $work/fresh|; s|name: long|name: long\n    keep_optimizer: false|" "$work/stages.yaml" >"$work/fresh.yaml"
run pretrain --config "$work/fresh.yaml" --threads 1
expect_status 0
! cmp -s "$work/run/model.safetensors" "$work/fresh/model.safetensors" || problem "keep_optimizer: false changed nothing"
expect_same "$work/run/1-core/model.safetensors" "$work/fresh/1-core/model.safetensors"

it "does not write over a run, and plans every stage"
run pretrain --config "$work/stages.yaml"
expect_status 2
expect_err "there is a run already"
run plan --config "$work/stages.yaml" --json
expect_status 0
expect_json stages.2.stage 3-anneal

it "finds mistakes in a later stage before the first one runs"
sed "s|output: .*|output: $work/none|; s|name: anneal|name: anneal\n    lerning_rate: 1|" "$work/stages.yaml" >"$work/bad.yaml"
run pretrain --config "$work/bad.yaml"
expect_status 2
expect_err lerning_rate
[ ! -e "$work/none" ] || problem "something was written"
sed "s|output: .*|output: $work/none|; s|name: anneal|method: lora|" "$work/stages.yaml" >"$work/bad.yaml"
run pretrain --config "$work/bad.yaml"
expect_status 2
expect_err "method is the same for all stages"

it "adapters go through stages too"
sed "s|output: .*|output: $work/lora\nmethod: lora|; /rope_theta/d" "$work/stages.yaml" >"$work/lora.yaml"
run pretrain --config "$work/lora.yaml" --threads 1
expect_status 0
expect_same "$work/lora/3-anneal/adapter_model.safetensors" "$work/lora/adapter_model.safetensors"
sed "s|output: .*|output: $work/lora2\nmethod: lora|" "$work/stages.yaml" >"$work/lora.yaml"
run pretrain --config "$work/lora.yaml"
expect_status 2
expect_err rope_theta
