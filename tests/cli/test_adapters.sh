# Every kind of adapter: trained, used, resumed.

. tests/cli/tiny.sh
train() { rm -rf "$work/o" && run sft --model "$tiny" --data "$work/train.jsonl" --threads 1 --output "$work/o" --logging-steps 1 --compute fp32 "$@"; }
config() { [ "$("$helper" json "$work/o/adapter_config.json" "$1")" = "$2" ] || problem "$1 in adapter_config.json is not $2"; }
row_loss() { sed -n "$1p" "$work/o/metrics.jsonl" >"$work/row" && "$helper" json "$work/row" loss; }

for method in ia3 prompt-tuning "p-tuning --encoder-hidden-size 8" "p-tuning --encoder-hidden-size 8 --encoder-reparameterization-type lstm" \
    prefix-tuning "prefix-tuning --prefix-projection --encoder-hidden-size 8" "lora --init-lora-weights pissa --lora-r 4" \
    "lora --init-lora-weights olora --lora-r 4" "dora --lora-dropout 0.2"; do
    it "--method $method: used by eval and generate; a resumed run gives the bytes of a whole one"
    train --method $method --max-steps 4 --save-steps 2
    expect_status 0
    run eval --model "$tiny" --adapter "$work/o" --data "$work/dev.jsonl" --json
    expect_status 0
    run generate --model "$tiny" --adapter "$work/o" --prompt "one two" --max-new-tokens 3 --greedy --json
    expect_status 0
    cp -r "$work/o" "$work/whole"
    rm -rf "$work/o/checkpoint-4"
    run sft --resume "$work/o"
    expect_status 0
    for file in adapter_model.safetensors adapter_config.json prompt_encoder.safetensors; do
        [ ! -e "$work/whole/$file" ] || expect_same "$work/whole/$file" "$work/o/$file"
    done
    rm -rf "$work/whole"
done

it "--init-lora-weights pissa: twice the rank at the same scale, as plain LoRA"
train --init-lora-weights pissa --lora-r 4 --lora-alpha 6 --rank-pattern q_proj=2 --alpha-pattern q_proj=5 --max-steps 1
config r 8
config lora_alpha 12
config init_lora_weights true
config rank_pattern.q_proj 4
config alpha_pattern.q_proj 10

it "--prompt-tuning-init: text and vocabulary begin elsewhere than random numbers"
for init in random sample_vocab "text --prompt-tuning-init-text harbour"; do
    train --method prompt-tuning --prompt-tuning-init $init --max-steps 1
    expect_status 0
    row_loss 1 >>"$work/losses"
done
[ "$(sort -u "$work/losses" | wc -l)" = 3 ] || problem "expected three losses: $(cat "$work/losses")"

it "--num-virtual-tokens"
train --method prefix-tuning --num-virtual-tokens 3 --max-steps 1
config num_virtual_tokens 3

it "--prefix-init-weights zero"
train --method prefix-tuning --prefix-init-weights zero --max-steps 1
config init_weights zero

it "--encoder-num-layers, --encoder-dropout: of the LSTM"
train --method p-tuning --encoder-reparameterization-type lstm --encoder-num-layers 3 --encoder-dropout 0.25 --max-steps 1
config encoder_num_layers 3
config encoder_dropout 0.25

it "--feedforward-modules: which targets of IA3 have their input scaled"
train --method ia3 --target-modules q_proj,up_proj --feedforward-modules up_proj --max-steps 1
run inspect "$work/o/adapter_model.safetensors" --json
expect_status 0
expect_out "mlp.up_proj.ia3_l" "self_attn.q_proj.ia3_l"

it "--loraplus-lr-ratio: another rate for B"
train --max-steps 2
cp "$work/o/adapter_model.safetensors" "$work/one"
train --loraplus-lr-ratio 8 --max-steps 2
! cmp -s "$work/one" "$work/o/adapter_model.safetensors" || problem "the ratio changes nothing"

it "an option that the method does not use is said"
train --method ia3 --lora-r 4 --max-steps 1
expect_err "lora-r"

it "an encoder that is not there: P-tuning can be used, but not gone on with"
train --method p-tuning --encoder-hidden-size 8 --max-steps 1
rm "$work/o/prompt_encoder.safetensors"
mv "$work/o" "$work/used"
run eval --model "$tiny" --adapter "$work/used" --data "$work/dev.jsonl"
expect_status 0
train --adapter "$work/used" --max-steps 1
expect_status 2
expect_err "prompt_encoder.safetensors" "the encoder is not there"
rm -rf "$work/used"

it "orthogonal with an odd rank"
train --init-lora-weights orthogonal --lora-r 3 --max-steps 1
expect_status 2
expect_err "even rank"
