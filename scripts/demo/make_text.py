#!/usr/bin/env python3
"""The texts behind the model that ships: a small world, a café, told in many ways.

    make_text.py OUT_DIR

OUT_DIR/pretrain.jsonl   {"text"}: dialogues, stories, kitchen notes and bills; what the model is trained on from scratch
OUT_DIR/heldout.jsonl    the same, for its evaluation
OUT_DIR/orders-train.jsonl, orders-dev.jsonl, orders-test.jsonl
                         {"prompt", "completion"}: an order in a customer's words, and the same as JSON. Nothing in the pre-training
                         text is JSON, so this is what `make demo` teaches. The orders of dev and test do not occur in train.
Everything is drawn from a fixed seed with the standard library alone: the same files come out everywhere.
"""
import json, os, random, sys

NAMES = ("Anna Omar Lena Ravi Mia Noah Zoe Ivan Ada Hugo Sara Finn Nina Paul Iris Karl Maya Emil Rosa Jon Lily Amir Ella Max Vera Leo "
         "Ida Tom Wanda Sami Clara Ben Freya Otto June Igor Alma Theo Nora Yuri").split()
ITEMS = "latte tea coffee cocoa muffin bagel cookie sandwich soup salad juice waffle".split()
SIZES = ["small", "medium", "large"]
NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
PRICE = {i: 2 + k % 5 for k, i in enumerate(ITEMS)}
WEATHER = ["rainy", "sunny", "windy", "cold", "quiet", "busy", "foggy", "bright"]
PLACES = ["by the window", "near the door", "in the corner", "at the counter", "on the terrace", "under the clock"]


def plural(item, n):
    if n == 1:
        return item
    return item + ("es" if item.endswith("ch") or item.endswith("s") else "s")


def article(word):
    return "an" if word[0] in "aeiou" else "a"


def words(count, size, item):
    """A count, a size and an item as people say it."""
    if count == 1:
        return f"{article(size)} {size} {item}"
    return f"{NUMBERS[count]} {size} {plural(item, count)}"


def order(rng, lines=None):
    n = lines or rng.choice([1, 1, 2, 2, 3])
    return [(rng.randint(1, 6), rng.choice(SIZES), item) for item in rng.sample(ITEMS, n)]


def join(parts):
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def spoken(o):
    return join([words(*line) for line in o])


def note(o):
    return ", ".join(f"{c} {s} {i}" for c, s, i in o)


def ask(rng, name, o):
    t = spoken(o)
    return rng.choice([
        f"Hi, I would like {t}, please. The name is {name}.",
        f"Could I get {t}? It is for {name}.",
        f"Good morning! {t[0].upper() + t[1:]} for {name}, please.",
        f"I am {name}. Can I have {t}, please?",
        f"{name} here. I will take {t}.",
        f"Hello, {t} for {name}, thank you.",
        f"May I order {t}? My name is {name}.",
    ])


def dialogue(rng):
    name, o = rng.choice(NAMES), order(rng)
    total = sum(c * PRICE[i] for c, _, i in o)
    answer = rng.choice([f"So that is {spoken(o)} for {name}.", f"Sure, {name}: {spoken(o)}.", f"{spoken(o)[0].upper() + spoken(o)[1:]} for {name}, right away."])
    end = rng.choice([f"That will be {total} coins.", f"{total} coins, please.", "Anything else?\nCustomer: No, that is all."])
    return f"Customer: {ask(rng, name, o)}\nBarista: {answer} {end}\nKitchen note: {name}, {note(o)}."


def story(rng):
    name, friend = rng.sample(NAMES, 2)
    o, p = order(rng, 1), order(rng, 1)
    he = rng.choice(["He", "She"])
    return (f"On a {rng.choice(WEATHER)} morning {name} walked into the café and sat down {rng.choice(PLACES)}. {he} ordered {spoken(o)}. "
            f"A little later {friend} came in and asked for {spoken(p)}. The barista brought {spoken(o)} to {name} and {spoken(p)} to {friend}. "
            + rng.choice([f"They talked until noon.", f"{name} paid and went home.", f"{friend} read the paper and said nothing.", "Everyone was happy."]))


def bill(rng):
    name, o = rng.choice(NAMES), order(rng)
    lines = [f"{c} {s} {plural(i, c)}: {c} times {PRICE[i]} is {c * PRICE[i]} coins" for c, s, i in o]
    return f"The bill for {name}. " + ". ".join(lines) + f". In all {sum(c * PRICE[i] for c, _, i in o)} coins."


def notes(rng):
    out = []
    for _ in range(rng.randint(2, 4)):
        name, o = rng.choice(NAMES), order(rng)
        out.append(f"{ask(rng, name, o)}\nKitchen note: {name}, {note(o)}.")
    return "\n".join(out)


def task(rng):
    name, o = rng.choice(NAMES), order(rng)
    answer = {"name": name, "items": [{"count": c, "size": s, "item": i} for c, s, i in o]}
    return {"prompt": f"Order: {ask(rng, name, o)}\nJSON:", "completion": " " + json.dumps(answer)}, (name, tuple(o))


def write(path, rows):
    with open(path, "w", encoding="utf-8") as fh:
        fh.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    rng = random.Random(20240)
    kinds = [dialogue, dialogue, story, bill, notes]
    write(out + "/pretrain.jsonl", ({"text": rng.choice(kinds)(rng)} for _ in range(60000)))
    write(out + "/heldout.jsonl", ({"text": rng.choice(kinds)(rng)} for _ in range(200)))
    seen, parts = set(), []
    for n in (400, 60, 60):
        rows = []
        while len(rows) < n:
            row, key = task(rng)
            if key not in seen:
                seen.add(key)
                rows.append(row)
        parts.append(rows)
    for name, rows in zip(("train", "dev", "test"), parts):
        write(f"{out}/orders-{name}.jsonl", rows)


if __name__ == "__main__":
    main()
