#!/usr/bin/env python3
"""Draws the prompts of public sources that calibrations must not forget: router/train/public.

    python tools/router/public.py DATA router/train/public

DATA is the folder of labelled prompts that the shipped weights are trained on. Some hundred short prompts of each label of each
source are taken, the same ones every time, of sources whose licence lets their text be passed on with their name alone."""

import hashlib
import json
import pathlib
import sys

# The sources with their licences and where they are from.
SOURCES = {
    "aqua_rat": ("Apache-2.0", "google-deepmind/AQuA"),
    "chatgpt_prompts_zh": ("MIT", "PlexPt/awesome-chatgpt-prompts-zh"),
    "chatterbot": ("BSD-3-Clause", "gunthercox/chatterbot-corpus"),
    "clinc150": ("CC-BY-3.0", "clinc/oos-eval"),
    "followbench_en": ("Apache-2.0", "YJiangcm/FollowBench"),
    "korbench": ("Apache-2.0", "KOR-Bench/KOR-Bench"),
    "math_hendrycks": ("MIT", "deepseek-ai/DeepSeek-Coder"),
    "mathvision": ("MIT", "mathllm/MATH-V"),
    "mmlu": ("MIT", "lm-sys/RouteLLM"),
    "ocrbench": ("MIT", "Yuliang-Liu/MultimodalOCR"),
    "olympiadbench": ("MIT", "OpenBMB/OlympiadBench"),
    "puzzlevqa": ("MIT", "declare-lab/LLM-PuzzleTest"),
    "reasoning_gym": ("Apache-2.0", "open-thought/reasoning-gym-eval"),
    "screenqa": ("CC-BY-4.0", "google-research-datasets/screen_qa"),
    "self_instruct_seed": ("Apache-2.0", "yizhongw/self-instruct"),
    "self_instruct_user": ("Apache-2.0", "yizhongw/self-instruct"),
    "songys_ko": ("MIT", "songys/Chatbot_data"),
    "svamp": ("MIT", "arkilpatel/SVAMP"),
    "theoremqa": ("MIT", "wenhuchen/TheoremQA"),
    "vsr": ("Apache-2.0", "cambridgeltl/visual-spatial-reasoning"),
    "xcopa": ("CC-BY-4.0", "cambridgeltl/xcopa"),
}
EACH = 120
MORE = {"mmlu": 300, "ocrbench": 400, "screenqa": 400, "svamp": 400, "theoremqa": 300, "vsr": 400}  # what other pairs' questions are like
LONGEST = 320  # characters

README = """# Prompts of public sources

`qwenvld router calibrate` moves the router's weights only so far that no kind of prompt it knows is forgotten. The prompts written for
this router are one part of what it looks at; these are the other: some hundred short ones of each label of each source, drawn by
`tools/router/public.py`. The texts are unchanged and keep their licences:

| source | licence | from |
|---|---|---|
"""


def main():
    data, out = map(pathlib.Path, sys.argv[1:])
    out.mkdir(exist_ok=True)
    table = []
    for source, (licence, where) in SOURCES.items():
        chosen = []
        rows = [json.loads(line) for line in (data / f"{source}.jsonl").open()]
        for label in ("instruct", "thinking"):
            fit = [r for r in rows if r["label"] == label and len(r["text"]) <= LONGEST]
            fit.sort(key=lambda r: hashlib.sha256(r["text"].encode()).digest())
            chosen += fit[: MORE.get(source, EACH)]
        with (out / f"{source}.jsonl").open("w") as f:
            for r in chosen:
                f.write(json.dumps(r, ensure_ascii=False) + "\n")
        table.append(f"| {source} | {licence} | {where} |\n")
        print(source, len(chosen))
    (out / "README.md").write_text(README + "".join(table))


if __name__ == "__main__":
    main()
