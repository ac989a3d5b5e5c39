#!/usr/bin/env python3
"""Compares lathe's examples (token ids, mask of what is trained) with transformers and TRL on real data.

    make build/examples_probe
    scripts/check_examples.py [--rows N] MODEL DATA...

MODEL is a folder with a tokenizer and, for conversations, a chat template; needs transformers and trl. Checked are

    conversations     ids against apply_chat_template(tokenize=True); the trained text against each answer and its stop
                      token; with a template that marks generations also the mask against return_assistant_tokens_mask
    strings           ids and mask against the steps of TRL's SFTTrainer and DPOTrainer
    text              ids against the tokenizer, with the eos token's text appended as TRL does
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
from transformers import AutoTokenizer
from trl.data_utils import common_prefix_length, extract_prompt

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SPEAKERS = {"human": "user", "gpt": "assistant", "system": "system", "observation": "tool"}


def read_rows(path):
    with open(path, encoding="utf-8-sig") as f:
        text = f.read()
    if text.lstrip().startswith("["):
        return json.loads(text)
    return [json.loads(line) for line in text.split("\n") if line.strip()]


class Checker:
    def __init__(self, model):
        self.tok = AutoTokenizer.from_pretrained(model)
        self.marks = bool(self.tok.chat_template) and "generation %}" in self.tok.chat_template
        self.bad = 0
        self.checked = 0
        self.calls_as_text = False

    def expect(self, what, row, ours, theirs):
        self.checked += 1
        if ours != theirs:
            self.bad += 1
            if self.bad <= 5:
                print(f"  DIFFERENT {what}, line {row}:\n    ours   {str(ours)[:600]}\n    theirs {str(theirs)[:600]}")

    # what a conversation is -------------------------------------------------------------------------------------------

    def message(self, m):
        if "from" not in m:
            return m
        if m["from"] != "function_call":
            return {"role": SPEAKERS[m["from"]], "content": m["value"]}
        if self.calls_as_text:
            return {"role": "assistant", "content": m["value"]}
        call = json.loads(m["value"])
        return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": call}]}

    def conversation(self, row):
        """(messages, index of the first trained one, tools)"""
        tools = row.get("tools")
        tools = json.loads(tools) if isinstance(tools, str) and tools.strip() else tools
        if "conversations" in row:
            tools = [t if "function" in t else {"type": "function", "function": t} for t in tools or []]
            messages = [self.message(m) for m in row["conversations"]]
            if row.get("system"):
                messages.insert(0, {"role": "system", "content": row["system"]})
        elif "messages" in row:
            messages = row["messages"]
        else:
            asked = row["instruction"] + ("\n" + row["input"] if row.get("input") else "")
            return [{"role": "user", "content": asked}, {"role": "assistant", "content": row["output"]}], 1, None
        first = len(messages) - 1 if isinstance(row.get("label"), bool) else 0
        return messages, first, tools or None

    def until_stop(self, ids, mask):
        """Training templates mark the line break behind the stop token as well; lathe does not train it."""
        for i in range(len(ids) - 1, 0, -1):
            last = i + 1 == len(ids) or not mask[i + 1]
            if mask[i] and last and ids[i] not in self.tok.added_tokens_decoder and not self.tok.decode([ids[i]]).strip():
                mask[i] = 0
        mask[0] = 0
        return mask

    def check_chat(self, line, sequence, messages, first, tools):
        text = self.tok.apply_chat_template(messages, tools=tools, tokenize=False)
        theirs = self.tok.apply_chat_template(messages, tools=tools, tokenize=True, return_dict=True,
                                              return_assistant_tokens_mask=self.marks)
        self.expect("ids", line, sequence["ids"], list(theirs["input_ids"]))
        if self.marks and first == 0:
            self.expect("mask", line, sequence["trained"], self.until_stop(sequence["ids"], list(theirs["assistant_masks"])))
        # The runs of trained tokens must be the answers, each with a stop token and maybe white space around it.
        runs, on = [], False
        for token, trained in zip(sequence["ids"], sequence["trained"]):
            if trained and not on:
                runs.append([])
            if trained:
                runs[-1].append(token)
            on = bool(trained)
        answers = [m for i, m in enumerate(messages) if m["role"] == "assistant" and i >= first]
        self.expect("number of answers", line, len(runs), len(answers))
        for run, answer in zip(runs, answers):
            said = self.tok.decode(run)
            stop = self.tok.decode(run[-1:])
            is_special = run[-1] in self.tok.added_tokens_decoder
            self.expect("a stop token at the end", line, is_special, True)
            if is_special:
                said = said[: len(said) - len(stop)].removeprefix("<think>\n\n</think>\n\n")  # Qwen3 writes that itself
            if answer.get("tool_calls"):
                for call in answer["tool_calls"]:
                    self.expect("the call's name", line, call["function"]["name"] in said, True)
            else:
                self.expect("an answer", line, said.strip(), self.tok.decode(self.tok.encode(answer["content"].strip(), add_special_tokens=False)).strip())
        return text

    # strings, as TRL treats them --------------------------------------------------------------------------------------

    def with_eos(self, text):
        eos = self.tok.eos_token
        return text if eos is None or text.endswith(eos) else text + eos

    def check_strings(self, line, example, prompt, answers):
        prompt_ids = self.tok(text=prompt)["input_ids"] if prompt else []
        whole = [self.tok(text=prompt + self.with_eos(a))["input_ids"] for a in answers]
        n = min(common_prefix_length(prompt_ids, ids) for ids in whole)
        for sequence, ids in zip(example["sequences"], whole):
            self.expect("ids", line, sequence["ids"], ids)
            mask = [int(i >= max(n, 1)) for i in range(len(ids))]
            self.expect("mask", line, sequence["trained"], mask)

    # ------------------------------------------------------------------------------------------------------------------

    def check(self, row, example):
        line, kind = example["line"], example["kind"]
        first = example["sequences"][0]
        if kind in ("messages", "conversations", "unpaired preference") and ("messages" in row or "conversations" in row):
            self.check_chat(line, first, *self.conversation(row))
        elif kind == "instruction":
            messages, start, tools = self.conversation(row)
            if self.tok.chat_template:
                self.check_chat(line, first, messages, start, tools)
            else:
                self.expect("the form", line, "### Response:\n" + row["output"] in self.tok.decode(first["ids"]), True)
        elif kind == "preference" and "conversations" in row:
            prompt = [self.message(m) for m in row["conversations"]]
            for key, sequence in zip(("chosen", "rejected"), example["sequences"]):
                self.check_chat(line, sequence, prompt + [self.message(row[key])], len(prompt), None)
        elif kind == "preference":
            row = row if "prompt" in row else extract_prompt(row)
            self.check_strings(line, example, row["prompt"], [row["chosen"], row["rejected"]])
        elif kind == "prompt and completion":
            prompt, completion = row.get("prompt", row.get("question")), row.get("completion", row.get("answer"))
            self.check_strings(line, example, prompt, [completion])
        elif kind == "text":
            self.check_strings(line, example, "", [row["text"]])
        elif kind == "labelled text":
            self.expect("ids", line, first["ids"], self.tok(text=row["text"])["input_ids"])
            self.expect("label", line, example["label_text"] or example["label"], row["label"])
        else:
            raise SystemExit(f"no check for rows of the kind {kind}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--probe", default=os.path.join(ROOT, "build", "examples_probe"))
    parser.add_argument("model")
    parser.add_argument("data", nargs="+")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for path in options.data:
            rows = read_rows(path)[: options.rows]
            small = os.path.join(folder, "rows.jsonl")
            with open(small, "w", encoding="utf-8") as f:
                for row in rows:
                    f.write(json.dumps(row, ensure_ascii=False) + "\n")
            mapped = ["prompt", "question", "completion", "answer"] if "question" in rows[0] else []
            ran = subprocess.run([options.probe, options.model, small, *mapped], capture_output=True, text=True)
            checker = Checker(options.model)
            print(f"{os.path.basename(path)} with {os.path.basename(options.model.rstrip('/'))}: {ran.stderr.strip()}")
            if ran.returncode:
                failed = True
                continue
            checker.calls_as_text = "tool_calls" not in (checker.tok.chat_template or "")
            examples = [json.loads(line) for line in ran.stdout.splitlines()]
            checker.expect("number of rows", 0, len(examples), len(rows))
            for row, example in zip(rows, examples):
                checker.check(row, example)
            print(f"  {checker.checked} comparisons, {checker.bad} different")
            failed |= checker.bad > 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
