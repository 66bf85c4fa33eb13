"""Samples that are made once, with what a vision tower that stays as it is sees in them, for runs that are compared with each other: each learns
from the same, and at the cost of the language model alone."""
import random

import torch

import batches
import network

POWERS = {"token": 0, "sqrt": 1, "sample": 2}  # of the square root's weight, which are kept


def looked_at(net, part, half=True):
    """The part of a step with `seen` in place of its pictures: what the tower's mergers gave, [1 + taps, rows, hidden],
    computed in bfloat16 (half) or in float32."""
    kept = {k: v for k, v in part.items() if k not in ("pixels", "names", "boxes")} | {"grid": None}
    if "pixels" in part:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            rows, _ = net.model.visual(part["pixels"], network.grid_of(part, net.s))
        kept["seen"] = torch.stack([v.flatten(0, 1) for v in rows])
    return kept


def make(net, stream, steps):
    """So many of the stream's steps, looked at."""
    data = iter(torch.utils.data.DataLoader(batches.Steps(stream), batch_size=None, num_workers=1, prefetch_factor=6))
    made = []
    for _ in range(steps):
        made.append([looked_at(net, part) for part in next(data)])
    return made


def steps(file, weighting, seed, first):
    """Endless steps of a corpus in an order of the seed's, from the first-th on."""
    made, rng, done = torch.load(file, mmap=True), random.Random(seed), 0
    while True:
        for parts in rng.sample(made, len(made)):
            done += 1
            if done > first:
                yield [part | {"weight": part["weight"] ** POWERS[weighting]} for part in parts]
