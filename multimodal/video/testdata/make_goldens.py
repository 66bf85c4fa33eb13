#!/usr/bin/env python3
"""Writes selection.jsonl and resized.json: what transformers' Qwen3VL video processor makes of videos; and animated WebP files with
the frames that Pillow sees in them over white.

    python multimodal/video/testdata/make_goldens.py     # with tools/reference/requirements.txt, pillow and torchvision 0.29.2

Each line of selection.jsonl is a video (frames, rate, size), what was asked, and the frames, size and stamps that came out. A part
between two times is found as qwen-vl-utils does and then given to transformers as a video of its own.
"""
import base64
import hashlib
import json
import math
import pathlib
import random

import numpy as np
import torch
from PIL import Image, ImageDraw
from transformers import Qwen3VLVideoProcessor
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize
from transformers.video_utils import VideoMetadata

HERE = pathlib.Path(__file__).parent
LOW, HIGH = 4096, 25165824  # Qwen's video_preprocessor_config.json


def part(total, fps, start, end):
    """qwen-vl-utils' calculate_video_frame_range."""
    length = total / fps
    first = 0 if start is None else math.ceil(max(0.0, min(start, length)) * fps)
    last = total - 1 if end is None else min(math.floor(max(0.0, min(end, length)) * fps), total - 1)
    return first, last


def golden(total, rate, width, height, low=LOW, high=HIGH, start=None, end=None, **asked):
    p = Qwen3VLVideoProcessor()
    for k in ("min_frames", "max_frames"):
        if k in asked:
            setattr(p, k, asked[k])
    fps = rate[0] / rate[1]
    first, last = part(total, fps, start, end)
    metadata = VideoMetadata(total_num_frames=last - first + 1, fps=fps)
    indices = p.sample_frames(metadata, num_frames=asked.get("num_frames"), fps=asked.get("fps")) + first
    out = {"frames": total, "rate": rate, "width": width, "height": height, "min_total": low, "max_total": high, **asked,
           "start": start, "end": end, "indices": indices.tolist()}
    try:
        h, w = smart_resize(len(indices), height, width, 2, 32, low, high)
    except ValueError as e:
        return {**out, "error": str(e)}
    times = Qwen3VLProcessor._calculate_timestamps(None, indices.tolist(), fps, 2)
    return {**out, "resized": [w, h], "stamps": [f"<{t:.1f} seconds>" for t in times]}


def cases():
    ntsc, film = [30000, 1001], [24000, 1001]
    yield golden(90, [30, 1], 1280, 720)
    yield golden(240, [24, 1], 1920, 1080)
    for total in (1, 2, 3, 4, 5, 7, 8, 9, 11, 29, 30, 31, 59, 60, 61, 299, 1001):
        yield golden(total, [30, 1], 640, 480)
    for rate in (ntsc, film, [25, 1], [60, 1], [15, 2], [1, 1], [1, 2], [120, 1], [60000, 1001]):
        yield golden(333, rate, 854, 480)
    for fps in (0.1, 0.5, 1, 1.5, 2, 3, 4, 7.3, 10, 29.97, 30):
        yield golden(317, ntsc, 640, 360, fps=fps)
    for n in (2, 3, 4, 5, 16, 31, 32, 64, 100):
        yield golden(64, [25, 1], 320, 240, num_frames=n)
    for low, high in ((2, 768), (8, 16), (1, 3), (12, 12), (4, 1024)):
        yield golden(4000, [30, 1], 480, 270, min_frames=low, max_frames=high)
    for total, fps in ((9000, 30), (54000, 30), (216000, 30), (172800, 24), (18000, 5)):
        yield golden(total, [fps, 1], 1920, 1080)
    for w, h in ((32, 32), (16, 16), (10, 300), (300, 10), (31, 33), (1080, 1920), (3840, 2160), (7680, 4320), (640, 16), (2000, 10), (4000, 10), (48, 48)):
        yield golden(120, [30, 1], w, h)
    for total, high in ((36, 19267584), (120, 401408), (768, 1 << 20), (7, 8192)):
        yield golden(total, [2, 1], 1280, 720, high=high)
    for low in (65536, 1 << 20, 1 << 23):
        yield golden(20, [4, 1], 128, 96, low=low)
    for start, end in ((1, None), (None, 5), (2.5, 7.25), (0, 0.5), (9.99, 10.4), (3.3333, 100), (0.04, 0.09), (5, 12.5)):
        yield golden(375, [30, 1], 640, 360, start=start, end=end)
        yield golden(301, ntsc, 640, 360, start=start, end=min(end or 10, 10), fps=4)
    r = random.Random(7)
    for _ in range(25):
        rate = r.choice([[30, 1], ntsc, film, [25, 1], [r.randint(1, 100), r.randint(1, 7)]])
        yield golden(r.randint(2, 5000), rate, r.randint(20, 3000), r.randint(20, 3000), fps=r.choice([None, 0.7, 1, 2, 2.5, 6]))


def resized():
    """A few frames before and after the processor's own resize (torchvision, on bytes)."""
    rng = np.random.default_rng(3)
    out = []
    for w, h, to in ((40, 30, (64, 64)), (90, 61, (64, 32))):
        y, x = np.mgrid[0:h, 0:w]
        frames = np.stack([np.stack([127 + 110 * np.sin((x * (c + 1) + y * (3 - c)) / (5 + 4 * c) + t) for c in range(3)], -1) for t in range(2)])
        frames = np.clip(frames + rng.normal(0, 25, frames.shape), 0, 255).round().astype(np.uint8)
        p = Qwen3VLVideoProcessor()
        got = super(Qwen3VLVideoProcessor, p).resize(torch.from_numpy(frames).permute(0, 3, 1, 2), type(p.size)(width=to[0], height=to[1])
                                                     if not isinstance(p.size, dict) else {"width": to[0], "height": to[1]}, p.resample)
        out.append({"width": w, "height": h, "to": list(to), "frames": [base64.b64encode(f.tobytes()).decode() for f in frames],
                    "resized": [base64.b64encode(f.permute(1, 2, 0).contiguous().numpy().tobytes()).decode() for f in got]})
    return out


def short(c):
    """Long lists as a digest."""
    for key in ("indices", "stamps"):
        if len(c.get(key, [])) > 40:
            c[key + "_sha256"] = hashlib.sha256(",".join(map(str, c.pop(key))).encode()).hexdigest()
    return {k: v for k, v in c.items() if v is not None}


def animations():
    """Animated WebPs: opaque and partly transparent, each frame moving a shape, so that only a part of the canvas is stored."""
    for name, ground, durations in (("opaque", (40, 90, 160, 255), [100] * 5), ("transparent", (0, 0, 0, 0), [40, 120, 80, 200, 40])):
        frames = []
        for i in range(5):
            img = Image.new("RGBA", (48, 32), ground)
            ImageDraw.Draw(img).ellipse((4 + 6 * i, 8, 16 + 6 * i, 20), (255, 200 - 30 * i, 10, 255 if i % 2 else 130))
            frames.append(img)
        path = HERE / f"{name}.webp"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, lossless=True, minimize_size=True)
        seen, out = Image.open(path), []
        for i in range(seen.n_frames):
            seen.seek(i)
            white = Image.new("RGBA", seen.size, "white")
            white.alpha_composite(seen.convert("RGBA"))
            out.append(base64.b64encode(white.convert("RGB").tobytes()).decode())
        (HERE / f"{name}.webp.json").write_text(json.dumps({"durations": durations, "frames": out}) + "\n")


def main():
    animations()
    with (HERE / "selection.jsonl").open("w") as f:
        for c in cases():
            f.write(json.dumps(short(c)) + "\n")
    (HERE / "resized.json").write_text(json.dumps(resized()) + "\n")


if __name__ == "__main__":
    main()
