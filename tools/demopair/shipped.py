#!/usr/bin/env python3
"""Makes a checkpoint of the weights in this repository, for training to go on from. The reverse of export.py.

  python tools/demopair/shipped.py thinking --out work/shipped [--weights internal/demopair/weights]
"""
import argparse
import pathlib

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer

import network
import tokens

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = {"token_embd": "embed_tokens", "output_norm": "norm", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
        "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
VISION = {"ln1": "norm1", "ln2": "norm2", "attn_qkv": "attn.qkv", "attn_out": "attn.proj", "ffn_up": "mlp.linear_fc1", "ffn_down": "mlp.linear_fc2",
          "norm": "norm", "fc1": "linear_fc1", "fc2": "linear_fc2"}
WHOLE = {"v.patch_embd.bias": "patch_embed.proj.bias", "v.position_embd.weight": "pos_embed.weight"}
MERGER = {"v.post_ln": "merger.norm", "mm.0": "merger.linear_fc1", "mm.2": "merger.linear_fc2"}


def tensors(path):
    """A GGUF file's reader, and its tensors by name in float32."""
    r = gguf.GGUFReader(path)
    return r, {t.name: torch.from_numpy(np.array(t.data, dtype=np.float32)) for t in r.tensors}


def state_of(text, vision, taps):
    """The tensors of a language model and of its projector by the names that transformers and network.py give them. taps: the tapped blocks."""
    state, vision = {}, dict(vision)
    for name, value in text.items():
        *place, key, kind = name.split(".")
        at = f"layers.{place[1]}." if place else ""
        state[f"model.language_model.{at}{TEXT[key]}.{kind}"] = value
    state["model.visual.patch_embed.proj.weight"] = torch.stack([vision.pop("v.patch_embd.weight"), vision.pop("v.patch_embd.weight.1")], 2)
    for name, value in vision.items():
        key, kind = name.rsplit(".", 1)
        if name in WHOLE:
            to = WHOLE[name]
        elif key in MERGER:
            to = f"{MERGER[key]}.{kind}"
        else:
            _, group, i, part = key.split(".")
            to = f"blocks.{i}.{VISION[part]}.{kind}" if group == "blk" else f"deepstack_merger_list.{taps.index(int(i))}.{VISION[part]}.{kind}"
        state["model.visual." + to] = value
    return state


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant", choices=["instruct", "thinking"])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--weights", type=pathlib.Path, default=ROOT / "internal/demopair/weights")
    a = parser.parse_args()
    shape = network.Shape(vocab=Tokenizer.from_file(str(tokens.FILE)).get_vocab_size())
    state = state_of(tensors(a.weights / f"{a.variant}.gguf")[1], tensors(a.weights / "projector.gguf")[1], shape.taps)
    network.Network(shape).load_state_dict(state)
    a.out.mkdir(parents=True, exist_ok=True)
    torch.save({"net": state, "shape": shape, "step": 0}, a.out / "checkpoint.pt")


if __name__ == "__main__":
    main()
