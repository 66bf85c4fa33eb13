#!/usr/bin/env python3
"""Compares the three weightings of the loss (token 1, sample 1/n, square root 1/sqrt(n), n being an answer's tokens) at equal compute: the same
vision tower, a new language model, the same steps of the same samples; three seeds, and long enough that reasoning is learnt.

  python tools/demopair/ablation.py --work work [--device cuda] [--steps 5000] [--seeds 1,2,3]

WORK holds the run `vision`. Runs go to WORK/weigh-HOW-SEED and are resumed; the table goes to WORK/ablation.md: word for word right, means over
seeds with 95% intervals (Student's t), and the difference to the square root of the same seed with its interval.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

import torch

HERE = pathlib.Path(__file__).resolve().parent
HOW = {"token": "token (1)", "sample": "sample (1/n)", "sqrt": "square root (1/√n)"}
GROUPS = {
    "pictures": ["colour", "shape", "count", "where", "larger", "number", "describe", "box"],
    "video": ["motion", "change"],
    "text": ["greet", "unknown", "arithmetic"],
    "reasoning": ["sum", "range", "points", "chain"],
}
T95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}  # by the number of seeds
SIZES = {"cpu": ["48", "12", "24"], "cuda": ["192", "48", "96"]}


def interval(values):
    """The mean and half the width of its 95% interval."""
    if len(values) < 2:
        return values[0], float("nan")
    return statistics.mean(values), T95[len(values)] * statistics.stdev(values) / len(values) ** 0.5


def run(a, how, seed):
    """A run's results: {variant: {group: percent}}."""
    out = a.work / f"weigh-{how}-{seed}"
    subprocess.run([sys.executable, str(HERE / "train.py"), "base", "--out", str(out), "--start", str(a.work / "vision"), "--fresh-language", "--steps", str(a.steps),
                    "--sizes", *SIZES[a.device], "--seed", str(seed), "--weighting", how, "--device", a.device, *(["--eager"] if a.eager else [])], check=True)
    result = {}
    for variant in ("instruct", "thinking"):
        file = out / f"{variant}.json"
        if not file.exists():
            subprocess.run([sys.executable, str(HERE / "parts.py"), "--run", str(out), "--rows", "as trained", "--n", str(a.n), "--out", str(file),
                            "--skills", ",".join(s for g in GROUPS.values() for s in g), *(["--thinking"] if variant == "thinking" else [])],
                           check=True, stdout=subprocess.DEVNULL)
        table = json.loads(file.read_text())
        result[variant] = {g: statistics.mean(table[s]["as trained"] for s in skills) for g, skills in GROUPS.items()}
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
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=5000, help="on a card; a CPU needs as many samples, so four times the steps")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--n", type=int, default=200, help="questions a skill")
    parser.add_argument("--eager", action="store_true", help="do not compile (for short runs)")
    a = parser.parse_args()
    seeds = [int(s) for s in a.seeds.split(",")]
    results = {how: {} for how in HOW}
    for seed in seeds:
        for how in HOW:
            results[how][seed] = run(a, how, seed)
            print(how, seed, json.dumps(results[how][seed]), flush=True)
    text = table(results)
    (a.work / "ablation.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
