#!/usr/bin/env python3
"""Compares always-instruct, always-thinking and routed answers of a running daemon on a mix of easy and hard held-out questions.

  make run &   # in another terminal
  python tools/demopair/routed.py [--n 40] [--skills all] [--quality 1,3,5,7,9] [--out work/routed.json]

The kinds of request take turns, so that a busy machine slows all of them alike. Latency is that of one request at a time. The oracle knows
which answers will be right: no router can do better. --outcomes and --prompts write what `qwenvld router calibrate` reads, about other
questions than those that judge.
"""
import argparse
import base64
import collections
import json
import pathlib
import statistics
import time

import checks
import evaluate
import questions

EASY = ["colour", "shape", "where", "larger", "number", "greet", "unknown", "word"]
HARD = ["sum", "range", "points", "chain"]


def prompts(out, skills, n):
    """Questions with their pictures, and the right answers of those that have one which `calibrate` can compare with."""
    images = out.parent / (out.stem + "-images")
    images.mkdir(parents=True, exist_ok=True)
    lines = []
    for skill in skills:
        for i, s in enumerate(evaluate.samples(skill, n)):
            check = s.turns[-1].check
            if len(s.turns) > 1 or s.tools or s.stamps:
                continue  # these are more than a text with pictures
            line = {"text": s.turns[0].ask, "kind": skill, "lang": s.lang, "source": "demo_pair"}
            if s.visuals:
                line["images"] = []
                for k, group in enumerate(s.visuals):
                    file = images / f"{skill}-{i}-{k}.png"
                    file.write_bytes(base64.b64decode(evaluate.data_uri(group[0]).split(",")[1]))
                    line["images"].append(f"{images.name}/{file.name}")
            if check["kind"] in ("number", "choice"):
                line["answer"] = str(check["expect"])
            elif check["kind"] == "json":
                line["answer"] = json.dumps(check["expect"])
            elif check["kind"] == "all" and len(check["expect"]) == 1:
                line["answer"] = check["expect"][0]
            lines.append(json.dumps(line, ensure_ascii=False))
    out.write_text("\n".join(lines) + "\n")


def oracle(instruct, thinking, keep=1.0):
    """The least that answers at `keep` of thinking's right ones can take: instruct's wherever thinking gains nothing, else the cheapest of
    thinking's until there are enough. Rows are (right, tokens, seconds, thought)."""
    rows, gains = list(instruct), []
    for i, (a, b) in enumerate(zip(instruct, thinking)):
        if b[0] and not a[0]:
            gains.append((b[1] - a[1], i))
    missing = keep * sum(r[0] for r in thinking) - sum(r[0] for r in instruct)
    for done, (_, i) in enumerate(sorted(gains)):
        if done >= missing and keep < 1:
            break
        rows[i] = thinking[i]
    return rows


def table(rows, always):
    accuracy, tokens = sum(r[0] for r in always) / len(always), sum(r[1] for r in always)
    print("| | right | of always thinking | completion tokens | of always thinking | median latency | thought about |\n"
          "|---|---|---|---|---|---|---|")
    for name, got in rows.items():
        right, used = sum(r[0] for r in got) / len(got), sum(r[1] for r in got)
        print(f"| {name} | {100 * right:.1f}% | {100 * right / accuracy:.1f}% | {used} | {100 * used / tokens:.0f}% | "
              f"{1000 * statistics.median(r[2] for r in got):.0f} ms | {100 * sum(r[3] for r in got) / len(got):.0f}% |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--n", type=int, default=40, help="questions a skill")
    parser.add_argument("--skills", default=",".join(EASY + HARD), help="names, or all")
    parser.add_argument("--quality", default="1,3,5,7,9")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--outcomes", type=pathlib.Path, help="write both variants' scores, judged as the evaluation judges, and end")
    parser.add_argument("--prompts", type=pathlib.Path, help="write prompts with pictures and answers, and end")
    a = parser.parse_args()
    names = list(questions.MAKERS) if a.skills == "all" else a.skills.split(",")
    models = ["qwen3-vl-instruct", "qwen3-vl-thinking"] + [f"auto:quality={q}" for q in a.quality.split(",") if q]
    client, rows = evaluate.Client(a.url), collections.defaultdict(list)
    skills = collections.defaultdict(lambda: collections.defaultdict(list))
    if a.outcomes or a.prompts:
        evaluate.SEED += 1  # apart from the questions that judge
        models = models[:2]
    if a.prompts:
        return prompts(a.prompts, names, a.n)
    lines = []
    for skill in names:
        for s in evaluate.samples(skill, a.n):
            if len(s.turns) > 1 and not s.tools:
                continue  # the last question of a conversation is judged, and here only the first is asked
            for model in models:
                body = evaluate.request_of(s, model)
                start = time.monotonic()
                r = client.ask(body)
                took = time.monotonic() - start
                m = r["choices"][0]["message"]
                right = checks.right(s.turns[-1].check, m["content"] or "", [c["function"] for c in m.get("tool_calls") or []])
                thought = r["routing"]["variant"] == "thinking"
                rows[model].append((right, r["usage"]["completion_tokens"], took, thought))
                skills[skill][model].append((right, thought))
            if a.outcomes:
                (weak, short, soon, _), (strong, used, late, _) = rows[models[0]][-1], rows[models[1]][-1]
                content = body["messages"][0]["content"]
                parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
                lines.append(json.dumps(dict(
                    text="\n".join(p["text"] for p in parts if p["type"] == "text"), image=bool(s.visuals), image_count=len(s.visuals),
                    tools=bool(s.tools), lang=s.lang, source="demo_pair", kind=skill, weak=float(weak), strong=float(strong),
                    tokens=used, weak_tokens=short, weak_seconds=round(soon, 4), strong_seconds=round(late, 4))))
    if a.outcomes:
        a.outcomes.write_text("\n".join(lines) + "\n")
        return
    instruct, thinking = (rows[m] for m in models[:2])
    rows["oracle, all that thinking gets right"] = oracle(instruct, thinking)
    rows["oracle, 98% of always thinking"] = oracle(instruct, thinking, 0.98)
    table(rows, thinking)
    if middle := models[2 + len(models[2:]) // 2:][:1]:
        print(f"\nthought about at {middle[0]} (right there, by instruct, by thinking): " + ", ".join(
            f"{k} {share(v[middle[0]], 1)} ({share(v[middle[0]], 0)}, {share(v[models[0]], 0)}, {share(v[models[1]], 0)})"
            for k, v in skills.items()))
    if a.out:
        a.out.write_text(json.dumps(rows, indent=1))


def share(results, at):
    return f"{100 * sum(r[at] for r in results) / len(results):.0f}%"


if __name__ == "__main__":
    main()
