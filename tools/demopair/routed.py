#!/usr/bin/env python3
"""Compares always-instruct, always-thinking and routed answers of a running daemon on a mix of easy and hard held-out questions.

  make run &   # in another terminal
  python tools/demopair/routed.py [--n 40] [--quality 1,3,5,7,9] [--out work/routed.json]

The three kinds of request take turns, so that a busy machine slows all of them alike. Latency is that of one request at a time.
"""
import argparse
import collections
import json
import pathlib
import statistics
import time

import checks
import evaluate

EASY = ["colour", "shape", "where", "larger", "number", "greet", "unknown", "word"]
HARD = ["sum", "range", "points", "chain"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--n", type=int, default=40, help="questions a skill")
    parser.add_argument("--easy", default=",".join(EASY))
    parser.add_argument("--hard", default=",".join(HARD))
    parser.add_argument("--quality", default="1,3,5,7,9")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--outcomes", type=pathlib.Path, help="write what `qwenvld router calibrate` reads, about other questions, and end")
    a = parser.parse_args()
    models = ["qwen3-vl-instruct", "qwen3-vl-thinking"] + [f"auto:quality={q}" for q in a.quality.split(",")]
    client, rows, skills = evaluate.Client(a.url), collections.defaultdict(list), collections.defaultdict(lambda: collections.defaultdict(list))
    if a.outcomes:
        evaluate.SEED += 1  # apart from the questions that judge
        models = models[:2]
    lines = []
    for skill in a.easy.split(",") + a.hard.split(","):
        for s in evaluate.samples(skill, a.n):
            for model in models:
                start = time.monotonic()
                r = client.ask(evaluate.request_of(s, model))
                took = time.monotonic() - start
                m = r["choices"][0]["message"]
                right = checks.right(s.turns[-1].check, m["content"] or "", [c["function"] for c in m.get("tool_calls") or []])
                thought = r["routing"]["variant"] == "thinking"
                rows[model].append((right, r["usage"]["completion_tokens"], took, thought))
                skills[skill][model].append(thought)
            if a.outcomes:
                (weak, _, _, _), (strong, used, _, _) = rows[models[0]][-1], rows[models[1]][-1]
                lines.append(json.dumps(dict(text=s.turns[0].ask, image=bool(s.visuals), lang="en", source="demo_pair", kind=skill,
                                             weak=float(weak), strong=float(strong), tokens=used)))
    if a.outcomes:
        a.outcomes.write_text("\n".join(lines) + "\n")
        return
    always = rows["qwen3-vl-thinking"]
    accuracy = sum(r[0] for r in always) / len(always)
    tokens = sum(r[1] for r in always)
    print("| | right | of always thinking | completion tokens | of always thinking | median latency | thought about |\n|---|---|---|---|---|---|---|")
    for model in models:
        got = rows[model]
        right, used = sum(r[0] for r in got) / len(got), sum(r[1] for r in got)
        print(f"| {model} | {100 * right:.1f}% | {100 * right / accuracy:.1f}% | {used} | {100 * used / tokens:.0f}% | "
              f"{1000 * statistics.median(r[2] for r in got):.0f} ms | {100 * sum(r[3] for r in got) / len(got):.0f}% |")
    middle = models[2 + len(models[2:]) // 2]
    print(f"\nthought about at {middle}: " + ", ".join(f"{k} {100 * sum(v[middle]) / len(v[middle]):.0f}%" for k, v in skills.items()))
    if a.out:
        a.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
