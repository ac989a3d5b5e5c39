# Masked language models: an encoder trains on plain text, masked anew in every epoch.

bert=$work/bert
mkdir -p "$work/bert-config"
cat >"$work/bert-config/config.json" <<'JSON'
{"architectures": ["BertForMaskedLM"], "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
 "intermediate_size": 64, "vocab_size": 40, "max_position_embeddings": 64, "type_vocab_size": 2, "pad_token_id": 0}
JSON
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' . the a lamp is lit when sun goes down boats keep to left of buoy keeper light \
    ferry leaves harbour at nine in morning wind not yet who and >"$work/bert-config/vocab.txt"
cat >"$work/bert-config/tokenizer_config.json" <<'JSON'
{"tokenizer_class": "BertTokenizer", "do_lower_case": true, "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]",
 "pad_token": "[PAD]", "unk_token": "[UNK]"}
JSON
cat >"$work/text.jsonl" <<'ROWS'
{"text": "the lamp is lit when the sun goes down ."}
{"text": "boats keep to the left of the buoy ."}
{"text": "the ferry leaves the harbour at nine in the morning ."}
{"text": "the keeper keep the light and the wind is not down yet ."}
ROWS
mlm() { c=$1 && shift && rm -rf "$work/o" && run "$c" --model "$bert" --threads 1 --compute fp32 --output "$work/o" --logging-steps 1 --batch-size 2 "$@"; }
summary() { "$helper" json "$work/o/summary.json" "$1"; }

it "pretrain masks the text of an encoder, and the loss falls"
run init --config "$work/bert-config/config.json" --output "$bert" --seed 3
expect_status 0
cp "$work/bert-config/vocab.txt" "$work/bert-config/tokenizer_config.json" "$bert"
run eval --model "$bert" --data "$work/text.jsonl" --compute fp32 --json
expect_status 0
before=$("$helper" json "$work/out" loss)
mlm pretrain --data "$work/text.jsonl" --eval-data "$work/text.jsonl" --no-packing --num-train-epochs 60 --learning-rate 0.01 --save-strategy no
expect_status 0
grep -q 'lathe eval' "$work/out" && ! grep -q 'lathe generate' "$work/out" || problem "what to try next is not for an encoder"
after=$(summary eval_loss)
awk -v a="$after" -v b="$before" 'BEGIN { exit !(a < 0.8 * b) }' || problem "loss $before became $after"
awk -v t="$(summary trained_tokens)" -v n="$(summary tokens)" 'BEGIN { s = t / n; exit !(s > 0.08 && s < 0.18) }' ||
    problem "$(summary trained_tokens) of $(summary tokens) tokens were targets"

it "an evaluation has the same masks every time"
run eval --model "$bert" --data "$work/text.jsonl" --compute fp32 --json
[ "$("$helper" json "$work/out" loss)" = "$before" ] || problem "another loss"

it "sft: the masks follow seed and epoch; a resumed run has those of an uninterrupted one"
mlm sft --data "$work/text.jsonl" --max-steps 6 --save-steps 3 --mlm-probability 0.4
expect_status 0
cp "$work/o/adapter_model.safetensors" "$work/whole"
run sft --resume "$work/o/checkpoint-3" --output "$work/o"
expect_status 0
expect_same "$work/whole" "$work/o/adapter_model.safetensors"
mlm sft --data "$work/text.jsonl" --max-steps 6 --mlm-probability 0.2
! cmp -s "$work/whole" "$work/o/adapter_model.safetensors" || problem "--mlm-probability changed nothing"

it "what stays the same is not kept where masks change"
mlm sft --data "$work/text.jsonl" --max-steps 6 --top-layers 1 --frozen-cache fp32
expect_status 2
expect_err "masks are drawn anew"
mlm sft --data "$work/text.jsonl" --max-steps 6 --top-layers 1
expect_status 0

it "without a mask token text cannot be masked"
grep -v MASK "$bert/tokenizer_config.json" >"$work/tc" || true
rm "$bert/tokenizer_config.json" "$bert/vocab.txt"
echo '{"input_ids": [2, 6, 7, 3]}' >"$work/ids.jsonl"
mlm pretrain --data "$work/ids.jsonl" --no-packing --max-steps 1
expect_status 1
expect_err "ids.jsonl:1" "mask token"

it "packs texts into blocks, and rows into batches"
cp "$work/bert-config/vocab.txt" "$work/bert-config/tokenizer_config.json" "$bert"
mlm pretrain --data "$work/text.jsonl" --max-length 16 --max-steps 4
expect_status 0
mlm sft --data "$work/text.jsonl" --packing --max-length 32 --max-steps 4
expect_status 0

it "rows with labels of their own are trained as they are"
echo '{"input_ids": [2, 4, 7, 3], "labels": [-100, 6, -100, -100]}' >"$work/ids.jsonl"
mlm sft --data "$work/ids.jsonl" --max-steps 2
expect_status 0
[ "$(summary trained_tokens)" = 2 ] || problem "trained tokens: $(summary trained_tokens)"
mlm sft --data "$work/ids.jsonl" "$work/text.jsonl" --max-steps 2
expect_status 1
expect_err "text.jsonl:1: expected labels, as the rows before have them"
