# Upper layers only, the cache of what lies below, and the optimisers.

. tests/cli/tiny.sh
sft() { rm -rf "$work/o" && run sft --model "$tiny" --data "$work/train.jsonl" --threads 1 --output "$work/o" --logging-steps 1 "$@"; }

it "--top-layers: the adapter is on the uppermost blocks only"
sft --top-layers 1 --max-steps 1
expect_status 0
[ "$("$helper" json "$work/o/adapter_config.json" layers_to_transform.0)" = 1 ] || problem "layers_to_transform is not [1]"
sft --top-layers 3 --max-steps 1
expect_status 2
expect_err top_layers "at most 2"
sft --top-layers 1 --layers-to-transform 0 --max-steps 1
expect_status 2

it "--frozen-cache: fp32 products, same bytes with and without"
sft --top-layers 1 --compute fp32 --frozen-cache no
expect_status 0
cp "$work/o/adapter_model.safetensors" "$work/without"
sft --top-layers 1 --compute fp32
expect_status 0
expect_same "$work/without" "$work/o/adapter_model.safetensors"
! ls "$work/o" | grep -q cache || problem "the cache was left behind"

it "--frozen-cache, --cache-dir, --keep-cache: the cache serves further runs"
sft --top-layers 1 --frozen-cache int8 --cache-dir "$work/cache" --keep-cache
expect_status 0
ls "$work/cache" | grep -q '^frozen-.*\.cache$' || problem "no cache was kept"
cp "$work/o/adapter_model.safetensors" "$work/first"
sum=$(cksum "$work"/cache/frozen-*)
sft --top-layers 1 --frozen-cache int8 --cache-dir "$work/cache" --keep-cache
expect_status 0
expect_same "$work/first" "$work/o/adapter_model.safetensors"
[ "$sum" = "$(cksum "$work"/cache/frozen-*)" ] || problem "the second run wrote to the cache"

it "a damaged cache costs time, not numbers"
for f in "$work"/cache/frozen-*; do printf XXXX | dd of="$f" bs=1 seek=100 conv=notrunc 2>/dev/null; done
sft --top-layers 1 --frozen-cache int8 --cache-dir "$work/cache"
expect_status 0
expect_same "$work/first" "$work/o/adapter_model.safetensors"

it "a cache needs something that is frozen"
sft --frozen-cache bf16
expect_status 2
expect_err frozen_cache
sft --top-layers 1 --frozen-cache no --keep-cache
expect_status 2

it "plan counts the cache"
run plan --model "$tiny" --data "$work/train.jsonl" --output "$work/p" --top-layers 1 --json
expect_status 0
[ "$("$helper" json "$work/out" frozen_cache_bytes)" -gt 0 ] || problem "no bytes of cache in the plan"

for optim in lion adafactor muon; do
    it "--optim $optim: learns, and a resumed run gives the bytes of an uninterrupted one"
    sft --optim $optim --max-steps 4 --save-steps 2 --learning-rate 0.001
    expect_status 0
    cp "$work/o/adapter_model.safetensors" "$work/whole"
    run sft --resume "$work/o/checkpoint-2" --output "$work/o"
    expect_status 0
    expect_same "$work/whole" "$work/o/adapter_model.safetensors"
done
sft --optim sgd --max-steps 1
expect_status 2
expect_err "optimizer 'sgd' is not known"

it "--muon-momentum acts with muon alone"
sft --optim muon --muon-momentum 0.5 --max-steps 4 --learning-rate 0.001
expect_status 0
! cmp -s "$work/whole" "$work/o/adapter_model.safetensors" || problem "momentum changed nothing"
sft --muon-momentum 0.5 --max-steps 1
expect_status 2
