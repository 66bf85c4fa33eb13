#!/usr/bin/env python3
"""Records what transformers computes in float32 with the reference checkpoints at the end of long prompts: 2,000 and 4,000 tokens of
text, and a picture of 1,024 tokens. Rounding errors that a short prompt hides grow with the cells a token attends to.

  python tools/reference/make_depth_reference.py [--out testdata/reference]

The checkpoints are those of make_reference.py. Prompts and the picture are given by formulas that engine/llama/depth_test.go repeats,
so that only logits are kept: those of the last token and of a few before it, in testdata/reference/*/depth.bin.
"""
import argparse
import os

import numpy as np
import torch

from make_reference import CONTROL, VARIANTS, patches, reference_model

LENGTHS = (2000, 4000)
BEFORE_LAST = (0, 1, 100, 499, 999)  # kept positions, counted from the end
SIDE = 1024  # of the picture, in pixels: 32 x 32 tokens


def text_ids(n, size):
    """Ordinary tokens from a linear congruential generator."""
    out, x = [], 12345
    while len(out) < n:
        x = (x * 1103515245 + 12345) % 2 ** 31
        out.append((x >> 8) % size)
    return out


def picture():
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.int64)
    return np.stack([(x * (c + 3) + y * (5 - c) + (x * y >> (5 + c))) % 256 for c in range(3)], -1).astype(np.uint8)


def kept(logits):
    return np.stack([logits[len(logits) - 1 - b] for b in BEFORE_LAST if b < len(logits)])


def record(name, out):
    model, tok = reference_model(name)
    ordinary = tok.get_vocab_size() - 26  # special tokens stand at the end
    assert tok.id_to_token(ordinary) == CONTROL[0]
    arrays = []
    for n in LENGTHS:
        ids = torch.tensor([text_ids(n, ordinary)])
        arrays.append(kept(model(input_ids=ids, use_cache=False).logits[0].numpy()))
    start, end, pad = (tok.token_to_id(f"<|{t}|>") for t in ("vision_start", "vision_end", "image_pad"))
    pixels, grid = patches([picture(), picture()])
    ids = torch.tensor([text_ids(8, ordinary) + [start] + [pad] * (SIDE // 32) ** 2 + [end] + text_ids(24, ordinary)])
    out_ = model(input_ids=ids, mm_token_type_ids=(ids == pad).int(), pixel_values=pixels, image_grid_thw=grid, use_cache=False)
    arrays.append(kept(out_.logits[0].numpy()))
    np.concatenate(arrays).astype("<f4").tofile(f"{out}/depth.bin")
    print(name, [a.shape for a in arrays])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    ap.add_argument("--out", default=os.path.join(root, "testdata", "reference"))
    a = ap.parse_args()
    for name in VARIANTS:
        record(name, os.path.join(a.out, name))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    torch.set_num_threads(2)
    main()
