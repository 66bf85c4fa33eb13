#!/usr/bin/env python3
"""Asks a running daemon about MP4 files, and transformers about the same ones with the same weights, and compares the greedy answers.

  make run &
  python tools/demopair/check_video.py [--n 60] [--url http://127.0.0.1:8080] [--example]

--example writes examples/video.mp4, a clip that both variants understand, and examples/video.json, the request that asks about it, unless
the daemon still answers the one that is there.

Everything on transformers' side is its own: Qwen3VLProcessor chooses, resizes and stamps the frames, Qwen3VLForConditionalGeneration
answers in float32. Its weights are read from internal/demopair/weights, its frames are all those that ffmpeg decodes.
"""
import argparse
import base64
import concurrent.futures
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import torch
from transformers import (PreTrainedTokenizerFast, Qwen2VLImageProcessor, Qwen3VLConfig, Qwen3VLForConditionalGeneration,
                          Qwen3VLProcessor, Qwen3VLVideoProcessor)

import batches
import evaluate
import examples
import questions
from shipped import state_of, tensors
from tokens import field, tokenizer_of

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load(variant):
    """Model and processor of transformers with the built-in weights."""
    r, text = tensors(ROOT / f"internal/demopair/weights/{variant}.gguf")
    p, vision = tensors(ROOT / "internal/demopair/weights/projector.gguf")
    tok = tokenizer_of(r)
    a, v = field(r, "general.architecture"), "clip.vision."
    taps = [i for i, on in enumerate(field(p, v + "is_deepstack_layers")) if on]
    hidden, table = field(r, a + ".embedding_length"), vision["v.position_embd.weight"].shape[0]
    ids = {k: tok.token_to_id(t) for k, t in (("image_token_id", "<|image_pad|>"), ("video_token_id", "<|video_pad|>"),
                                              ("vision_start_token_id", "<|vision_start|>"), ("vision_end_token_id", "<|vision_end|>"))}
    config = Qwen3VLConfig(
        text_config=dict(vocab_size=tok.get_vocab_size(), hidden_size=hidden, intermediate_size=field(r, a + ".feed_forward_length"),
                         num_hidden_layers=field(r, a + ".block_count"), num_attention_heads=field(r, a + ".attention.head_count"),
                         num_key_value_heads=field(r, a + ".attention.head_count_kv"), head_dim=field(r, a + ".attention.key_length"),
                         rms_norm_eps=field(r, a + ".attention.layer_norm_rms_epsilon"), max_position_embeddings=4096, tie_word_embeddings=True,
                         rope_parameters=dict(rope_type="default", rope_theta=field(r, a + ".rope.freq_base"),
                                              mrope_section=list(field(r, a + ".rope.dimension_sections"))[:3], mrope_interleaved=True)),
        vision_config=dict(depth=field(p, v + "block_count"), hidden_size=field(p, v + "embedding_length"), intermediate_size=field(p, v + "feed_forward_length"),
                           num_heads=field(p, v + "attention.head_count"), patch_size=16, spatial_merge_size=2, temporal_patch_size=2, out_hidden_size=hidden,
                           num_position_embeddings=table, deepstack_visual_indexes=taps), tie_word_embeddings=True, **ids)
    model = Qwen3VLForConditionalGeneration(config).float().eval()
    missing, unexpected = model.load_state_dict(state_of(text, vision, taps), strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise SystemExit(f"weights that do not fit: {missing} {unexpected}")
    model.tie_weights()
    fast = PreTrainedTokenizerFast(tokenizer_object=tok, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    template = (ROOT / f"engine/prompt/templates/{variant}.jinja").read_text()
    normal = dict(image_mean=[0.5] * 3, image_std=[0.5] * 3, patch_size=16, temporal_patch_size=2, merge_size=2)
    return model, Qwen3VLProcessor(image_processor=Qwen2VLImageProcessor(**normal), tokenizer=fast, chat_template=template,
                                   video_processor=Qwen3VLVideoProcessor(cap_pixels_per_frame=False, **normal))


def decoded(url, size):
    with tempfile.NamedTemporaryFile(suffix=".mp4") as f:
        f.write(base64.b64decode(url.partition(",")[2]))
        f.flush()
        raw = subprocess.run(["ffmpeg", "-v", "error", "-i", f.name, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"], stdout=subprocess.PIPE, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, size[1], size[0], 3)


def answer(model, processor, body, rate, size):
    """transformers' greedy answer to a request of evaluate.videos, and the number of tokens of its prompt."""
    part, ask = body["messages"][0]["content"]
    frames = decoded(part["video_url"]["url"], size)
    text = processor.apply_chat_template([{"role": "user", "content": [{"type": "video"}, ask]}], add_generation_prompt=True, tokenize=False)
    # transformers 4.57, with which the models came, puts the stamped pairs in the place of all three tokens; 5.23 leaves the outer marks.
    text = text.replace("<|vision_start|><|video_pad|><|vision_end|>", "<|video_pad|>")
    metadata = dict(fps=rate, total_num_frames=len(frames), duration=len(frames) / rate, frames_indices=None)
    n = min(max(int(len(frames) / rate * part["fps"]), 4), 768, len(frames))
    inputs = processor(text=[text], videos=[torch.from_numpy(frames.copy()).permute(0, 3, 1, 2)], video_metadata=[metadata], do_sample_frames=True, fps=part["fps"],
                       size={"shortest_edge": batches.MIN_PIXELS * n, "longest_edge": batches.CLIP_MAX_PIXELS * n}, return_tensors="pt")
    end = processor.tokenizer.eos_token_id
    out = model.generate(**inputs, max_new_tokens=220, do_sample=False, eos_token_id=end, pad_token_id=end)[0, inputs["input_ids"].shape[1]:].tolist()
    said = processor.tokenizer.decode([t for t in out if t != end], skip_special_tokens=False)
    thoughts, mark, rest = said.partition("\n</think>\n\n")
    return ((thoughts, rest) if mark else ("", said)), inputs["input_ids"].shape[1]


def write_example(loaded):
    """The first held-out clip whose direction both variants of transformers tell."""
    for sample, body in evaluate.videos("motion", 200):
        said = [answer(*m, body, sample.rate, sample.visuals[0][0].size)[0][1] for m in loaded]
        if all(s == sample.turns[0].answer for s in said) and min(sample.visuals[0][0].size) > 96 and body["messages"][0]["content"][0]["fps"] == 2:
            break
    url = body["messages"][0]["content"][0]["video_url"]["url"]
    (ROOT / "examples/video.mp4").write_bytes(base64.b64decode(url.partition(",")[2]))
    (ROOT / "examples/video.json").write_text(json.dumps({"model": "qwen3-vl-instruct", **body}) + "\n")
    shown = [e for e in json.loads(examples.LIST.read_text()) if e["skill"] != "video"]
    shown.append({"skill": "video", "title": "video (MP4)", "ask": sample.turns[0].ask, "answer": sample.turns[0].answer, "picture": False, "video": True})
    examples.LIST.write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n")
    print(f"{len(sample.visuals)} pairs at {sample.rate} frames a second: {sample.turns[0].ask!r} {sample.turns[0].answer!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--n", type=int, default=60)
    parser.add_argument("--example", action="store_true")
    a = parser.parse_args()
    if a.example:
        return None if examples.kept(a.url, ["video"]) else write_example([load(v) for v in ("instruct", "thinking")])
    client = evaluate.Client(a.url)
    for variant in ("instruct", "thinking"):
        model, processor = load(variant)
        for skill in questions.VIDEO:
            todo, same, counts = evaluate.videos(skill, a.n), 0, 0
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                replies = list(pool.map(lambda t: client.ask({**t[1], "model": "qwen3-vl-" + variant}), todo))
            for (sample, body), reply in zip(todo, replies):
                m = reply["choices"][0]["message"]
                said = (m.get("reasoning_content") or "").strip("\n"), m["content"]
                truth, tokens = answer(model, processor, body, sample.rate, sample.visuals[0][0].size)
                same += said == truth
                counts += tokens == reply["usage"]["prompt_tokens"]
                if said != truth:
                    print(f"  differs: {sample.turns[0].ask!r}\n    transformers: {truth}\n    daemon:       {said}")
            print(f"{variant}, {skill}: {same} of {a.n} answers and {counts} prompt lengths are transformers'", flush=True)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
