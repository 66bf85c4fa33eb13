#!/usr/bin/env python3
"""Measures what each part of the architecture is worth: the share of held-out questions that the instruct weights answer word for word,
as trained and with one part computed wrongly.

  python tools/demopair/parts.py --run work/instruct [--n 500]

An answer is word for word right when each of its tokens is the likeliest one after the right ones before it, so one pass decides it.
Without timestamps the `<t seconds>` texts are left out of the prompt.
"""
import argparse
import json
import pathlib

import torch
from tokenizers import Tokenizer

import batches
import evaluate
import network
import questions
import tokens
import train

ROWS = {
    "as trained": {},
    "DeepStack rows zeroed": {"no_deepstack": True},
    "chunked MRoPE": {"chunked": True},
    "half-pixel positions": {"half_pixel": True},
    "no timestamps": {"no_stamps": True},
}


# Thinking's own, and those that the parts do not bear on.
LEFT_OUT = ("sum", "range", "points", "chain", "greet", "unknown", "arithmetic", "tool", "photo", "stray")


class NoStamps(batches.Encoder):
    """Leaves the times of frames out."""

    def text(self, s):
        return [] if s.endswith(" seconds>") else super().text(s)


def share_right(net, encoder, samples, thinking, no_deepstack=False, half_pixel=False, batch=64):
    groups, right = {}, 0
    for s in samples:
        e = encoder.encode(s, thinking)
        groups.setdefault((e.grid, e.pixels.shape if e.pixels is not None else 0), []).append(e)
    for (grid, _), all_of in groups.items():
        for i in range(0, len(all_of), batch):
            b = batches.collate(all_of[i:i + batch], "token")
            g = network.Grid(*grid, net.s, half_pixel=half_pixel) if grid else None
            h = net(b["ids"], b["positions"], b.get("pixels"), b.get("at"), g, no_deepstack=no_deepstack)
            said = net.logits(h.flatten(0, 1)[b["asked"]]).argmax(-1)
            wrong = torch.zeros(len(b["ids"]), dtype=torch.long).index_add(0, b["asked"] // b["ids"].shape[1], (said != b["truth"]).long())
            right += int((wrong == 0).sum())
    return right / len(samples)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=pathlib.Path, required=True)
    parser.add_argument("--thinking", action="store_true")
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--skills", default=",".join(s for s in questions.MAKERS if s not in LEFT_OUT))
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--out", type=pathlib.Path)
    a = parser.parse_args()
    tok = Tokenizer.from_file(str(tokens.FILE))
    state = torch.load(a.run / "checkpoint.pt", weights_only=False, map_location="cpu")
    rows, skills = a.rows.split(","), a.skills.split(",")
    table = {}
    print(f"| skill | {' | '.join(rows)} |\n| --- |{' --- |' * len(rows)}")
    for skill in skills:
        samples = evaluate.samples(skill, a.n)
        table[skill] = {}
        for row in rows:
            how = dict(ROWS[row])
            net = network.Network(state["shape"], chunked=how.pop("chunked", False))
            net.load_state_dict(state["net"])
            encoder = (NoStamps if how.pop("no_stamps", False) else batches.Encoder)(tok, train.TEMPLATE.read_text())
            table[skill][row] = 100 * share_right(net, encoder, samples, a.thinking, **how)
        print(f"| {skill} | {' | '.join(f'{table[skill][r]:.1f}' for r in rows)} |", flush=True)
    if a.out:
        a.out.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
