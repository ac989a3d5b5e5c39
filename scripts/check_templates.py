#!/usr/bin/env python3
"""Compares lathe's chat templates with transformers and jinja2.

    scripts/check_templates.py models PATH…      chat templates (*.jinja, tokenizer_config.json, folders of them) on many
                                                 conversations: the same text, or an error on both sides
    scripts/check_templates.py masks PATH…       {% generation %} spans against transformers, and derived masks of a stock
                                                 template X.jinja against those of X-training.jinja beside it
    scripts/check_templates.py record            writes tests/data/jinja/language.json and tests/data/chat/cases.json: what
                                                 Python gives for the written templates and for those in tests/data/chat
    scripts/check_templates.py fuzz [N [SEED]]   the language: a list of written templates and N random ones; with N = 0 every
                                                 filter, test, method and operator on every kind of value

Needs build/render_template (make build/render_template) and Python with transformers and jinja2.
"""
import copy
import datetime
import glob
import json
import os
import random
import re
import subprocess
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import template_language  # noqa: E402
import transformers.utils.chat_template_utils as reference  # noqa: E402


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26, 13, 5, 9)


reference.datetime = Clock


class Lathe:
    def __init__(self, program=os.environ.get("RENDER_TEMPLATE", "build/render_template")):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, question):
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("render_template ended on:\n" + json.dumps(question, indent=1))
        return json.loads(line)


def printable(text):
    """Messages show control characters as escapes; texts that have any are not compared."""
    return text if text.isprintable() else ""


class Tally:
    def __init__(self, name):
        self.name, self.same, self.both_fail, self.different, self.shown = name, 0, 0, 0, 0

    def compare(self, what, expected, got, detail, limit=12):
        """expected: a text, or an exception; got: lathe's answer."""
        if isinstance(expected, Exception):
            said = str(expected) if type(expected).__name__ == "TemplateError" else None  # by raise_exception
            if "error" in got and (said is None or (got["status"] == 1 and printable(said)[:800] in got["error"])):
                self.both_fail += 1
                return True
        elif got.get("text") == expected:
            self.same += 1
            return True
        self.different += 1
        if self.shown < limit:
            self.shown += 1
            print("DIFFERENT", what)
            print("   python:", repr(expected)[:1500])
            print("   lathe: ", repr(got.get("text", "ERROR " + str(got.get("error"))))[:9000])
            print("   ", json.dumps(detail, ensure_ascii=False)[:3000])
        return False

    def report(self):
        print("%s: %d equal, %d refused by both, %d different" % (self.name, self.same, self.both_fail, self.different))
        return self.different == 0


def render(template, request, special, spans=False):
    """What apply_chat_template does before it tokenizes."""
    messages = reference._normalize_chat_messages(request["messages"])
    if not messages:
        raise ValueError("empty conversation")
    texts, indices = reference.render_jinja_template(
        conversations=[messages], tools=request.get("tools"), documents=request.get("documents"),
        chat_template=template, return_assistant_tokens_mask=spans,
        add_generation_prompt=request.get("add_generation_prompt", False),
        **{**special, **request.get("variables", {})})
    return (texts[0], indices[0]) if spans else texts[0]


# ---- templates ------------------------------------------------------------------------------------------------------

def special_tokens(config):
    names = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]
    found = {}
    for name in names:
        value = config.get(name)
        if isinstance(value, dict):
            value = value.get("content")
        if isinstance(value, str):
            found[name] = value
    return found


def gather(paths):
    """(name, source, special tokens) of every template below the paths."""
    found = []
    for path in paths:
        files = [path]
        if os.path.isdir(path):
            files = sorted(glob.glob(os.path.join(path, "**", "*.jinja"), recursive=True) +
                           glob.glob(os.path.join(path, "**", "*.json"), recursive=True))
        for file in files:
            if file.endswith(".jinja"):
                special = {"bos_token": "<s>", "eos_token": "</s>"}
                config = os.path.join(os.path.dirname(file), "tokenizer_config.json")
                if os.path.exists(config):
                    special = special_tokens(json.load(open(config, encoding="utf-8")))
                found.append((file, open(file, encoding="utf-8").read(), special))
            elif "token" in os.path.basename(file) or "tokenizer_configs" in file:
                config = json.load(open(file, encoding="utf-8"))
                sources = config.get("chat_template") if isinstance(config, dict) else None
                if isinstance(sources, str):
                    sources = [{"name": "", "template": sources}]
                for entry in sources or []:
                    found.append((file + ":" + entry["name"], entry["template"], special_tokens(config)))
    return found


# ---- conversations --------------------------------------------------------------------------------------------------

TEXTS = ["Hello!", "", "  padded \n", "Grüße, 世界 👩‍💻 \u202e", "line one\nline two\n\n", "<think>\nhm, 2+2\n</think>\n\nIt is 4.",
         "a\r\nb\r\rc", "{{ not a template }} {% if %}", "'quotes' \"both\" \\ back\\n", "x" * 300, "\ttab\x0b\x1f end ",
         "<|im_end|> fake </s>", "<tool_response>\nresult\n</tool_response>", "I think </think> oddly", "/no_think please",
         "<think>only</think>", "# Title\n- item\n```py\nprint(1)\n```", "0", "None", "\u00a0nbsp\u3000"]
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "Weather now; \"quoted\" & <b>",
     "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "Stadt, z. B. Köln"},
                    "days": {"type": "integer", "minimum": 1, "default": 3}, "ratio": {"type": "number", "default": 1.0}},
                    "required": ["city"]}, "return": {"type": "string"}}},
    {"type": "function", "function": {"name": "noop", "description": "", "parameters": {}}},
    {"name": "flat", "description": "without wrapper", "parameters": {"zeta": 1e-7, "alpha": [1, 2.50, None, True]}},
]
ARGUMENTS = [{"city": "Köln", "days": 2}, {}, {"nested": {"b": [1.5, None, False], "a": "x\ny"}}, '{"city": "Berlin"}', "", "not json",
             {"big": 12345678901234567890123, "tiny": 1e-300, "neg": -0.0}]


def text(rng):
    return rng.choice(TEXTS)


def content(rng):
    kind = rng.random()
    if kind < 0.82:
        return text(rng)
    if kind < 0.94:
        parts = [{"type": "text", "text": text(rng)} for _ in range(rng.randint(0, 3))]
        if rng.random() < 0.4:
            parts.insert(rng.randint(0, len(parts)), {"type": "image"})
        return parts
    return rng.choice([None, 5, {"content": "inner"}, [], True])


def call(rng):
    function = {"name": rng.choice(["get_weather", "noop", "brave_search"]), "arguments": rng.choice(ARGUMENTS)}
    kind = rng.random()
    if kind < 0.6:
        return {"id": rng.choice(["abcdefghi", "call_1", "123456789"]), "type": "function", "function": function}
    return {"type": "function", "function": function} if kind < 0.8 else function


def assistant(rng):
    message = {"role": "assistant", "content": content(rng)}
    if rng.random() < 0.15:
        message["reasoning_content"] = rng.choice(["Let me see.\n", "", "step 1\nstep 2", None])
    elif rng.random() < 0.1:
        message[rng.choice(["thinking", "reasoning"])] = "deep thought"
    if rng.random() < 0.2:
        message["tool_calls"] = rng.choice([[call(rng)], [call(rng), call(rng)], [], None])
        if rng.random() < 0.4:
            message["content"] = rng.choice([None, ""])
        if rng.random() < 0.2:
            del message["content"]
    return message


def conversation(rng):
    messages = []
    if rng.random() < 0.4:
        messages.append({"role": "system", "content": content(rng)})
    if rng.random() < 0.75:
        for _ in range(rng.randint(1, 4)):
            messages.append({"role": "user", "content": content(rng)})
            reply = assistant(rng)
            messages.append(reply)
            if reply.get("tool_calls"):
                for c in reply["tool_calls"]:
                    tool = {"role": rng.choice(["tool", "tool", "ipython", "tool_response"]), "content": content(rng)}
                    if rng.random() < 0.7:
                        tool["tool_call_id"] = c.get("id", "abcdefghi")
                    if rng.random() < 0.3:
                        tool["name"] = "get_weather"
                    messages.append(tool)
                if rng.random() < 0.8:
                    messages.append(assistant(rng))
        if rng.random() < 0.5:
            messages.pop()
    else:
        for _ in range(rng.randint(1, 5)):
            messages.append({"role": rng.choice(["user", "assistant", "system", "tool", "context", "developer", "assistant_tool_call"]),
                             "content": content(rng)})
    return messages or [{"role": "user", "content": "x"}]


def request(rng):
    asked = {"messages": conversation(rng), "add_generation_prompt": rng.random() < 0.5}
    if rng.random() < 0.35:
        asked["tools"] = rng.choice([TOOLS[:1], TOOLS[:2], TOOLS, []])
    if rng.random() < 0.05:
        asked["documents"] = [{"title": "T", "text": "Some text"}]
    variables = {}
    for name, values in {"enable_thinking": [True, False], "date_string": ["1 Jan 2025"], "tools_in_user_message": [True, False],
                         "xml_tools": [TOOLS[:1]], "python_tools": [TOOLS[1:]], "builtin_tools": [["brave_search", "code_interpreter"]]}.items():
        if rng.random() < 0.12:
            variables[name] = rng.choice(values)
    if variables:
        asked["variables"] = variables
    return asked


def check_models(paths, count=int(os.environ.get("COUNT", "400"))):
    lathe, total = Lathe(), Tally("models")
    templates = gather(paths)
    for name, source, special in templates:
        rng, tally = random.Random(name), Tally(name)
        for _ in range(count):
            asked = request(rng)
            try:
                expected = render(source, json.loads(json.dumps(asked)), special)
            except Exception as problem:  # whatever Python raises
                expected = problem
            got = lathe.ask({"chat": {"source": source, "special": special}, "request": asked})
            tally.compare(name, expected, got, asked, limit=2)
        for field in ("same", "both_fail", "different"):
            setattr(total, field, getattr(total, field) + getattr(tally, field))
        print("%-70s %4d equal %4d refused %4d different" % (name[-70:], tally.same, tally.both_fail, tally.different))
    print("%d templates" % len(templates))
    return total.report()


# ---- loss masks -------------------------------------------------------------------------------------------------------

STOPS = ["<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|endoftext|>", "</s>", "<｜end▁of▁sentence｜>", "<|end_of_text|>",
         "<|end_of_turn|>", "<turn|>", "<|return|>", "<|END_OF_TURN_TOKEN|>", "<|eot|>"]
OTHER_TOKENS = ["<|END_RESPONSE|>", "<|START_RESPONSE|>"]  # that end no turn
PLAIN = ["Hello!", "Grüße, 世界 👩‍💻", "line one\nline two", "Fine.", "a longer answer with `code` and\n\n- items", " padded ", "42"]


def tidy_conversation(rng, thinking, calls):
    """Alternating turns, as data sets have them."""
    messages = [{"role": "system", "content": "Be brief."}] if rng.random() < 0.4 else []
    for _ in range(rng.randint(1, 4)):
        messages.append({"role": "user", "content": rng.choice(PLAIN)})
        reply = {"role": "assistant", "content": rng.choice(PLAIN)}
        if thinking and rng.random() < 0.5:
            if rng.random() < 0.5:
                reply["content"] = "<think>\nhm\n</think>\n\n" + reply["content"]
            else:
                reply["reasoning_content"] = "let me see"
        messages.append(reply)
        if calls and rng.random() < 0.4:
            reply["tool_calls"] = [{"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": {"x": 1, "y": "z"}}}
                                   for _ in range(rng.randint(1, 2))]
            reply["content"] = rng.choice(["", reply["content"]])
            for c in reply["tool_calls"]:
                messages.append({"role": "tool", "tool_call_id": c["id"], "content": "RESULT_9"})
            messages.append({"role": "assistant", "content": rng.choice(PLAIN)})
    return messages


def fit(text, begin, end):
    """The rule: a span ends with its stop token."""
    for stop in STOPS:
        at = text.rfind(stop, begin, end)
        if at >= 0 and not text[at + len(stop):end].strip():
            return begin, at + len(stop)
    for stop in STOPS:
        if text.startswith(stop, end):
            return begin, end + len(stop)
    return begin, end


def squeeze(text):
    """Falcon's template makes one newline of two."""
    return re.sub(r"\n+", "\n", text)


def ask_mask(lathe, source, special, asked, first=0):
    return lathe.ask({"chat": {"source": source, "special": special}, "request": asked, "mask": True, "tokens": STOPS + OTHER_TOKENS, "first_trained": first})


def joined(pairs):
    """Spans that touch or overlap as one."""
    found = []
    for begin, end in pairs:
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def trained(answer):
    data = answer["text"].encode()
    return [data[a:b].decode() for a, b in joined(answer["spans"])]


def check_marked(lathe, name, marked, special, rng, count, tally):
    for _ in range(count):
        asked = {"messages": tidy_conversation(rng, "qwen3" in name, "qwen" in name)}
        try:
            text, indices = render(marked, asked, special, spans=True)
        except Exception as problem:
            tally.compare(name, problem, ask_mask(lathe, marked, special, asked), asked)
            continue
        expected = [text[a:b] for a, b in joined(fit(text, *pair) for pair in indices)]
        got = ask_mask(lathe, marked, special, asked)
        spans = {"text": json.dumps(trained(got))} if "text" in got else got
        tally.compare(name, json.dumps(expected), spans, asked)


def check_derived(lathe, name, stock, marked, special, rng, count, tally):
    """Turn by turn: what is trained is the same, up to blanks in front that are part of the stock generation prompt."""
    for _ in range(count):
        asked = {"messages": tidy_conversation(rng, False, "qwen" in name)}
        derived, reference_mask = ask_mask(lathe, stock, special, asked), ask_mask(lathe, marked, special, asked)
        if "error" in reference_mask:
            tally.compare(name, Exception(reference_mask["error"]), derived, asked)
            continue
        if "error" in derived or derived["text"] != reference_mask["text"]:
            continue  # the marked variant writes another text (Qwen3 keeps all thoughts)
        expected = [t.lstrip("\n") for t in trained(reference_mask)]
        tally.compare(name, json.dumps(expected), {"text": json.dumps([t.lstrip("\n") for t in trained(derived)])}, [asked, derived])


def check_any(lathe, name, source, special, rng, count, tally):
    """Every template that takes a conversation: each reply is trained, once, and ends with its stop token if there is one."""
    for _ in range(count):
        asked = {"messages": tidy_conversation(rng, rng.random() < 0.3, False)}
        if rng.random() < 0.3:
            asked["tools"] = TOOLS[:2]
        try:
            text = render(source, asked, special)
        except Exception as problem:
            tally.compare(name, problem, ask_mask(lathe, source, special, asked), asked)
            continue
        got = ask_mask(lathe, source, special, asked)
        replies = [m["content"].split("</think>")[-1].strip() for m in asked["messages"] if m["role"] == "assistant"]
        spans = trained(got)
        good = len(spans) == len(replies) and all(squeeze(r) in squeeze(s) for r, s in zip(replies, spans)) and got["lost"] == 0
        for s in spans:
            good = good and not re.search(r"Be brief|<\|im_start\|>|<start_of_turn>|\[INST\]|<\|user\|>|### Instruction", s)
            good = good and (got["without_stop"] > 0 or any(s.endswith(stop) for stop in STOPS))
            good = good and (sum(s.count(stop) for stop in STOPS) <= 1 or "let me see" in s)  # gpt-oss ends the analysis too
        if got["text"] != text:
            good = False
        tally.compare(name, "good", {"text": "good" if good else json.dumps(got)}, asked, limit=3)


def check_calls(lathe, name, source, special, rng, count, tally):
    """Conversations with tool calls: nothing of another role is trained, and no turn gets lost silently."""
    for _ in range(count):
        asked = {"messages": tidy_conversation(rng, rng.random() < 0.3, True), "tools": TOOLS[:2]}
        for message in asked["messages"]:
            if message["role"] == "user":
                message["content"] = "QUESTION_7 " + message["content"]
        try:
            text = render(source, asked, special)
        except Exception as problem:
            tally.compare(name, problem, ask_mask(lathe, source, special, asked), asked)
            continue
        got = ask_mask(lathe, source, special, asked)
        spans = trained(got)
        replies = [m for m in asked["messages"] if m["role"] == "assistant"]
        good = got["text"] == text and len(spans) + got["lost"] == got["turns"] == len(replies)
        good = good and not any(re.search(r"RESULT_9|QUESTION_7|Be brief|<\|im_start\|>|<start_of_turn>", s) for s in spans)
        if got["lost"] == 0:
            good = good and all(r.get("tool_calls") or squeeze(r["content"].split("</think>")[-1].strip()) in squeeze(s) for r, s in zip(replies, spans))
        tally.compare(name, "good", {"text": "good" if good else json.dumps(got)}, asked, limit=2)


def check_masks(paths, count=int(os.environ.get("COUNT", "150"))):
    lathe, ok = Lathe(), True
    templates = gather(paths)
    sources = {name: source for name, source, _ in templates}
    for name, source, special in templates:
        rng = random.Random(name)
        stock = re.sub("[-_]training", "", name)
        tallies = []
        if "{%- generation" in source or "{% generation" in source:
            tallies.append(Tally("%s: marks as transformers" % name))
            check_marked(lathe, name, source, special, rng, count, tallies[-1])
            if stock in sources:
                tallies.append(Tally("%s: derived as marked" % stock))
                check_derived(lathe, stock, sources[stock], source, special, rng, count, tallies[-1])
        tallies.append(Tally("%s: every reply" % name))
        check_any(lathe, name, source, special, rng, count, tallies[-1])
        tallies.append(Tally("%s: tool calls" % name))
        check_calls(lathe, name, source, special, rng, count, tallies[-1])
        for tally in tallies:
            ok = tally.report() and ok
    return ok


# ---- the language -----------------------------------------------------------------------------------------------------

def run_template(source, context):
    try:
        return reference._cached_compile_jinja_template(source).render(**copy.deepcopy(context))  # the filter indent changes lists
    except RecursionError:
        return None
    except Exception as problem:
        return problem


def check_language(count, seed):
    lathe, tally, skipped = Lathe(), Tally("language"), 0
    written = template_language.WRITTEN + (list(template_language.exhaustive()) if count == 0 else [])
    for source in list(written) + list(template_language.random_templates(count, seed)):
        expected = run_template(source, template_language.CONTEXT)
        got = lathe.ask({"template": source, "context": template_language.CONTEXT})
        addresses = isinstance(expected, str) and re.search(r"0x[0-9a-f]{8}|<class |built-in|<function", expected.lower())
        sets = re.search(r"(keys|items)\(\)\) -", source)  # differences of views are sets, which templates have no use for
        wide = sets or "64 bits" in got.get("error", "") or "not supported" in got.get("error", "")
        if expected is None or addresses or (wide and not isinstance(expected, Exception)):
            skipped += 1
            continue
        tally.compare("template", expected, got, {"template": source}, limit=100)
    print("%d skipped: they print addresses, or need integers beyond 64 bits" % skipped)
    return tally.report()


# ---- expected values for the unit tests --------------------------------------------------------------------------------

CHAT_SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
CHAT_REQUESTS = [
    {"messages": [{"role": "user", "content": "Hi"}]},
    {"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": True},
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": " Grüße, 世界 👩‍💻\n"}], "add_generation_prompt": True},
    {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"},
                  {"role": "assistant", "content": " d \n"}]},
    {"messages": [{"role": "assistant", "content": "out of turn"}]},
    {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nx"}, {"role": "user", "content": "r"},
                  {"role": "assistant", "content": "y", "reasoning_content": "so"}, {"role": "user", "content": "s"}], "add_generation_prompt": True,
     "variables": {"enable_thinking": False}},
    {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": None, "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": {"z": [1, 2.0, None, True], "a": "ü\"\n"}}}]},
        {"role": "tool", "content": "4"}, {"role": "assistant", "content": "It is 4.", "thinking": "sure"}], "tools": TOOLS},
    {"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}]},
    {"messages": [{"role": "user"}, {"role": "assistant", "content": "no question"}]},
    {"messages": []},
]


def record():
    language = []
    sample = random.Random(1).sample(list(template_language.exhaustive()), 500)
    for source in template_language.WRITTEN + sample:
        expected = run_template(source, template_language.CONTEXT)
        if isinstance(expected, str) and re.search(r"0x[0-9a-f]{8}|<class |built-in|<function|[0-9]{19}", expected):
            continue
        if re.search(r"(keys|items)\(\)\) -", source):
            continue
        language.append([source, expected if isinstance(expected, str) else None])
    write_json("tests/data/jinja/language.json", {"context": template_language.CONTEXT, "cases": language})
    chat = []
    for file in sorted(glob.glob("tests/data/chat/*.jinja")):
        source = open(file, encoding="utf-8").read()
        for asked in CHAT_REQUESTS:
            case = {"template": os.path.basename(file), "request": asked}
            try:
                case["text"], indices = render(source, json.loads(json.dumps(asked)), CHAT_SPECIAL, spans=True)
                if indices:
                    case["marked"] = [case["text"][a:b] for a, b in indices]
            except Exception as problem:
                case["error"] = str(problem) if type(problem).__name__ == "TemplateError" else ""
            chat.append(case)
    write_json("tests/data/chat/cases.json", {"special": CHAT_SPECIAL, "cases": chat})


def write_json(path, value):
    """One case a line."""
    with open(path, "w", encoding="utf-8") as file:
        head = {k: v for k, v in value.items() if k != "cases"}
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "cases": [\n')
        file.write(",\n".join(json.dumps(case, ensure_ascii=False) for case in value["cases"]) + "\n]}\n")


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("models", "masks", "fuzz", "record"):
        sys.exit(__doc__)
    ok = True
    if sys.argv[1] == "record":
        record()
    elif sys.argv[1] == "models":
        ok = check_models(sys.argv[2:])
    elif sys.argv[1] == "masks":
        ok = check_masks(sys.argv[2:])
    elif sys.argv[1] == "fuzz":
        numbers = [int(a) for a in sys.argv[2:]]
        ok = check_language(*(numbers + [3000, 1][len(numbers):]))
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
