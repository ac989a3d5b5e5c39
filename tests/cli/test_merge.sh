# lathe merge, export and import: the numbers stay what they were

. tests/cli/tiny.sh
loss() { run eval --threads 1 --compute fp32 --data "$work/dev.jsonl" --json "$@"; "$helper" json "$work/out" loss | cut -c1-6; }
run sft --model "$tiny" --data "$work/train.jsonl" --output "$work/run" --max-steps 3 --threads 1 --target-modules all-linear
trained=$(loss --model "$tiny" --adapter "$work/run")

it "merges an adapter into a folder that computes the same"
run merge --model "$tiny" --adapter "$work/run" --output "$work/merged" --dtype fp32 --json
expect_status 0
expect_json format safetensors
[ "$(loss --model "$work/merged")" = "$trained" ] || problem "another loss than with the adapter"

it "merges into a GGUF that computes the same"
run merge --model "$tiny" --adapter "$work/run" --output "$work/merged.gguf" --format gguf --dtype fp32
expect_status 0
[ "$(loss --model "$work/merged.gguf")" = "$trained" ] || problem "another loss than with the adapter"

it "exports an adapter to GGUF and MLX, and applies both as they are"
run export "$work/run" --format gguf --model "$tiny" --output "$work/a.gguf"
expect_status 0
run export "$work/run" --format mlx --output "$work/mlx"
expect_status 0
[ "$(loss --model "$tiny" --adapter "$work/a.gguf")" = "$trained" ] || problem "GGUF: another loss"
[ "$(loss --model "$tiny" --adapter "$work/mlx")" = "$trained" ] || problem "MLX: another loss"

it "imports them back"
run import "$work/a.gguf" --model "$tiny" --output "$work/back"
expect_status 0
expect_file "$work/back/adapter_config.json"

it "leaves what is there alone"
run merge --model "$tiny" --adapter "$work/run" --output "$work/merged"
expect_status 2
expect_err "not an empty folder"

it "merges IA3, whose factors multiply rows and columns"
run sft --model "$tiny" --data "$work/train.jsonl" --output "$work/ia3" --method ia3 --max-steps 3 --learning-rate 0.1 --threads 1
expect_status 0
scaled=$(loss --model "$tiny" --adapter "$work/ia3")
run merge --model "$tiny" --adapter "$work/ia3" --output "$work/merged-ia3" --dtype fp32
expect_status 0
[ "$(loss --model "$work/merged-ia3")" = "$scaled" ] || problem "another loss than with the adapter"

it "does not convert IA3, and says what to do"
run export "$work/ia3" --format gguf --model "$tiny" --output "$work/ia3.gguf"
expect_failure "merge it into the model instead"
