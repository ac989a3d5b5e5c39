# lathe init, tokenize, template and lint

. tests/cli/tiny.sh

it "makes a model that can be inspected"
run inspect "$tiny" --json
expect_status 0
expect_json kind model
expect_json model_type llama
expect_json layers 2
expect_json parameters 97088
expect_json dtypes F32
expect_json tokenizer.kind BPE
expect_json tokenizer.vocabulary 360
expect_json chat_template true

it "shows a model's tensors by layer"
run inspect "$tiny"
expect_status 0
expect_out "model.layers.0-1.mlp.up_proj.weight" "x 2" "LlamaForCausalLM" "97.1k (97,088)" "chat template"

it "makes the same model from the same seed, and another from another"
run init --config tests/data/tiny --output "$work/same" --seed 7
run init --config tests/data/tiny --output "$work/else" --seed 8 --json
expect_json parameters 97088
expect_json dtype F32
expect_same "$tiny/model.safetensors" "$work/same/model.safetensors"
! cmp -s "$tiny/model.safetensors" "$work/else/model.safetensors" || problem "the seed made no difference"

it "makes a model in the type that is asked for"
run init --config tests/data/tiny --output "$work/half" --dtype bf16
expect_status 0
expect_out BF16

it "does not write a model over what is there"
run init --config tests/data/tiny --output "$tiny"
[ "$status" != 0 ] || problem "it did"
expect_err "$tiny"
expect_file "$tiny/model.safetensors"

it "names a configuration that is not there"
run init --config "$work/none.json" --output "$work/x"
expect_failure "none.json"
expect_no_file "$work/x"

it "refuses to take the weights' configuration for a recipe"
run init --config tests/data/tiny --output "$work/x" --dtype f64
expect_usage_error "--dtype: expected one of auto, fp32, bf16, fp16"

it "tokenizes a text"
run tokenize --model "$tiny" --text "The boats in the harbour<|im_end|>"
expect_status 0
expect_out "281  The" "359  <|im_end|>"

it "tokenizes for other programs"
run tokenize --model "$tiny" --text "The boats" --json
expect_json ids.0 281
expect_json ids.1 315
expect_json tokens.1 "Ġboats"

it "tokenizes an empty text to nothing"
run tokenize --model "$tiny" --text "" --json
expect_json ids "[]"

it "tokenizes a file, whatever bytes it has"
printf 'The \377\0boats' >"$work/bytes"
run tokenize --model "$tiny" --text-file "$work/bytes" --json
expect_status 0
expect_json ids.0 281

it "takes a text that begins with dashes when = joins it"
run tokenize --model "$tiny" --text=--text --json
expect_status 0
run tokenize --model "$tiny" --text --text
expect_usage_error "--text needs a value" "--text=--text"

it "wants one text"
run tokenize --model "$tiny"
expect_usage_error "--text TEXT"
run tokenize --model "$tiny" --text a --text-file "$work/bytes"
expect_usage_error "--text-file FILE"

it "names a model folder without a tokenizer"
mkdir -p "$work/bare"
run tokenize --model "$work/bare" --text a
expect_failure "$work/bare"

it "renders a conversation byte for byte"
printf '[{"role": "user", "content": "one\\n\\u0007two \303\274"}]' >"$work/chat.json"
run template --model "$tiny" --messages "$work/chat.json" --add-generation-prompt
expect_status 0
printf '<|im_start|>user\none\n\007two \303\274<|im_end|>\n<|im_start|>assistant\n' >"$work/expected"
expect_same "$work/expected" "$work/out"
expect_no_err

it "adds no generation prompt of its own accord"
run template --model "$tiny" --messages "$work/chat.json"
expect_no_out assistant

it "reads messages and tools from an object, as rows have them"
printf '{"messages": [{"role": "user", "content": "hi"}], "tools": [{"type": "function", "function": {"name": "look"}}]}' >"$work/object.json"
printf '%s' '{% for t in tools %}{{ t.function.name }} {% endfor %}{{ messages[0].content }}' >"$work/t.jinja"
run template --chat-template "$work/t.jinja" --messages "$work/object.json"
expect_status 0
printf 'look hi' >"$work/expected"
expect_same "$work/expected" "$work/out"

it "lets --tools win over the object's own"
printf '[{"type": "function", "function": {"name": "other"}}]' >"$work/tools.json"
run template --chat-template "$work/t.jinja" --messages "$work/object.json" --tools "$work/tools.json"
printf 'other hi' >"$work/expected"
expect_same "$work/expected" "$work/out"

it "has a template of its own for models without one"
run template --chat-template chatml --messages "$work/chat.json"
expect_status 0
expect_out "<|im_start|>user"

it "names the place of a broken template"
printf '{{ messages[0' >"$work/broken.jinja"
run template --chat-template "$work/broken.jinja" --messages "$work/chat.json"
expect_failure "broken.jinja"
expect_no_out

it "passes on what a template refuses"
printf '%s' "{{ raise_exception('no system turn here') }}" >"$work/strict.jinja"
run template --chat-template "$work/strict.jinja" --messages "$work/chat.json"
[ "$status" != 0 ] || problem "it was rendered"
expect_err "no system turn here"

it "names the place of broken messages"
printf '[{"role": "user",]' >"$work/broken.json"
run template --model "$tiny" --messages "$work/broken.json"
expect_failure "broken.json:1:"
printf '{"role": "user"}' >"$work/broken.json"
run template --model "$tiny" --messages "$work/broken.json"
expect_failure "broken.json" "messages"

it "shows what is trained in brackets"
run lint --model "$tiny" "$work/train.jsonl"
expect_status 0
expect_out "train.jsonl:1" "[[A small town.<|im_end|>]]" "trained tokens"
expect_no_out "[[What"
expect_no_out "$(printf '\033[')"

it "shows what is trained in colour on a terminal"
run_in "$helper" pty 80 "$lathe" lint --model "$tiny" "$work/train.jsonl" --show 1
expect_status 0
expect_out "$(printf '\033[32m')A small town.<|im_end|>"
expect_no_out "[["

it "spells out control characters of the data"
printf '{"text": "bell \\u0007 and \\u001b[31m red"}\n' >"$work/control.jsonl"
run lint --model "$tiny" "$work/control.jsonl"
expect_status 0
expect_out '\x07' '\x1b[31m'
expect_no_out "$(printf '\033[31m')"

it "has the figures as JSON"
run lint --model "$tiny" "$work/train.jsonl" --json --show 2
expect_status 0
expect_json rows 8
expect_json kinds.messages 3
expect_json untrained 0
expect_json shown.1.line 2

it "fails on rows that train nothing, and says where"
{ cat "$work/train.jsonl"; printf '{"messages": [{"role": "user", "content": "hello"}]}\n'; } >"$work/silent.jsonl"
run lint --model "$tiny" "$work/silent.jsonl"
expect_status 1
expect_err "lathe: error: " "silent.jsonl:9"
expect_out "train nothing"

it "says how many rows were cut"
run lint --model "$tiny" "$work/train.jsonl" --max-length 16
expect_out "cut at --max-length"
