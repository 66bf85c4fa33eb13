#!/usr/bin/env python3
"""Checks the recipe against independent code: the network and the positions against transformers in float32, the prompt text against
jinja2 with the chat template, and (with --url) the daemon's greedy answers against transformers' own generation.

  python tools/demopair/check.py --run work/instruct [--url http://127.0.0.1:8080 --model qwen3-vl-instruct --n 300]
"""
import argparse
import pathlib

import jinja2
import numpy as np
import torch

import batches
import evaluate
import export
import network
import questions
import train


def inputs_of(tok, e):
    """What transformers' processor would give for an encoded sample."""
    ids = torch.from_numpy(e.ids)[None]
    kinds = (ids == tok.token_to_id("<|image_pad|>")).int() + 2 * (ids == tok.token_to_id("<|video_pad|>")).int()
    out = {"input_ids": ids, "mm_token_type_ids": kinds}
    if e.pixels is None:
        return out
    groups, n, frames, _ = e.pixels.shape
    pixels = torch.from_numpy(e.pixels).float() / 127.5 - 1
    pixels = pixels.reshape(groups, n, frames, 3, 256).expand(-1, -1, 2 if frames == 1 else frames, -1, -1).transpose(2, 3).reshape(groups * n, 1536)
    if (kinds == 2).any():
        return out | {"pixel_values_videos": pixels, "video_grid_thw": torch.tensor([[groups, *e.grid]])}
    return out | {"pixel_values": pixels, "image_grid_thw": torch.tensor([[1, *e.grid]] * groups)}


def transformers_answer(model, tok, encoder, sample, thinking):
    """transformers' greedy answer as (thoughts, text)."""
    e = encoder.encode(sample, thinking)
    start = int(np.flatnonzero(e.weight)[0])
    inputs = inputs_of(tok, e)
    for k in ("input_ids", "mm_token_type_ids"):
        inputs[k] = inputs[k][:, :start]
    end = tok.token_to_id("<|im_end|>")
    out = model.generate(**inputs, max_new_tokens=220, do_sample=False, eos_token_id=end, pad_token_id=end)[0, start:].tolist()
    text = tok.decode([t for t in out if t != end], skip_special_tokens=False)
    thoughts, mark, said = text.partition("\n</think>\n\n")
    return (thoughts, said) if mark else ("", text)


def compare_logits(model, net, tok, encoder, thinking):
    worst = 0.0
    for skill in questions.MAKERS:
        e = encoder.encode(evaluate.samples(skill, 1)[0], thinking)
        truth = model(**inputs_of(tok, e)).logits[0]
        b = batches.collate([e], "token")
        ours = net.logits(net(b["ids"], b["positions"], b.get("pixels"), b.get("at"), network.grid_of(b, net.s)))[0, :len(e.ids)]
        worst = max(worst, ((ours - truth).abs().max() / truth.abs().max()).item())
    return worst


def compare_text(encoder, tok, variant, thinking):
    env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    template = env.from_string((export.ROOT / f"engine/prompt/templates/{variant}.jinja").read_text())
    for skill in questions.MAKERS:
        s = evaluate.samples(skill, 1)[0]
        if s.tools or len(s.turns) > 1:
            continue
        content = []
        for i in range(len(s.visuals)):
            content += [{"type": "text", "text": f"<{s.stamps[i]:.1f} seconds>"}] if s.stamps else []
            content.append({"type": "image"})
        messages = [{"role": "user", "content": content + [{"type": "text", "text": s.turns[0].ask}]}]
        said = template.render(messages=messages, add_generation_prompt=True)
        said += (f"{s.turns[0].thought}\n</think>\n\n" if thinking else "") + s.turns[0].answer + "<|im_end|>"
        e = encoder.encode(s, thinking)
        pad, video = tok.token_to_id("<|image_pad|>"), tok.token_to_id("<|video_pad|>")
        ids = [pad if t == video else t for t in e.ids]
        ids = [t for i, t in enumerate(ids) if t != pad or ids[i - 1] != pad]
        if tok.encode(said, add_special_tokens=False).ids != ids:
            raise SystemExit(f"{skill}: the template renders other text:\n{said}\n{tok.decode(ids, skip_special_tokens=False)}")


def compare_answers(model, tok, encoder, thinking, url, name, n):
    """The share of n held-out samples that daemon and transformers answer with the same text, greedily."""
    client, same, skills = evaluate.Client(url), 0, [s for s in questions.MAKERS if s not in ("tool", "follow")]
    for i in range(n):
        s = evaluate.samples(skills[i % len(skills)], i // len(skills) + 1)[-1]
        truth = transformers_answer(model, tok, encoder, s, thinking)
        m = client.ask(evaluate.request_of(s, name))["choices"][0]["message"]
        said = (m.get("reasoning_content") or "").strip("\n"), m["content"]
        same += said == truth
        if said != truth:
            print(f"  differs: {s.turns[0].ask!r}\n    transformers: {truth}\n    daemon:       {said}")
    return same / n


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=pathlib.Path, required=True)
    parser.add_argument("--url")
    parser.add_argument("--model", choices=["qwen3-vl-instruct", "qwen3-vl-thinking"], default="qwen3-vl-instruct")
    parser.add_argument("--n", type=int, default=300)
    a = parser.parse_args()
    thinking = a.model.endswith("thinking")
    model, tok = export.transformers_model(a.run)
    state = torch.load(a.run / "checkpoint.pt", weights_only=False, map_location="cpu")
    net = network.Network(state["shape"])
    net.load_state_dict(state["net"])
    encoder = batches.Encoder(tok, train.TEMPLATE.read_text())
    compare_text(encoder, tok, "thinking" if thinking else "instruct", thinking)
    print("prompt text: the same as the template's")
    print(f"logits: greatest relative difference from transformers {compare_logits(model, net, tok, encoder, thinking):.1e}")
    if a.url:
        share = compare_answers(model, tok, encoder, thinking, a.url, a.model, a.n)
        print(f"greedy answers: {100 * share:.1f}% of {a.n} the same as transformers'")


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
