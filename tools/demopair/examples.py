#!/usr/bin/env python3
"""Writes what shows and tests the pair, from held-out samples and transformers' own float32 answers:

  examples/<skill>.json, .png   a request for curl and its picture, one a skill, answered rightly by both variants' weights
  internal/demopair/examples.json   the list of them, which the daemon greets with
  e2e/testdata/demo.jsonl       requests with the answers of transformers, which the engine must repeat

  python tools/demopair/examples.py --instruct work/instruct --thinking work/thinking [--url http://127.0.0.1:8080]

An example that the daemon at --url still answers as it was told stays as it is: documents show it, and suites of clients know its answer.
"""
import argparse
import json
import pathlib

import torch
from PIL import Image

import batches
import checks
import evaluate
import questions
from check import transformers_answer
from export import ROOT, transformers_model
from train import TEMPLATE

# What the daemon shows: skill, title, and which model is asked.
SHOWN = {"colour": "colour", "shape": "shape", "count": "counting", "where": "position", "larger": "size", "number": "reading a number", "describe": "description",
         "word": "reading a word", "mouse_number": "a number by mouse", "box": "grounding", "chart": "bar chart", "compare": "two pictures", "motion": "motion (frames)", "change": "time (frames)", "sum": "sum, thinking",
         "points": "weighed counts, thinking", "chain": "arithmetic chain, thinking", "arithmetic": "arithmetic", "tool": "tool call"}
LIST = ROOT / "internal/demopair/examples.json"
REASONING = ("sum", "points", "chain")
MOST_BYTES = 16_000
MOST_TRIES = 5  # what is answered rightly more seldom is not shown


def right(sample, text):
    check = sample.turns[-1].check
    return text == sample.turns[-1].answer if check["kind"] in ("call", "all", "json") else checks.right(check, text)


def strip(sample):
    """The sample's frames side by side: its picture."""
    frames = [g[0] for g in sample.visuals]
    out = Image.new("RGB", (sum(f.width for f in frames) + 4 * (len(frames) - 1), max(f.height for f in frames)), "white")
    x = 0
    for f in frames:
        out.paste(f, (x, 0))
        x += f.width + 4
    return out


def kept(url, skills=None):
    """What the daemon at url still answers as the list tells, by skill; of those skills alone where they are named."""
    client, out = evaluate.Client(url), {}
    for e in json.loads(LIST.read_text()):
        if skills and e["skill"] not in skills:
            continue
        m = client.ask(json.loads((ROOT / f"examples/{e['skill']}.json").read_text()) | {"stream": False})["choices"][0]["message"]
        calls = [c["function"]["arguments"] for c in m.get("tool_calls") or []]
        if m["content"] == e["answer"] or any(c in e["answer"] for c in calls):
            out[e["skill"]] = e
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instruct", type=pathlib.Path, required=True)
    parser.add_argument("--thinking", type=pathlib.Path, required=True)
    parser.add_argument("--url", help="of a daemon with these weights")
    parser.add_argument("--each", type=int, default=3, help="golden samples a skill")
    a = parser.parse_args()
    weights = {"instruct": transformers_model(a.instruct), "thinking": transformers_model(a.thinking)}
    encoder = batches.Encoder(weights["instruct"][1], TEMPLATE.read_text())
    shown, golden, stay = [], [], kept(a.url) if a.url else {}
    (ROOT / "examples").mkdir(exist_ok=True)
    (ROOT / "e2e/testdata").mkdir(exist_ok=True)
    for skill in questions.MAKERS:
        tries, recorded, found = 0, 0, skill not in SHOWN or skill in stay
        shown += [stay[skill]] if skill in stay else []
        for sample in evaluate.samples(skill, 60):
            if tries == MOST_TRIES or recorded >= a.each and found:
                break
            if len(sample.turns) > 1 or len(json.dumps(evaluate.request_of(sample, ""))) > MOST_BYTES:
                continue
            said = {v: transformers_answer(*m, encoder, sample, v == "thinking") for v, m in weights.items()}
            tries += 1
            good = {v: right(sample, text) for v, (_, text) in said.items()}
            if recorded < a.each and skill != "tool":
                recorded += 1
                golden.append({"skill": skill, "request": evaluate.request_of(sample, ""), "answer": sample.turns[-1].answer,
                               **{v: {"thoughts": t, "text": s, "right": good[v]} for v, (t, s) in said.items()}})
            by = "thinking" if skill in REASONING else "instruct"
            typed = sample.turns[-1].ask.endswith(("?", ".", "？", "。"))  # as one writes it down
            if not found and good[by] and typed and (skill == "box" or said[by][1] == sample.turns[-1].answer):  # boxes are right within a few thousandths
                found = True
                request = evaluate.request_of(sample, "qwen3-vl-" + by)
                (ROOT / f"examples/{skill}.json").write_text(json.dumps(request, ensure_ascii=False) + "\n")
                if sample.visuals:
                    strip(sample).save(ROOT / f"examples/{skill}.png", optimize=True)
                shown.append({"skill": skill, "title": SHOWN[skill], "ask": sample.turns[-1].ask, "answer": said[by][1], "picture": bool(sample.visuals)})
        print(skill, "example" if skill in SHOWN and found else "", flush=True)
    shown += [e for skill, e in stay.items() if skill not in SHOWN]  # the film, which check_video.py makes
    LIST.write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n")
    with (ROOT / "e2e/testdata/demo.jsonl").open("w") as f:
        for g in golden:
            f.write(json.dumps(g, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
