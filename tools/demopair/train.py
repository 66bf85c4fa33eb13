#!/usr/bin/env python3
"""Trains the demo pair.

  python tools/demopair/train.py base      --out work/base     --steps 3600
  python tools/demopair/train.py instruct  --out work/instruct --steps 400 --start work/base
  python tools/demopair/train.py thinking  --out work/thinking --steps 400 --start work/base

`base` sees both kinds of answers; the two short fine-tunings see one kind each and leave the vision tower as it is, so that both
variants share one projector file. A checkpoint is written every --every steps; the same command again goes on from it.
"""
import argparse
import json
import pathlib
import time

import torch
import torch.nn.functional as F
from torch import nn
from tokenizers import Tokenizer

import batches
import network
import scenes
import tokens

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "engine/prompt/templates/instruct.jinja"
# How often each skill is drawn, within pictures, clips and text.
MIX = {"number": 2.5, "sum": 1.8, "range": 1.2, "points": 1.5, "count": 1.5, "json": 0.5, "chart": 0.8, "exists": 0.7, "corner": 0.7, "where": 0.7,
       "compare": 0.8, "greet": 0.6, "unknown": 0.9, "arithmetic": 1.3, "chain": 2.5, "tool": 0.3}
# The same for the first tenth of base training: seeing before reckoning.
EARLY = MIX | {"sum": 0.3, "range": 0.2, "points": 0.3, "json": 0.2, "chart": 0.3, "describe": 2.0, "exists": 0.3, "chain": 1.0, "arithmetic": 2.0}
GRIDS = {}


def grid_of(batch, shape):
    if "grid" not in batch:
        return None
    key = tuple(batch["grid"])
    if key not in GRIDS:
        GRIDS[key] = network.Grid(*key, shape)
    return GRIDS[key]


def losses(net, batch):
    """Summed weighted loss, summed weight, and for each place with an answer whether its token is the likeliest."""
    h = net(batch["ids"], batch["positions"], batch.get("pixels"), batch.get("at"), grid_of(batch, net.s))
    weight = batch["weight"][:, 1:]
    some = weight > 0
    logits = net.logits(h[:, :-1][some]).float()
    truth = batch["ids"][:, 1:][some]
    each = F.cross_entropy(logits, truth, reduction="none")
    return (each * weight[some]).sum(), weight.sum(), logits, truth


class Dense(nn.Module):
    """Heads that name the colour, shape and character of each patch. They teach the vision tower to see and are not exported."""

    def __init__(self, shape):
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(shape.vision_hidden, n + 1) for n in (len(scenes.COLOURS), len(scenes.SHAPES), len(batches.CHARS)))

    def forward(self, patches, truth):
        """Mean loss over the patches, those that show something weighing ten times as much; and the share of these that are right."""
        loss, right, some = 0.0, [], truth > 0
        for i, head in enumerate(self.heads):
            logits = head(patches.float())
            weight = 1.0 + 9.0 * some[..., i]
            each = F.cross_entropy(logits.flatten(0, 1), truth[..., i].flatten(), reduction="none")
            loss = loss + (each * weight.flatten()).sum() / weight.sum()
            right.append(((logits.argmax(-1) == truth[..., i]) & some[..., i]).sum().item() / max(1, some[..., i].sum().item()))
        return loss, right


def optimisers(net, lr, frozen):
    matrices, rest = [], []
    for name, p in net.named_parameters():
        if frozen and name.startswith("model.visual"):
            p.requires_grad_(False)
            continue
        (matrices if p.ndim == 2 and "embed" not in name and "heads" not in name else rest).append(p)
    decay = [p for p in rest if p.ndim > 1]
    plain = [p for p in rest if p.ndim == 1]
    return [torch.optim.Muon(matrices, lr=lr, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW([{"params": decay, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}], lr=lr, betas=(0.9, 0.98), fused=True)]


def rate(step, steps, warm, hold):
    """Warm up, hold, then fall linearly to a hundredth."""
    if step < warm:
        return (step + 1) / warm
    if step < hold * steps:
        return 1.0
    return max(0.01, (steps - step) / (steps * (1 - hold)))


def save(path, **state):
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").rename(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["base", "instruct", "thinking"])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--start", type=pathlib.Path, help="folder of the base model, for a fine-tuning")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--weighting", choices=["token", "sample", "sqrt"], default="sqrt", help="how a sample's tokens weigh in the loss")
    parser.add_argument("--sizes", type=int, nargs=3, default=[64, 16, 32], help="samples a step: pictures, clips, text")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=200)
    parser.add_argument("--eager", action="store_true", help="do not compile (for short runs)")
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)
    torch.set_num_threads(2)

    tokenizer = (a.start or a.out) / "tokenizer.json"
    if not tokenizer.exists():
        tokens.train().save(str(tokenizer))
    tok = Tokenizer.from_file(str(tokenizer))
    tok.save(str(a.out / "tokenizer.json"))
    shape = network.Shape(vocab=tok.get_vocab_size())
    net = network.Network(shape)
    base = a.kind == "base"
    lr = a.lr or (2.5e-3 if base else 6e-4)
    opts = optimisers(net, lr, frozen=not base)
    first, checkpoint = 0, a.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=False)
        net.load_state_dict(state["net"])
        for o, s in zip(opts, state["opts"]):
            o.load_state_dict(s)
        first = state["step"]
    elif a.start:
        net.load_state_dict(torch.load(a.start / "checkpoint.pt", weights_only=False)["net"])
    if not a.eager:
        for part in [*net.model.language_model.layers, *net.model.visual.blocks, net.model.visual.merger, *net.model.visual.deepstack_merger_list]:
            part.compile(dynamic=True)

    thinking = {"base": 0.5, "instruct": 0.0, "thinking": 1.0}[a.kind]
    template = TEMPLATE.read_text()
    early = int(a.steps * 0.1) if base else 0

    def loader(start, mix):
        def stream(worker):
            torch.set_num_threads(1)
            return batches.Stream(batches.Encoder(tok, template), batches.seed_of(a.kind, a.seed, start, worker), mix, a.sizes, thinking, a.weighting)
        return iter(torch.utils.data.DataLoader(batches.Steps(stream), batch_size=None, num_workers=1, prefetch_factor=6))

    data, mix = None, None
    log = (a.out / "log.jsonl").open("a")
    began, seen, run = time.time(), 0, [0.0, 0.0, 0, 0]
    for step in range(first, a.steps):
        now = EARLY if step < early else MIX
        if now is not mix:
            data, mix = loader(step, now), now
        parts = next(data)
        total = sum(float(p["weight"].sum()) for p in parts)
        for part in parts:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss, weight, logits, truth = losses(net, part)
            (loss / total).backward()
            run[0] += loss.item()
            run[1] += weight.item()
            run[2] += int((logits.argmax(-1) == truth).sum())
            run[3] += len(truth)
            seen += len(part["ids"])
        torch.nn.utils.clip_grad_norm_([p for p in net.parameters() if p.requires_grad], 1.0)
        for o in opts:
            for g in o.param_groups:
                g["lr"] = lr * rate(step, a.steps, 100 if base else 20, 0.55 if base else 0.1)
            o.step()
            o.zero_grad()
        if (step + 1) % 20 == 0:
            row = {"step": step + 1, "loss": round(run[0] / run[1], 4), "tokens_right": round(run[2] / run[3], 4),
                   "samples_per_s": round(seen / (time.time() - began), 1)}
            print(json.dumps(row), file=log, flush=True)
            run = [0.0, 0.0, 0, 0]
        if (step + 1) % a.every == 0 or step + 1 == a.steps:
            save(checkpoint, net=net.state_dict(), opts=[o.state_dict() for o in opts], step=step + 1, shape=shape)
    print("done", first, a.steps, round(time.time() - began), "s")


if __name__ == "__main__":
    main()
