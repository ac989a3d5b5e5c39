# A model of two small layers, with the tokenizer and template of tests/data/tiny, and a few rows for it.

tiny=$root/tiny
[ -d "$tiny" ] || "$lathe" init --config tests/data/tiny/config.json --output "$tiny" --seed 7 >"$work/init.out" 2>&1 ||
    { echo "lathe init failed:"; cat "$work/init.out"; }

cat >"$work/train.jsonl" <<'ROWS'
{"messages": [{"role": "user", "content": "What is the capital?"}, {"role": "assistant", "content": "A small town."}]}
{"messages": [{"role": "user", "content": "How many boats?"}, {"role": "assistant", "content": "Seven boats."}]}
{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who keeps the light?"}, {"role": "assistant", "content": "The keeper."}]}
{"prompt": "one two three ", "completion": "four five six"}
{"instruction": "Count to ten.", "input": "from eight", "output": "eight nine ten"}
{"conversations": [{"from": "human", "value": "Is the wind down?"}, {"from": "gpt", "value": "Not yet."}]}
{"text": "The ferry leaves the harbour at nine in the morning."}
{"input_ids": [40, 41, 42, 43, 44], "labels": [-100, -100, 42, 43, 44]}
ROWS
cat >"$work/dev.jsonl" <<'ROWS'
{"messages": [{"role": "user", "content": "What is the capital?"}, {"role": "assistant", "content": "A small town."}]}
{"prompt": "a is for ", "completion": "apple"}
ROWS
