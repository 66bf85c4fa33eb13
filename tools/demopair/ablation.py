#!/usr/bin/env python3
"""Compares the three weightings of the loss (token 1, sample 1/n, square root 1/sqrt(n), n being an answer's tokens) at equal compute: new
language models behind the vision tower of the weights in this repository, the same steps of the same samples, three seeds each (of the
starting weights and of the order), and long enough that reasoning is learnt.

  python tools/demopair/ablation.py --work work [--steps 1000] [--seeds 1,2,3] [--at-once 2]

Pictures are drawn and looked at once (corpus.py), so that a run costs what its language model costs: minutes of a CPU's core. What it
learns is fewer skills than the demo pair's, in English: those of GROUPS. Runs go to WORK/weigh-HOW-SEED and are resumed; the table goes to
WORK/ablation.md: word for word right, means over seeds with 95% intervals (Student's t), and the difference to the square root of the same
seed with its interval.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import sys

import torch
from tokenizers import Tokenizer

import batches
import corpus
import grounds
import network
import questions
import tokens
import train

HERE = pathlib.Path(__file__).resolve().parent
HOW = {"sqrt": "square root (1/√n)", "token": "token (1)", "sample": "sample (1/n)"}
GROUPS = {
    "pictures, short answers": ["colour", "shape", "count", "larger", "number"],
    "pictures, long answers": ["describe"],
    "text": ["greet", "arithmetic"],
    "reasoning": ["sum", "range", "points", "chain"],
}
SKILLS = [s for g in GROUPS.values() for s in g]
MIX = {s: 0.0 for s in questions.MAKERS} | {s: train.MIX.get(s, 1.0) for s in SKILLS} | {"sum": 3, "range": 3}
T95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}  # by the number of seeds


def interval(values):
    """The mean and half the width of its 95% interval."""
    if len(values) < 2:
        return values[0], float("nan")
    return statistics.mean(values), T95[len(values)] * statistics.stdev(values) / len(values) ** 0.5


class Made:
    """What the process that draws makes: steps of the skills compared."""

    def __call__(self, worker):
        torch.set_num_threads(1)
        encoder = batches.Encoder(Tokenizer.from_file(str(tokens.FILE)), train.TEMPLATE.read_text())
        return batches.Stream(encoder, batches.seed_of("ablation", worker), MIX, (48, 0, 24), 0.5, "sqrt", languages=0, alike=4)


def prepare(a):
    """The tower, as a run to start from, and the samples. Their files."""
    tower, file = a.work / "tower", a.work / "corpus.pt"
    if not (tower / "checkpoint.pt").exists():
        subprocess.run([sys.executable, str(HERE / "shipped.py"), "thinking", "--out", str(tower)], check=True)
    if not file.exists():
        state = torch.load(tower / "checkpoint.pt", weights_only=False)
        net = network.Network(state["shape"])
        net.load_state_dict(state["net"])
        grounds.prepare()
        torch.save(corpus.make(net, Made(), a.corpus), file.with_suffix(".tmp"))
        file.with_suffix(".tmp").rename(file)
    return tower, file


def run(a, tower, file, how, seed):
    """A run's results: {variant: {group: percent}}."""
    out = a.work / f"weigh-{how}-{seed}"
    env = os.environ | {"OMP_NUM_THREADS": str(a.threads)}
    subprocess.run([sys.executable, str(HERE / "train.py"), "base", "--out", str(out), "--start", str(tower), "--fresh-language", "--corpus", str(file), "--steps", str(a.steps),
                    "--seed", str(seed), "--weighting", how, "--device", "cpu", "--threads", str(a.threads)], check=True, env=env)
    result = {}
    for variant in ("instruct", "thinking"):
        measured = out / f"{variant}.json"
        if not measured.exists():
            subprocess.run([sys.executable, str(HERE / "parts.py"), "--run", str(out), "--rows", "as trained", "--n", str(a.n), "--out", str(measured),
                            "--skills", ",".join(SKILLS), *(["--thinking"] if variant == "thinking" else [])], check=True, stdout=subprocess.DEVNULL, env=env)
        table = json.loads(measured.read_text())
        result[variant] = {g: statistics.mean(table[s]["as trained"] for s in skills) for g, skills in GROUPS.items()}
    print(how, seed, json.dumps(result), flush=True)
    return result


def table(results):
    """results[how][seed] as Markdown: the mean of each group, and what each weighting gains on the square root of its own seed."""
    lines = ["| mean of | " + " | ".join(HOW.values()) + " | token − √n | sample − √n |", "| --- |" + " --- |" * (len(HOW) + 2)]
    for variant in ("instruct", "thinking"):
        for group in GROUPS:
            if variant == "instruct" and group == "reasoning":
                continue  # it cannot be right in one breath
            values = {how: [r[variant][group] for r in by_seed.values()] for how, by_seed in results.items()}
            cells = [interval(v) for v in values.values()]
            cells += [interval([x - y for x, y in zip(values[how], values["sqrt"])]) for how in ("token", "sample")]
            lines.append(f"| {group}, {variant} | " + " | ".join(f"{m:.1f} ± {w:.1f}" for m, w in cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("work"))
    parser.add_argument("--corpus", type=int, default=1000, help="steps of samples that are made, each of 48 pictures and 24 texts")
    parser.add_argument("--steps", type=int, default=1000, help="steps of a run")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--n", type=int, default=200, help="questions a skill")
    parser.add_argument("--at-once", type=int, default=2, help="runs beside each other")
    parser.add_argument("--threads", type=int, default=1, help="of each run")
    a = parser.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    seeds = [int(s) for s in a.seeds.split(",")]
    tower, file = prepare(a)
    with concurrent.futures.ThreadPoolExecutor(a.at_once) as pool:
        waiting = {how: {} for how in HOW}
        for seed in seeds:
            for how in HOW:
                waiting[how][seed] = pool.submit(run, a, tower, file, how, seed)
        results = {how: {seed: w.result() for seed, w in by_seed.items()} for how, by_seed in waiting.items()}
    text = table(results)
    (a.work / "ablation.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
