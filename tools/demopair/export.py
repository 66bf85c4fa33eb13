#!/usr/bin/env python3
"""Writes the trained pair as GGUF files in llama.cpp's layout: instruct.gguf, thinking.gguf and the projector that they share.

  python tools/demopair/export.py --instruct work/instruct --thinking work/thinking [--out internal/demopair/weights]
"""
import argparse
import pathlib
import sys

import torch
from tokenizers import Tokenizer
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

import batches
import tokens

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/reference"))
from gguf_export import write_model, write_projector  # noqa: E402
from make_reference import CONTROL, USER_DEFINED  # noqa: E402


def transformers_model(run):
    """The run's weights in transformers' own model, float32, and its tokenizer."""
    tok = Tokenizer.from_file(str(tokens.FILE))
    state = torch.load(run / "checkpoint.pt", weights_only=False, map_location="cpu")
    s = state["shape"]
    config = Qwen3VLConfig(
        text_config=dict(vocab_size=s.vocab, hidden_size=s.hidden, intermediate_size=s.ffn, num_hidden_layers=s.layers, num_attention_heads=s.heads,
                         num_key_value_heads=s.kv_heads, head_dim=s.head_dim, rms_norm_eps=s.eps, max_position_embeddings=4096, tie_word_embeddings=True,
                         rope_parameters=dict(rope_type="default", rope_theta=s.theta, mrope_section=list(s.sections), mrope_interleaved=True)),
        vision_config=dict(depth=s.vision_depth, hidden_size=s.vision_hidden, intermediate_size=s.vision_ffn, num_heads=s.vision_heads, patch_size=16,
                           spatial_merge_size=2, temporal_patch_size=2, out_hidden_size=s.hidden, num_position_embeddings=s.side * s.side,
                           deepstack_visual_indexes=list(s.taps)),
        image_token_id=tok.token_to_id("<|image_pad|>"), video_token_id=tok.token_to_id("<|video_pad|>"),
        vision_start_token_id=tok.token_to_id("<|vision_start|>"), vision_end_token_id=tok.token_to_id("<|vision_end|>"), tie_word_embeddings=True)
    model = Qwen3VLForConditionalGeneration(config).eval()
    missing, unexpected = model.load_state_dict({k: v.float() for k, v in state["net"].items()}, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise ValueError(f"weights that do not fit: {missing} {unexpected}")
    model.tie_weights()
    return model, tok


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instruct", type=pathlib.Path, required=True)
    parser.add_argument("--thinking", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "internal/demopair/weights")
    parser.add_argument("--dtype", choices=["f16", "f32"], default="f16")
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    towers = []
    for variant, run in (("instruct", a.instruct), ("thinking", a.thinking)):
        model, tok = transformers_model(run)
        template = (ROOT / f"engine/prompt/templates/{variant}.jinja").read_text()
        write_model(str(a.out / f"{variant}.gguf"), model, tok, CONTROL, USER_DEFINED, name=f"qwenvld demo {variant}", template=template, dtype=a.dtype,
                    temperature=0.0)  # so small a model only errs more when it dares more
        towers.append(model.model.visual.state_dict())
    if any(not torch.equal(v, towers[1][k]) for k, v in towers[0].items()):
        raise ValueError("the variants' vision towers differ: a fine-tuning must leave the tower as it is")
    write_projector(str(a.out / "projector.gguf"), model, name="qwenvld demo projector", dtype=a.dtype, min_pixels=batches.MIN_PIXELS,
                    max_pixels=batches.MAX_PIXELS)
    for f in sorted(a.out.glob("*.gguf")):
        print(f"{f.name}: {f.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
