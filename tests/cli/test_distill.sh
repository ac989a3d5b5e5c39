# --teacher: distillation from a larger model's logits

. tests/cli/tiny.sh

# A teacher of three layers that has learned the rows; and tokens that fill its vocabulary up to a multiple of 16.
mkdir "$work/config"
cp tests/data/tiny/tokenizer*.json "$work/config"
sed 's/"num_hidden_layers": *2/"num_hidden_layers": 3/; s/"intermediate_size": *128/"intermediate_size": 192/' tests/data/tiny/config.json >"$work/config/config.json"
"$lathe" init --config "$work/config" --output "$work/new" --seed 8 >"$work/init.out" 2>&1
"$lathe" sft --model "$work/new" --data "$work/train.jsonl" --method full --learning-rate 3e-3 --max-steps 60 --output "$work/teacher" >>"$work/init.out" 2>&1 ||
    { echo "no teacher:"; cat "$work/init.out"; }

distil() { run sft --model "$tiny" --data "$work/train.jsonl" --threads 2 --batch-size 4 --logging-steps 1 --learning-rate 5e-3 "$@"; }
value() { sed -n "/\"step\": *$2,.*\"nll_loss\"/s/.*\"$3\": *\([^,}]*\).*/\1/p" "$1/metrics.jsonl" | head -1; } # run, step, key
close() { awk "BEGIN { d = $1 - $2; exit !(d < $3 && d > -$3) }" || problem "$1 is not $2"; }

it "learns what the teacher says, and logs the divergence beside the cross-entropy"
distil --teacher "$work/teacher" --eval-data "$work/dev.jsonl" --output "$work/run" --method full --max-steps 60 --distill-alpha 0.75 --distill-temperature 2
expect_status 0
expect_out "eval loss"
expect_no_out "perplexity"
for step in 1 60; do
    nll=$(value "$work/run" $step nll_loss) kl=$(value "$work/run" $step kl) loss=$(value "$work/run" $step loss)
    close "$loss" "(0.25 * $nll + 0.75 * 4 * $kl)" 1e-5
done
awk "BEGIN { exit !($kl < 0.6 * $(value "$work/run" 1 kl)) }" || problem "the divergence went from $(value "$work/run" 1 kl) to $kl"
grep -q '"eval_kl"' "$work/run/metrics.jsonl" || problem "no divergence on the evaluation rows"
[ "$("$helper" json "$work/run/summary.json" teacher)" = "$work/teacher" ] || problem "the summary does not name the teacher"
grep -q "^teacher: " "$work/run/recipe.yaml" || problem "the recipe has no teacher"

it "gives the same bytes for another number of threads"
run sft --config "$work/run/recipe.yaml" --output "$work/serial" --threads 1
expect_status 0
expect_same "$work/run/model.safetensors" "$work/serial/model.safetensors"

it "gives the same bytes when batches are accumulated"
run sft --config "$work/run/recipe.yaml" --output "$work/cut" --batch-size 2 --gradient-accumulation-steps 2
expect_status 0
expect_same "$work/run/model.safetensors" "$work/cut/model.safetensors"

it "resumes to the bytes of an uninterrupted run"
long="--max-steps 200 --save-strategy no --teacher $work/teacher"
distil --output "$work/whole" $long
expect_status 0
run_in "$helper" interrupt "/200" "$lathe" sft --model "$tiny" --data "$work/train.jsonl" --threads 2 --batch-size 4 --logging-steps 1 --learning-rate 5e-3 --output "$work/part" $long
expect_status 130
cp -r "$work/part" "$work/other"
run sft --resume "$work/part"
expect_status 0
expect_same "$work/whole/adapter_model.safetensors" "$work/part/adapter_model.safetensors"

it "does not resume with another teacher, or another share of what it says"
run sft --resume "$work/other" --teacher "$work/new"
expect_status 2
expect_err "teacher was" "and is"
run sft --resume "$work/other" --distill-alpha 0.25
expect_status 2
expect_err "distill_alpha was 0.5 and is 0.25"

it "finds no divergence between a model and itself"
distil --teacher "$tiny" --output "$work/self" --max-steps 1
expect_status 0
close "$(value "$work/self" 1 kl)" 0 1e-6

it "takes a teacher with an adapter, quantised, or in a GGUF file"
"$lathe" sft --model "$tiny" --data "$work/train.jsonl" --max-steps 30 --learning-rate 1e-2 --output "$work/taught" >"$work/taught.out" 2>&1
distil --teacher "$tiny" --teacher-adapter "$work/taught" --output "$work/a" --max-steps 1
expect_status 0
kl=$(value "$work/a" 1 kl)
awk "BEGIN { exit !($kl > 0.02) }" || problem "divergence $kl: the teacher's adapter counts for nothing"
"$lathe" merge --model "$tiny" --adapter "$work/taught" --dtype fp32 --output "$work/merged" >"$work/taught.out" 2>&1
"$lathe" merge --model "$tiny" --adapter "$work/taught" --dtype fp32 --output "$work/merged.gguf" --format gguf >"$work/taught.out" 2>&1
"$lathe" quantize --model "$work/merged" --type int8 --output "$work/int8" >"$work/taught.out" 2>&1
for form in merged merged.gguf int8; do
    distil --teacher "$work/$form" --output "$work/b-$form" --max-steps 1
    expect_status 0
    close "$(value "$work/b-$form" 1 kl)" "$kl" "0.02 * $kl"
done

it "teaches virtual tokens, with and without some of the teacher's own"
distil --teacher "$work/teacher" --method prompt-tuning --num-virtual-tokens 3 --output "$work/virtual" --max-steps 2
expect_status 0
distil --teacher "$tiny" --teacher-adapter "$work/virtual" --output "$work/c" --max-steps 2
expect_status 0
distil --teacher "$tiny" --teacher-adapter "$work/virtual" --adapter "$work/virtual" --output "$work/d" --max-steps 1
expect_status 0
close "$(value "$work/d" 1 kl)" 0 1e-6

it "pre-trains beside a teacher, with packing, in stages"
for i in 1 2 3 4 5 6 7 8 9; do echo "The keeper and her daughter keep the light burning at night."; done >"$work/text.txt"
cat >"$work/stages.yaml" <<RECIPE
command: pretrain
model: $tiny
output: $work/staged
teacher: $work/teacher
distill_alpha: 1
batch_size: 2
logging_steps: 1
stages:
  - {name: core, data: $work/text.txt, max_length: 32, max_steps: 3}
  - {name: alone, data: $work/text.txt, max_length: 64, max_steps: 2, distill_alpha: 0.5, distill_temperature: 2}
RECIPE
run pretrain --config "$work/stages.yaml"
expect_status 0
expect_file "$work/staged/model.safetensors"
[ "$(grep -c '"kl"' "$work/staged/metrics.jsonl")" = 5 ] || problem "not every step has a divergence"

it "plans for the teacher, and keeps the limit"
distil --teacher "$work/teacher" --output "$work/x" --dry-run --json
expect_status 0
expect_json bytes.teacher
[ "$got" -gt 100000 ] || problem "the teacher takes $got bytes"
distil --teacher "$work/teacher" --output "$work/small" --max-steps 3 --max-memory 64M --json
expect_status 0
expect_json peak_rss_bytes
[ "$got" -le 67108864 ] || problem "it took $got bytes"

it "refuses a teacher with other tokens, and says which"
sed 's/"vocab_size": *360/"vocab_size": 368/' "$work/config/config.json" >"$work/padded.json"
mkdir "$work/padded-config" "$work/strange"
cp "$work/config"/tokenizer*.json "$work/padded-config"
cp "$work/padded.json" "$work/padded-config/config.json"
"$lathe" init --config "$work/padded-config" --output "$work/padded" >"$work/init.out" 2>&1
distil --teacher "$work/padded" --output "$work/p" --max-steps 2
expect_status 0 # the same tokens, and rows of the embedding that none has
"$lathe" init --config "$work/padded.json" --output "$work/bare" >"$work/init.out" 2>&1
rm -f "$work/bare"/tokenizer*.json
distil --teacher "$work/bare" --output "$work/x"
expect_usage_error "368" "360" "vocabulary"
cp "$work/teacher"/* "$work/strange" 2>/dev/null
sed 's/<|im_start|>/<|begin|>/g' "$work/teacher/tokenizer.json" >"$work/strange/tokenizer.json"
rm -f "$work/strange/tokenizer_config.json"
distil --teacher "$work/strange" --output "$work/x"
expect_usage_error "vocabulary" "'<|im_start|>'"
expect_no_file "$work/x"

it "refuses what makes no sense"
distil --output "$work/x" --distill-alpha 1
expect_usage_error "--distill-alpha has no effect here"
distil --output "$work/x" --teacher-adapter "$work/taught"
expect_usage_error "--teacher-adapter has no effect here"
distil --output "$work/x" --teacher "$work/teacher" --distill-alpha 1.5
expect_usage_error "distill-alpha"
distil --output "$work/x" --teacher "$work/nothing"
expect_status 1
expect_err "$work/nothing"
expect_no_file "$work/x"

it "goes through the recipe of Gemma 2"
for i in 1 2 3 4 5 6; do
    echo "{\"prompt\": \"The boats $i\", \"answer\": \"$i\"}" >>"$work/prompts.jsonl"
    echo "{\"prompt\": \"The boats $i \", \"chosen\": \"one two\", \"rejected\": \"three\"}" >>"$work/pairs.jsonl"
done
sed "s#SmolLM2-135M-Instruct#$tiny#; s#SmolLM2-1.7B-Instruct#$work/teacher#; s#human.jsonl#$work/train.jsonl#; s#teacher-answers.jsonl#$work/dev.jsonl#
    s#dev-prompts.jsonl#prompts.jsonl#; s#\[prompts.jsonl#[$work/prompts.jsonl#; s#\[pairs.jsonl#[$work/pairs.jsonl#
    s#max_steps: 50#max_steps: 1, num_generations: 2, batch_size: 4, max_new_tokens: 4#; s#num_generations: 1,#num_generations: 1, max_new_tokens: 8,#" \
    docs/recipes/gemma2.yaml >"$work/gemma2.yaml"
run rounds "$work/gemma2.yaml" --output "$work/gemma2"
expect_status 0
expect_out "cloned" "distilled" "average"
for step in 1-cloned 4-distilled; do
    grep -q '"kl"' "$work/gemma2/round-1/$step/metrics.jsonl" || problem "$step has no divergence"
done
[ "$(wc -l <"$work/gemma2/round-1/3-sample/sft.jsonl")" = 6 ] || problem "$(wc -l <"$work/gemma2/round-1/3-sample/sft.jsonl") answers to learn from"
expect_file "$work/gemma2/round-1/7-average/adapter_model.safetensors"
