#!/usr/bin/env python3
"""Makes what `qwenvld selftest` compares with: tiny Qwen3-VL checkpoints whose weights are small whole numbers times a power of two,
and what transformers computes with them in float32.

  python tools/reference/make_selftest.py [--out engine/selftest/reference]

Such weights are the same number in float32, half precision, q8_0 and q4_K, so one reference holds for all of these formats. They take
four bits each. A checkpoint becomes NAME.bin, compressed with zlib: the length of a JSON document as 4 bytes, the document, and the
arrays that it points to. engine/selftest/reference.go reads it.
"""
import argparse
import json
import os
import struct
import tempfile
import zlib

import gguf
import numpy as np
import torch

import make_reference as base
from gguf_export import write_model, write_projector

LOW, HIGH = -8, 7  # what four bits hold

VARIANTS = {
    # Output tied to the embedding, two heads in the tower, taps after the first blocks.
    "tied": dict(seed=11, text=base.text_config(num_hidden_layers=3),
                 vision=base.vision_config(depth=3, hidden_size=64, intermediate_size=96)),
    # Heads, rope sections and theta of the real models, rows long enough for q4_K, a tower with heads of 64.
    "untied": dict(seed=12, text=base.text_config(hidden_size=256, intermediate_size=256, num_hidden_layers=3, head_dim=128, num_attention_heads=2,
                                                  num_key_value_heads=1, tie_word_embeddings=False, rope_parameters=base.rope(5e6, [24, 20, 20])),
                   vision=base.vision_config(depth=3, hidden_size=64, intermediate_size=96, num_heads=1, out_hidden_size=256)),
    # A mixture of experts, and a tower with heads of 72 as in the 8B. With this seed no position that is compared is close to choosing
    # another expert.
    "moe": dict(seed=103, moe=True,
                text=base.text_config(hidden_size=64, num_hidden_layers=3, head_dim=64, num_attention_heads=2, num_key_value_heads=1, num_experts=8,
                                      num_experts_per_tok=2, moe_intermediate_size=32, decoder_sparse_step=1, mlp_only_layers=[],
                                      norm_topk_prob=True, tie_word_embeddings=False, rope_parameters=base.rope(10000.0, [12, 10, 10])),
                vision=base.vision_config(depth=3, hidden_size=72, intermediate_size=96, num_heads=1)),
}
KEPT = 5  # positions at the end of a prompt whose logits are kept


def whole(model):
    """Rounds matrices to LOW..HIGH times a power of two of their own, and vectors to half precision."""
    for _, p in model.named_parameters():
        if p.dim() < 2:
            p.copy_(p.half().float())
            continue
        scale = 2.0 ** np.round(np.log2(float(p.std()) / 2.6))
        p.copy_(torch.clamp(torch.round(p / scale), LOW, HIGH) * scale)


def pixels(width, height, seed):
    """A picture by a formula that the Go side repeats."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return ((x * (c + 2) + y * (5 - c) + (x * y) // (7 + seed) + 37 * seed) % 256).astype(np.uint8)


class Blob(bytearray):
    def put(self, array):
        ref = [len(self), list(array.shape)]
        self.extend(np.ascontiguousarray(array).tobytes())
        return ref


def packed(path, blob):
    """A GGUF file as its keys' bytes and tensors; a matrix is a scale and a half-byte each value, the even ones low."""
    reader = gguf.GGUFReader(path)
    raw = open(path, "rb").read()
    version, tensors, keys = struct.unpack("<IQQ", raw[4:24])
    end = reader.tensors[0].field.offset
    out = dict(version=version, keys=keys, header=blob.put(np.frombuffer(raw[24:end], np.uint8)), tensors=[])
    assert tensors == len(reader.tensors)
    for t in reader.tensors:
        data = np.array(t.data, np.float32).ravel()
        entry = dict(name=t.name, shape=[int(n) for n in t.shape])
        if len(t.shape) < 2:
            entry["values"] = blob.put(data.astype(np.float16))
            assert (data.astype(np.float16) == data).all(), t.name
        else:
            scale = next(s for s in 2.0 ** np.arange(4, -20, -1) if (data / s == np.round(data / s)).all())
            q = (data / scale).astype(np.int64)
            assert q.min() >= LOW and q.max() <= HIGH and q.size % 2 == 0, (t.name, q.min(), q.max())
            q = (q - LOW).astype(np.uint8)
            entry |= dict(scale=float(scale), packed=blob.put(q[0::2] | q[1::2] << 4))
        out["tensors"].append(entry)
    return out


def positions_of(model, ids, kinds, grids, video_grids):
    return model.model.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=grids, video_grid_thw=video_grids)[0]


def case(model, tok, blob, name, pieces):
    """Runs a prompt. Pieces: text, ("image", w, h, seed), ("pair", w, h, seed, seed), the latter with its stamp before."""
    text, pictures, stills, pairs = "", [], [], []
    for p in pieces:
        if isinstance(p, str):
            text += p
            continue
        kind, w, h, *seeds = p
        frames = [pixels(w, h, s) for s in (seeds * 2)[:2]]
        px, grid = base.patches(frames)
        (stills if kind == "image" else pairs).append((px, grid))
        pad = "<|image_pad|>" if kind == "image" else "<|video_pad|>"
        text += "<|vision_start|>" + pad * (w // 32 * (h // 32)) + "<|vision_end|>"
        pictures.append(dict(width=w, height=h, seeds=(seeds * 2)[:2], rows=blob.put(base.rows(model.model.visual, frames))))
    ids = torch.tensor([tok.encode(text, add_special_tokens=False).ids])
    return prompt(model, tok, blob, name, ids, stills, pairs, pictures)


def prompt(model, tok, blob, name, ids, stills=(), pairs=(), pictures=()):
    kinds = (ids == tok.token_to_id("<|image_pad|>")).int() + 2 * (ids == tok.token_to_id("<|video_pad|>")).int()
    kw = {}
    if stills:
        kw |= dict(pixel_values=torch.cat([p for p, _ in stills]), image_grid_thw=torch.cat([g for _, g in stills]))
    if pairs:  # the pairs of one video, which have one size
        grid = pairs[0][1].clone()
        grid[0, 0] = len(pairs)
        kw |= dict(pixel_values_videos=torch.cat([p for p, _ in pairs]), video_grid_thw=grid)
    at = positions_of(model, ids, kinds, kw.get("image_grid_thw"), kw.get("video_grid_thw"))
    out = model(input_ids=ids, position_ids=at, mm_token_type_ids=kinds, use_cache=False, **kw).logits[0].numpy()
    return dict(name=name, ids=ids[0].tolist(), positions=at[:, 0].tolist(), pictures=list(pictures),
                pad=[tok.token_to_id("<|image_pad|>"), tok.token_to_id("<|video_pad|>")], logits=blob.put(out[-KEPT:]))


def build(name, spec, out):
    base.VARIANTS[name] = spec
    model, tok = base.reference_model(name)
    whole(model)
    if spec["text"]["tie_word_embeddings"]:
        model.tie_weights()
    blob, ask = Blob(), "<|im_end|>\n<|im_start|>assistant\n"
    with tempfile.TemporaryDirectory() as d:
        write_model(f"{d}/m.gguf", model, tok, base.CONTROL, base.USER_DEFINED, name=f"selftest {name}", template=None)
        write_projector(f"{d}/p.gguf", model, name=f"selftest {name}", dtype="f32")
        files = dict(model=packed(f"{d}/m.gguf", blob), projector=packed(f"{d}/p.gguf", blob))
    head = "<|im_start|>user\n"
    cases = [
        case(model, tok, blob, "text", [head + "What colour is the circle? 그림 图片" + ask]),
        case(model, tok, blob, "image", [head, ("image", 128, 64, 3), "How many shapes?" + ask]),
        case(model, tok, blob, "video", [head + "<0.2 seconds>", ("pair", 64, 96, 5, 6), "<1.2 seconds>", ("pair", 64, 96, 7, 8), "Describe" + ask]),
    ]
    # Ids by a formula, without control tokens.
    ids = torch.tensor([[(i * i * 7 + i * 31) % 300 for i in range(1024)]])
    cases.append(prompt(model, tok, blob, "1024 tokens", ids))
    document = json.dumps(dict(name=name, files=files, cases=cases)).encode()
    data = zlib.compress(struct.pack("<I", len(document)) + document + bytes(blob), 9)
    with open(f"{out}/{name}.bin", "wb") as f:
        f.write(data)
    print(name, len(data), "bytes")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    ap.add_argument("--out", default=os.path.join(here, "..", "..", "engine", "selftest", "reference"))
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    for name, spec in VARIANTS.items():
        build(name, spec, a.out)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    torch.set_num_threads(2)
    main()
