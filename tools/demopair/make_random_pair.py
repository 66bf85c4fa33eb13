#!/usr/bin/env python3
"""Writes the built-in pair of tiny Qwen3-VL models with random weights, for trying the daemon without a download.

  python tools/demopair/make_random_pair.py [--out internal/demopair/weights]

Needs tools/reference/requirements.txt. The architecture is complete (DeepStack, interleaved MRoPE, both convolution slices); the
answers are noise.
"""
import argparse
import pathlib
import sys

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/reference"))

from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration  # noqa: E402

from gguf_export import write_model, write_projector  # noqa: E402
from make_reference import CONTROL, USER_DEFINED, build_tokenizer, randomise, rope, text_config, vision_config  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "internal/demopair/weights")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    tok = build_tokenizer()
    for seed, variant in enumerate(["instruct", "thinking"]):
        config = Qwen3VLConfig(
            text_config=text_config(vocab_size=tok.get_vocab_size(), max_position_embeddings=8192, rope_parameters=rope(5e6, [6, 5, 5]),
                                    tie_word_embeddings=False),
            vision_config=vision_config(num_position_embeddings=2304),
            image_token_id=tok.token_to_id("<|image_pad|>"), video_token_id=tok.token_to_id("<|video_pad|>"),
            vision_start_token_id=tok.token_to_id("<|vision_start|>"), vision_end_token_id=tok.token_to_id("<|vision_end|>"),
            tie_word_embeddings=False,  # tied, noise repeats its last token for ever
        )
        model = Qwen3VLForConditionalGeneration(config).eval()
        randomise(model, seed + 100)
        # Rarely drawn, so that most of what the noise says can be seen; the ends of blocks and answers stay.
        for token in set(CONTROL + USER_DEFINED) - {"<|im_end|>", "</think>"}:
            model.lm_head.weight[tok.token_to_id(token)] *= 0.05
        template = (ROOT / f"engine/prompt/templates/{variant}.jinja").read_text()
        name = f"demo {variant} (random weights)"
        write_model(str(out / f"{variant}.gguf"), model, tok, CONTROL, USER_DEFINED, name=name, template=template, dtype="f16")
        write_projector(str(out / f"{variant}-mmproj.gguf"), model, name=name, dtype="f16", min_pixels=4096, max_pixels=1048576)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
