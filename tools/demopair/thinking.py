#!/usr/bin/env python3
"""Measures on a running daemon what thinking costs and buys: time, tokens and right answers of both variants for each skill, and how right
answers grow with the thinking budget.

  make run &   # in another terminal
  python tools/demopair/thinking.py [--n 60] [--budgets 0,4,8,...] [--out work/thinking.json]

Held-out questions, asked greedily, one at a time; the variants and budgets take turns, so that a busy machine slows all of them alike.
"""
import argparse
import http.client
import json
import math
import pathlib
import statistics
import time
import urllib.parse

import checks
import evaluate
import questions
import routed

EASY = ["colour", "where", "count"]
UNBOUNDED = "none"


def stream(url, body):
    """One answer: its text and calls, tokens, and seconds until the answer begins (thoughts do not count) and until it ends."""
    at = urllib.parse.urlparse(url)
    c = http.client.HTTPConnection(at.hostname, at.port, timeout=300)
    start, first, text, calls, usage = time.monotonic(), None, "", {}, {}
    try:
        c.request("POST", "/v1/chat/completions", json.dumps(body | {"stream": True, "stream_options": {"include_usage": True}}),
                  {"Content-Type": "application/json"})
        r = c.getresponse()
        if r.status != 200:
            raise RuntimeError(f"status {r.status}: {r.read()}")
        for line in r:
            if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                continue
            chunk = json.loads(line[6:])
            usage = chunk.get("usage") or usage
            for choice in chunk["choices"]:
                delta = choice["delta"]
                if first is None and (delta.get("content") or delta.get("tool_calls")):
                    first = time.monotonic() - start
                text += delta.get("content") or ""
                for call in delta.get("tool_calls") or []:
                    f = calls.setdefault(call["index"], {"name": "", "arguments": ""})
                    for k in f:
                        f[k] += call["function"].get(k) or ""
    finally:
        c.close()
    took = time.monotonic() - start
    return {"text": text, "calls": list(calls.values()), "tokens": usage["completion_tokens"], "first": first or took, "took": took}


def timed(url, sample, model):
    r = stream(url, evaluate.request_of(sample, model))
    return r | {"right": checks.right(sample.turns[-1].check, r["text"], r["calls"])}


def bounded(client, sample, budget):
    """An answer within a thinking budget. What ended the block is known at the end, so streams do not tell it."""
    more = {} if budget == UNBOUNDED else {"thinking_budget": int(budget)}
    r = client.ask(evaluate.request_of(sample, "qwen3-vl-thinking") | more)
    text = r["choices"][0]["message"]["content"] or ""
    return {"right": checks.right(sample.turns[-1].check, text), "text": text, "tokens": r["usage"]["completion_tokens"],
            "cut": r["routing"].get("closed_by") == "budget"}


def sign_test(gained, lost):
    """The two-sided probability of so uneven a split, if thinking made no difference."""
    n, k = gained + lost, min(gained, lost)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2 ** n) if n else 1.0


def mean(rows, key):
    return sum(r[key] for r in rows) / len(rows)


def median(rows, key):
    return statistics.median(r[key] for r in rows)


def compare(name, instruct, thinking):
    gained = sum(b["right"] and not a["right"] for a, b in zip(instruct, thinking))
    lost = sum(a["right"] and not b["right"] for a, b in zip(instruct, thinking))
    p = sign_test(gained, lost)
    verdict = "" if p >= 0.05 else "gains" if gained > lost else "hurts"
    wait, first, used = ([f(rows, key) for rows in (instruct, thinking)]
                         for f, key in ((median, "took"), (median, "first"), (mean, "tokens")))
    print(f"| {name} | {100 * mean(instruct, 'right'):.0f}% | {100 * mean(thinking, 'right'):.0f}% | {gained} / {lost} | {p:.2g} "
          f"| {verdict} | "
          f"{1000 * wait[0]:.0f} / {1000 * wait[1]:.0f} ms | {wait[1] / wait[0]:.1f} | {1000 * first[0]:.0f} / {1000 * first[1]:.0f} ms | "
          f"{used[0]:.0f} / {used[1]:.0f} | {used[1] / used[0]:.1f} |", flush=True)


def both(a, skills):
    print("| skill | instruct right | thinking right | gained / lost | p | thinking | median latency | ratio | answer begins after "
          "| tokens | ratio |\n|---|---|---|---|---|---|---|---|---|---|---|")
    table = {}
    for skill in skills:
        rows = [[timed(a.url, s, f"qwen3-vl-{v}") for v in ("instruct", "thinking")] for s in evaluate.samples(skill, a.n)]
        table[skill] = [list(r) for r in zip(*rows)]
        compare(skill, *table[skill])
    for name, some in (("what thinking is for", routed.HARD), ("everything else", [s for s in skills if s not in routed.HARD])):
        got = [table[s] for s in some if s in table]
        if got:
            compare(f"**{name}**", *(sum((g[i] for g in got), []) for i in (0, 1)))
    return table


def sweep(a, skills, budgets):
    print(f"\n| skill | {' | '.join(budgets)} | enough |\n|{'---|' * (len(budgets) + 2)}")
    client, table = evaluate.Client(a.url), {}
    for skill in skills:
        rows = [[bounded(client, s, b) for b in budgets] for s in evaluate.samples(skill, a.n)]
        table[skill] = dict(zip(budgets, (list(r) for r in zip(*rows))))
        right = {b: sum(r["right"] for r in got) for b, got in table[skill].items()}
        # From there on no budget is more than one question short of the best.
        enough = next(b for i, b in enumerate(budgets) if min(right[c] for c in budgets[i:]) >= max(right.values()) - 1)
        cells = (f"{100 * mean(got, 'right'):.0f}% {mean(got, 'tokens'):.0f} ({100 * mean(got, 'cut'):.0f}%)"
                 for got in table[skill].values())
        print(f"| {skill} | {' | '.join(cells)} | {enough} |", flush=True)
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--n", type=int, default=60, help="questions a skill")
    parser.add_argument("--skills", default=",".join(s for s in questions.MAKERS if s != "follow"), help="not conversations, of which only the first question is asked")
    parser.add_argument("--sweep", default=",".join(routed.HARD + EASY), help="skills whose budget is varied")
    parser.add_argument("--budgets", default="0,4,8,16,24,32,48,64,96,128," + UNBOUNDED)
    parser.add_argument("--out", type=pathlib.Path)
    a = parser.parse_args()
    result = {"both": both(a, [s for s in a.skills.split(",") if s]),
              "sweep": sweep(a, [s for s in a.sweep.split(",") if s], a.budgets.split(","))}
    if a.out:
        a.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
