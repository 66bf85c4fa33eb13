#!/usr/bin/env python3
"""Records what transformers computes for prompts with videos, with the checkpoints of make_reference.py, in float32.

  python tools/reference/make_video_reference.py [--out testdata/reference]

Qwen3VLVideoProcessor chooses the frames and cuts them into patches, Qwen3VLProcessor's arithmetic stamps them. The stamped pairs stand in
the place of the template's whole <|vision_start|><|video_pad|><|vision_end|>, as in transformers 4.57, with which the models came; 5.23
leaves the outer two tokens where they are.
"""
import argparse
import json
import math
import os

import numpy as np
import torch
from transformers import Qwen3VLVideoProcessor
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor

import make_reference as base

USER, ANSWER = ("control", "<|im_start|>user\n"), ("control", "<|im_end|>\n<|im_start|>assistant\n")


def clip(width, height, total, rate, fps=None, start=None, end=None):
    return dict(width=width, height=height, total=total, rate=rate, fps=fps, start=start, end=end)


# Videos, images as (width, height), and pieces as in make_reference.
CASES = {
    "even": ([clip(64, 96, 24, 8, fps=2)], [], [USER, ("video", 0), ("text", "What happens?"), ANSWER]),
    "odd": ([clip(96, 64, 25, 5, fps=1)], [], [USER, ("video", 0), ("text", "Is it red?"), ANSWER]),
    "two-videos": ([clip(64, 64, 30, 10), clip(128, 64, 17, 4)], [], [USER, ("video", 0), ("video", 1), ("text", "Compare"), ANSWER]),
    # The stamp's first character joins with the text before it.
    "after-text": ([clip(64, 128, 40, 10)], [], [USER, ("text", "What is it?"), ("video", 0), ANSWER]),
    "part": ([clip(96, 96, 90, 15, start=1.5, end=4.2)], [], [USER, ("video", 0), ("text", "Describe"), ANSWER]),
    "image-and-video": ([clip(64, 64, 12, 3)], [(96, 64)], [USER, ("control", "<|vision_start|>"), ("image", 0), ("control", "<|vision_end|>"),
                                                          ("text", "Then"), ("video", 0), ("text", "?"), ANSWER]),
}


def frames_of(c, seed):
    """A pattern that drifts, so that no frame is like another."""
    still = base.image_pixels(c["width"], c["height"], seed).astype(np.int32)
    return np.stack([np.clip(np.roll(still, 3 * i, axis=1) + 4 * (i % 11) - 20, 0, 255).astype(np.uint8) for i in range(c["total"])])


def shown(c, seed):
    """What the processor makes of a clip: chosen frames, their indices, patches, grid, stamps."""
    p = Qwen3VLVideoProcessor(image_mean=[0.5] * 3, image_std=[0.5] * 3, size={"shortest_edge": 4096, "longest_edge": 25165824},
                              cap_pixels_per_frame=False)
    first = math.ceil((c["start"] or 0) * c["rate"])
    last = c["total"] - 1 if c["end"] is None else math.floor(c["end"] * c["rate"])
    frames = frames_of(c, seed)
    out = p(videos=[torch.from_numpy(frames[first:last + 1]).permute(0, 3, 1, 2)], do_sample_frames=True, fps=c["fps"] or 2, return_metadata=True,
            video_metadata=[dict(fps=c["rate"], total_num_frames=last + 1 - first, frames_indices=None)], return_tensors="pt")
    indices = [int(i) + first for i in out["video_metadata"][0].frames_indices]
    stamps = [f"<{t:.1f} seconds>" for t in Qwen3VLProcessor._calculate_timestamps(None, list(indices), c["rate"], 2)]
    grid = out["video_grid_thw"]
    if grid[0].tolist()[1:] != [c["height"] // 16, c["width"] // 16]:
        raise SystemExit(f"{c}: resized to {grid}")
    return frames[indices], indices, out["pixel_values_videos"], grid, stamps


def run(model, tok, videos, images, pieces):
    text, pads = "", []
    for kind, value in pieces:
        if kind == "image":
            h, w = images[value].shape[:2]
            text += "<|image_pad|>" * (h // 32 * (w // 32))
        elif kind == "video":
            _, _, _, grid, stamps = videos[value]
            for stamp in stamps:
                text += stamp + "<|vision_start|>" + "<|video_pad|>" * (int(grid[0, 1:].prod()) // 4) + "<|vision_end|>"
        else:
            text += value
    ids = torch.tensor([tok.encode(text, add_special_tokens=False).ids])
    kinds = (ids == tok.token_to_id("<|image_pad|>")).int() + 2 * (ids == tok.token_to_id("<|video_pad|>")).int()
    kw = dict(pixel_values_videos=torch.cat([v[2] for v in videos]), video_grid_thw=torch.cat([v[3] for v in videos]))
    if images:
        px, grids = zip(*[base.patches([p, p]) for p in images])
        kw |= dict(pixel_values=torch.cat(px), image_grid_thw=torch.cat(grids))
    positions, delta = model.model.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=kw.get("image_grid_thw"), video_grid_thw=kw["video_grid_thw"])
    out = model(input_ids=ids, position_ids=positions, mm_token_type_ids=kinds, use_cache=False, **kw)
    return ids[0].tolist(), positions[:, 0].tolist(), int(delta[0, 0]), out.logits[0].numpy()


def build(name, out):
    model, tok = base.reference_model(name)
    floats, raw = base.Blob(f"{out}/videos-floats.bin"), base.Blob(f"{out}/../videos-pixels.bin")  # pixels are the same for all
    cases = []
    for i, (case, (clips, sizes, pieces)) in enumerate(CASES.items()):
        videos = [shown(c, 300 + 10 * i + j) for j, c in enumerate(clips)]
        images = [base.image_pixels(w, h, 500 + i) for w, h in sizes]
        ids, positions, delta, logits = run(model, tok, videos, images, pieces)
        # After each picture and at the end: enough to see any fault before, and a tenth of the size.
        end = tok.token_to_id("<|vision_end|>")
        at = sorted({k for k, t in enumerate(ids) if t == end} | set(range(len(ids) - 5, len(ids))))
        cases.append(dict(
            name=case, pieces=[dict(kind=k, **({k: v} if k in ("image", "video") else {"text": v})) for k, v in pieces], ids=ids, positions=positions,
            rope_delta=delta, at=at, logits=floats.add(logits[at]),
            images=[dict(width=w, height=h, pixels=raw.add(p)) for (w, h), p in zip(sizes, images)],
            videos=[dict(c, indices=v[1], stamps=v[4], pixels=raw.add(v[0])) for c, v in zip(clips, videos)]))
    with open(f"{out}/videos.json", "w") as f:
        json.dump(cases, f, ensure_ascii=False)
        f.write("\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    ap.add_argument("--out", default=os.path.join(here, "..", "..", "testdata", "reference"))
    a = ap.parse_args()
    for name in base.VARIANTS:
        build(name, os.path.join(a.out, name))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    torch.set_num_threads(2)
    main()
