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
LAYER = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
         "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
BLOCK = {"ln1": "norm1", "ln2": "norm2", "attn_qkv": "attn.qkv", "attn_out": "attn.proj", "ffn_up": "mlp.linear_fc1", "ffn_down": "mlp.linear_fc2"}
MERGER = {"v.post_ln": "norm", "mm.0": "linear_fc1", "mm.2": "linear_fc2"}


def tensors(file):
    """The file's tensors by name, float32, in PyTorch's order of dimensions."""
    return {t.name: torch.from_numpy(np.array(t.data, np.float32).reshape(*reversed([int(n) for n in t.shape]))) for t in gguf.GGUFReader(file).tensors}


def name_in_network(name, taps):
    """The parameter that a tensor of either file is, but for the two halves of the patch embedding."""
    part, kind = name.rsplit(".", 1)
    if part in ("token_embd", "output_norm"):
        return f"model.language_model.{'embed_tokens' if part == 'token_embd' else 'norm'}.{kind}"
    if part.startswith("blk."):
        _, i, what = part.split(".")
        return f"model.language_model.layers.{i}.{LAYER[what]}.{kind}"
    if part.startswith("v.blk."):
        _, _, i, what = part.split(".")
        return f"model.visual.blocks.{i}.{BLOCK[what]}.{kind}"
    if part.startswith("v.deepstack."):
        _, _, i, what = part.split(".")
        return f"model.visual.deepstack_merger_list.{taps.index(int(i))}.{ {'norm': 'norm', 'fc1': 'linear_fc1', 'fc2': 'linear_fc2'}[what]}.{kind}"
    if part in MERGER:
        return f"model.visual.merger.{MERGER[part]}.{kind}"
    return {"v.patch_embd.bias": "model.visual.patch_embed.proj.bias", "v.position_embd.weight": "model.visual.pos_embed.weight"}[name]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant", choices=["instruct", "thinking"])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--weights", type=pathlib.Path, default=ROOT / "internal/demopair/weights")
    a = parser.parse_args()
    shape = network.Shape(vocab=Tokenizer.from_file(str(tokens.FILE)).get_vocab_size())
    found = tensors(a.weights / f"{a.variant}.gguf") | tensors(a.weights / "projector.gguf")
    frames = [found.pop(f"v.patch_embd.weight{half}") for half in ("", ".1")]
    state = {name_in_network(name, list(shape.taps)): t for name, t in found.items()}
    state["model.visual.patch_embed.proj.weight"] = torch.stack(frames, 2)
    network.Network(shape).load_state_dict(state)
    a.out.mkdir(parents=True, exist_ok=True)
    torch.save({"net": state, "shape": shape, "step": 0}, a.out / "checkpoint.pt")


if __name__ == "__main__":
    main()
