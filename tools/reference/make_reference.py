#!/usr/bin/env python3
"""Builds tiny random Qwen3-VL checkpoints with transformers, writes them as GGUF pairs in llama.cpp's layout and
records what transformers computes in float32: vision rows, positions and logits of every position.

  python tools/reference/make_reference.py [--out testdata/reference]

The weights are seeded, so a run reproduces the committed files up to floating-point noise of the torch build.
The format of the output is described in testdata/reference/README.md.
"""
import argparse
import json
import os

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import AddedToken, Regex
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
from transformers import Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration

from gguf_export import write_model, write_projector

CORPUS = """What colour is the large circle in the picture? The large circle is red. How many shapes are there?
There are 3 shapes: a red circle, a blue square and a green triangle. The square is left of the triangle.
Describe the image. Compare the first picture with the second picture. Which number is larger, 17 or 42?
그림에 무엇이 있나요? 빨간 원이 있습니다. 图片里有什么？ 有一个红色的圆形。 Hello, who are you? 2 + 3 = 5
You are a helpful assistant. Answer with one word. It's here, isn't it?
"""
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
           "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
           "<|image_pad|>", "<|video_pad|>"]
USER_DEFINED = ["<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
                "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>"]
QWEN2_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
               r"|\s+(?!\S)|\s+")


def build_tokenizer(size=384):
    """A byte-level BPE of `size` tokens with Qwen's pre-tokenizer and all its special tokens by name."""
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size - len(CONTROL) - len(USER_DEFINED), show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tok.train_from_iterator([CORPUS] * 20, trainer)
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL])
    tok.add_tokens([AddedToken(t, special=False, normalized=False) for t in USER_DEFINED])
    return tok


def text_config(**kw):
    base = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
                head_dim=32, rms_norm_eps=1e-6, max_position_embeddings=4096, tie_word_embeddings=True,
                rope_parameters=dict(rope_type="default", rope_theta=10000.0, mrope_section=[6, 5, 5], mrope_interleaved=True))
    base.update(kw)
    return base


def vision_config(**kw):
    base = dict(depth=4, hidden_size=32, intermediate_size=64, num_heads=2, patch_size=16, spatial_merge_size=2,
                temporal_patch_size=2, out_hidden_size=64, num_position_embeddings=144, deepstack_visual_indexes=[0, 1, 2])
    base.update(kw)
    return base


def rope(theta, sections):
    return dict(rope_type="default", rope_theta=theta, mrope_section=sections, mrope_interleaved=True)


VARIANTS = {
    "dense-tied": dict(seed=1, text=text_config(), vision=vision_config()),
    "dense-untied": dict(seed=2, text=text_config(head_dim=128, num_attention_heads=2, num_key_value_heads=1,
                                                  tie_word_embeddings=False, rope_parameters=rope(5e6, [24, 20, 20])),
                         vision=vision_config(num_position_embeddings=2304, deepstack_visual_indexes=[1, 2, 3])),
    "moe": dict(seed=3, moe=True,
                text=text_config(hidden_size=96, head_dim=64, num_attention_heads=2, num_key_value_heads=1, num_experts=8, num_experts_per_tok=2,
                                 moe_intermediate_size=32, decoder_sparse_step=1, mlp_only_layers=[], norm_topk_prob=True,
                                 tie_word_embeddings=False, rope_parameters=rope(10000.0, [12, 10, 10])),
                vision=vision_config(out_hidden_size=96, deepstack_visual_indexes=[0, 2, 3])),
}

# Pieces are (kind, text or image index). Images are (width, height).
CASES = {
    "text": ([], [("control", "<|im_start|>user\n"), ("text", "What colour is the circle? 그림 图片"),
                  ("control", "<|im_end|>\n<|im_start|>assistant\n")]),
    "minimum": ([(32, 32)], [("control", "<|im_start|>user\n<|vision_start|>"), ("image", 0),
                             ("control", "<|vision_end|>"), ("text", "Describe"), ("control", "<|im_end|>\n<|im_start|>assistant\n")]),
    "square": ([(96, 96)], [("control", "<|im_start|>user\n<|vision_start|>"), ("image", 0),
                            ("control", "<|vision_end|>"), ("text", "How many shapes?"),
                            ("control", "<|im_end|>\n<|im_start|>assistant\n")]),
    "portrait": ([(64, 160)], [("control", "<|im_start|>user\n"), ("text", "Look:"), ("control", "<|vision_start|>"),
                               ("image", 0), ("control", "<|vision_end|>"), ("text", "Describe the image."),
                               ("control", "<|im_end|>\n<|im_start|>assistant\n<think>\n")]),
    "landscape": ([(192, 64)], [("control", "<|im_start|>user\n<|vision_start|>"), ("image", 0), ("control", "<|vision_end|>"),
                                ("text", "Is it red?"), ("control", "<|im_end|>\n<|im_start|>assistant\n")]),
    "two-images": ([(64, 64), (128, 96)], [("control", "<|im_start|>user\n<|vision_start|>"), ("image", 0),
                                           ("control", "<|vision_end|><|vision_start|>"), ("image", 1),
                                           ("control", "<|vision_end|>"), ("text", "Compare"),
                                           ("control", "<|im_end|>\n<|im_start|>assistant\n")]),
    "image-last": ([(96, 64)], [("control", "<|im_start|>user\n"), ("text", "Answer with one word."),
                                ("control", "<|vision_start|>"), ("image", 0), ("control", "<|vision_end|><|im_end|>\n")]),
}
MUTATED_CASE = "landscape"


def randomise(model, seed):
    """Weights with enough variance that every part of the model shows in the logits."""
    g = torch.Generator().manual_seed(seed)
    for name, p in sorted(model.named_parameters()):
        r = torch.randn(p.shape, generator=g)
        if "norm" in name and name.endswith("weight") or ".norm1.weight" in name or ".norm2.weight" in name:
            gain = 1.6 if ("q_norm" in name or "k_norm" in name) else 1.0
            p.copy_(gain * (1 + 0.2 * r))
        elif name.endswith("bias"):
            p.copy_(0.1 * r)
        elif "embed_tokens" in name or "pos_embed" in name:
            p.copy_(r)
        else:
            fan_in = int(np.prod(p.shape[1:]))
            if "experts" in name:
                fan_in = p.shape[-1]
            p.copy_(r / fan_in ** 0.5)


def image_pixels(width, height, seed):
    """Smooth colour fields with noise: large and small structures."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([127 + 100 * np.sin((x * (c + 1) + y * (3 - c)) / (7.0 + 3 * c) + seed) for c in range(3)], -1)
    return np.clip(rgb + rng.normal(0, 20, rgb.shape), 0, 255).round().astype(np.uint8)


def patches(frames):
    """Patch rows of a frame pair as Qwen2VLImageProcessor orders them; frames: two [H, W, 3] uint8."""
    h, w = frames[0].shape[:2]
    v = np.stack(frames).astype(np.float32) / 255.0
    v = ((v - 0.5) / 0.5).transpose(0, 3, 1, 2)
    gh, gw = h // 16, w // 16
    v = v.reshape(1, 2, 3, gh // 2, 2, 16, gw // 2, 2, 16).transpose(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return torch.from_numpy(np.ascontiguousarray(v.reshape(gh * gw, 3 * 2 * 16 * 16))), torch.tensor([[1, gh, gw]])


def rows(visual, frames):
    """[main | ds0 | ds1 | ds2] rows, float32 [n, 4*out]."""
    px, grid = patches(frames)
    out = visual(px, grid_thw=grid)
    return torch.cat([out.pooler_output, *out.deepstack_features], dim=-1).numpy()


def prompt_ids(tok, pieces, images):
    text = ""
    for kind, value in pieces:
        if kind == "image":
            w, h = images[value]
            text += "<|image_pad|>" * ((w // 32) * (h // 32))
        else:
            text += value
    return tok.encode(text, add_special_tokens=False).ids


def run(model, tok, pieces, sizes, pixels):
    ids = torch.tensor([prompt_ids(tok, pieces, sizes)])
    pad = tok.token_to_id("<|image_pad|>")
    kinds = (ids == pad).int()
    kw = {}
    if pixels:
        px, grids = zip(*[patches([p, p]) for p in pixels])
        kw = dict(pixel_values=torch.cat(px), image_grid_thw=torch.cat(grids))
    positions, delta = model.model.get_rope_index(ids, mm_token_type_ids=kinds, image_grid_thw=kw.get("image_grid_thw"))
    out = model(input_ids=ids, position_ids=positions, mm_token_type_ids=kinds, use_cache=False, **kw)
    return ids[0].tolist(), positions[:, 0].tolist(), int(delta[0, 0]), out.logits[0].numpy()


class Mutation:
    """Makes the model wrong in one way that a test must notice."""

    def __init__(self, model, name):
        self.model, self.name = model, name

    def __enter__(self):
        m = self.model.model
        if self.name == "swapped-deepstack":
            mergers = m.visual.deepstack_merger_list
            self.saved = list(mergers)
            mergers[0], mergers[1] = self.saved[1], self.saved[0]
        elif self.name == "chunked-mrope":
            r = m.language_model.rotary_emb
            self.saved = r.recomposition_frequencies

            def chunked(freq):
                sections = r.mrope_section
                parts = torch.split(freq, sections, dim=-1)
                f = torch.cat([parts[i][i] for i in range(3)], dim=-1)
                return torch.cat((f, f), dim=-1)
            r.recomposition_frequencies = chunked
        elif self.name == "half-pixel":
            self.saved = m.visual.interpolation_align_corners
            m.visual.interpolation_align_corners = False
        return self

    def __exit__(self, *exc):
        m = self.model.model
        if self.name == "swapped-deepstack":
            for i, x in enumerate(self.saved):
                m.visual.deepstack_merger_list[i] = x
        elif self.name == "chunked-mrope":
            m.language_model.rotary_emb.recomposition_frequencies = self.saved
        elif self.name == "half-pixel":
            m.visual.interpolation_align_corners = self.saved


MUTATIONS = ["swapped-deepstack", "chunked-mrope", "half-pixel"]


class Blob:
    """Appends arrays to one little-endian file and remembers where."""

    def __init__(self, path):
        self.f, self.at = open(path, "wb"), 0

    def add(self, array):
        data = np.ascontiguousarray(array).tobytes()
        ref = dict(offset=self.at, shape=list(array.shape))
        self.f.write(data)
        self.at += len(data)
        return ref


def reference_model(name):
    """The checkpoint of a variant, and its tokenizer."""
    spec, tok = VARIANTS[name], build_tokenizer()
    special = dict(image_token_id=tok.token_to_id("<|image_pad|>"), video_token_id=tok.token_to_id("<|video_pad|>"),
                   vision_start_token_id=tok.token_to_id("<|vision_start|>"), vision_end_token_id=tok.token_to_id("<|vision_end|>"))
    text = dict(spec["text"], vocab_size=tok.get_vocab_size())
    tied = text["tie_word_embeddings"]
    kind, klass = (Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration) if spec.get("moe") else \
        (Qwen3VLConfig, Qwen3VLForConditionalGeneration)
    config = kind(text_config=text, vision_config=dict(spec["vision"]), tie_word_embeddings=tied, **special)
    config._attn_implementation = "eager"
    model = klass(config).float().eval()
    randomise(model, spec["seed"])
    if tied:
        model.tie_weights()
    return model, tok


def build(name, spec, out, templates):
    os.makedirs(out, exist_ok=True)
    model, tok = reference_model(name)
    write_model(f"{out}/model.gguf", model, tok, CONTROL, USER_DEFINED, name=f"reference {name} (random weights)",
                template=templates["instruct"])
    write_projector(f"{out}/mmproj.gguf", model, name=f"reference {name}", dtype="f32")

    floats, raw = Blob(f"{out}/floats.bin"), Blob(f"{out}/pixels.bin")
    manifest = dict(name=name, cases=[])
    for i, (case, (sizes, pieces)) in enumerate(CASES.items()):
        pixels = [image_pixels(w, h, 10 * i + j) for j, (w, h) in enumerate(sizes)]
        ids, positions, delta, logits = run(model, tok, pieces, sizes, pixels)
        entry = dict(name=case, pieces=[dict(kind=k, **({"image": v} if k == "image" else {"text": v})) for k, v in pieces],
                     ids=ids, positions=positions, rope_delta=delta, logits=floats.add(logits),
                     images=[dict(width=w, height=h, pixels=raw.add(p), rows=floats.add(rows(model.model.visual, [p, p])))
                             for (w, h), p in zip(sizes, pixels)])
        if case == MUTATED_CASE:
            entry["mutations"] = {}
            for m in MUTATIONS:
                with Mutation(model, m):
                    wrong = run(model, tok, pieces, sizes, pixels)[3]
                d = np.abs(wrong - logits).max() / np.abs(logits).max()
                print(f"{name}: {m} moves the logits by {d:.3f} of their scale")
                assert d > 0.05, "the mutation is too small to notice"
                entry["mutations"][m] = floats.add(wrong)
        manifest["cases"].append(entry)
    pair = [image_pixels(96, 64, 901), image_pixels(96, 64, 902)]
    manifest["frame_pair"] = dict(width=96, height=64, pixels=[raw.add(p) for p in pair],
                                  rows=floats.add(rows(model.model.visual, pair)))
    if name == "dense-tied":
        p = image_pixels(96, 64, 77)
        manifest["formats"] = dict(width=96, height=64, pixels=raw.add(p), rows={})
        for dtype in ("f16", "bf16", "q8_0"):
            write_projector(f"{out}/mmproj-{dtype}.gguf", model, name=f"reference {name} {dtype}", dtype=dtype, round_to=True)
            manifest["formats"]["rows"][dtype] = floats.add(rows(model.model.visual, [p, p]))
            randomise(model, spec["seed"])
    with open(f"{out}/manifest.json", "w") as f:
        json.dump(manifest, f, ensure_ascii=False)
        f.write("\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.join(here, "..", "..")
    ap.add_argument("--out", default=os.path.join(root, "testdata", "reference"))
    ap.add_argument("--templates", default=os.path.join(root, "engine", "prompt", "templates"))
    a = ap.parse_args()
    templates = {k: open(os.path.join(a.templates, f"{k}.jinja")).read() for k in ("instruct", "thinking")}
    for name, spec in VARIANTS.items():
        build(name, spec, os.path.join(a.out, name), templates)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    torch.set_num_threads(2)
    main()
