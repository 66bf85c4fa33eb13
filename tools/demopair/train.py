#!/usr/bin/env python3
"""Trains the demo pair.

  python tools/demopair/train.py vision    --out work/vision   --steps 1500
  python tools/demopair/train.py base      --out work/base     --steps 3600 --start work/vision
  python tools/demopair/train.py instruct  --out work/instruct --steps 400 --start work/base
  python tools/demopair/train.py thinking  --out work/thinking --steps 400 --start work/base

`vision` teaches the tower alone to name what each patch shows; `base` sees both kinds of answers; the two short fine-tunings see one
kind each and leave the tower as it is, so that both variants share one projector file. A checkpoint is written every --every steps;
the same command again goes on from it.
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
MIX = {"number": 1.8, "sum": 1.3, "range": 1.5, "points": 3.5, "count": 3.0, "json": 0.6, "chart": 0.7, "exists": 0.8, "corner": 0.5, "where": 0.7,
       "larger": 1.5, "side": 1.8, "word": 1.4, "compare": 1.2, "change": 1.2, "motion": 0.6, "greet": 0.6, "unknown": 0.9, "arithmetic": 1.3, "chain": 2.5, "tool": 0.3}
# The same for the first tenth of base training: seeing before reckoning.
EARLY = MIX | {"count": 1.5, "sum": 0.3, "range": 0.2, "points": 0.3, "json": 0.2, "chart": 0.3, "describe": 2.0, "exists": 0.3, "chain": 1.0, "arithmetic": 2.0}
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
        if frozen and not name.startswith("net.model.language_model"):
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


class Trainer:
    """One run: a network, the heads, their optimisers, and where the run stands."""

    def __init__(self, a):
        self.a = a
        self.vision, self.base = a.kind == "vision", a.kind == "base"
        tokenizer = (a.start or a.out) / "tokenizer.json"
        if not tokenizer.exists():
            tokens.train().save(str(tokenizer))
        self.tok = Tokenizer.from_file(str(tokenizer))
        self.tok.save(str(a.out / "tokenizer.json"))
        self.shape = network.Shape(vocab=self.tok.get_vocab_size())
        self.net, self.dense = network.Network(self.shape), Dense(self.shape)
        both = nn.ModuleDict({"net": self.net, "dense": self.dense})
        self.lr = a.lr or {"vision": 3e-3, "base": 2.5e-3}.get(a.kind, 6e-4)
        self.opts = optimisers(both, self.lr, frozen=not (self.vision or self.base))
        self.parameters = [p for p in both.parameters() if p.requires_grad]
        self.first, self.checkpoint = 0, a.out / "checkpoint.pt"
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=False)
            for o, s in zip(self.opts, state["opts"]):
                o.load_state_dict(s)
            self.first = state["step"]
        elif a.start:
            state = torch.load(a.start / "checkpoint.pt", weights_only=False)
        else:
            state = None
        if state and a.fresh_language and not self.checkpoint.exists():
            self.net.model.visual.load_state_dict({k[len("model.visual."):]: v for k, v in state["net"].items() if k.startswith("model.visual.")})
        elif state:
            self.net.load_state_dict(state["net"])
        if state:
            if "dense" in state:
                self.dense.load_state_dict(state["dense"])
        if not a.eager:
            lm, visual = self.net.model.language_model, self.net.model.visual
            for part in [*lm.layers, *visual.blocks, visual.merger, *visual.deepstack_merger_list]:
                part.compile(dynamic=True)

    def save(self, step):
        tmp = self.checkpoint.with_suffix(".tmp")
        torch.save({"net": self.net.state_dict(), "dense": self.dense.state_dict(), "opts": [o.state_dict() for o in self.opts], "step": step,
                    "shape": self.shape}, tmp)
        tmp.rename(self.checkpoint)

    def loader(self, step, mix):
        a, tok, template = self.a, self.tok, TEMPLATE.read_text()
        thinking = {"instruct": 0.0, "thinking": 1.0}.get(a.kind, 0.5)
        sizes = [a.sizes[0], 0, 0] if self.vision else a.sizes

        def stream(worker):
            torch.set_num_threads(1)
            return batches.Stream(batches.Encoder(tok, template), batches.seed_of(a.kind, a.seed, step, worker), mix, sizes, thinking, a.weighting)
        return iter(torch.utils.data.DataLoader(batches.Steps(stream), batch_size=None, num_workers=1, prefetch_factor=6))

    def backward(self, part, total):
        """Adds the part's gradients. Returns figures for the log."""
        out = {}
        with torch.autocast("cpu", dtype=torch.bfloat16):
            if self.vision:
                patches, loss = self.net.model.visual.see(part["pixels"], grid_of(part, self.shape))[1], 0.0
            else:
                loss, weight, logits, truth = losses(self.net, part)
                out |= {"loss": loss.item(), "weight": weight.item(), "right": (logits.argmax(-1) == truth).sum().item(), "of": len(truth)}
                loss, patches = loss / total, self.net.patches
        if "dense" in part and (self.vision or self.base):
            dense, right = self.dense(patches, part["dense"])
            out |= {"dense": dense.item(), "colour": right[0], "shape": right[1], "char": right[2], "dense_of": 1}
            loss = loss + (1.0 if self.vision else 0.5) * dense
        if torch.is_tensor(loss) and loss.requires_grad:
            loss.backward()
        return out

    def run(self):
        a = self.a
        early = int(a.steps * 0.1) if self.base and not self.a.start else 0
        data, mix = None, None
        began, seen, sums = time.time(), 0, {}
        with (a.out / "log.jsonl").open("a") as log:
            for step in range(self.first, a.steps):
                now = EARLY if step < early else a.mix
                if now is not mix:
                    data, mix = self.loader(step, now), now
                parts = next(data)
                total = sum(float(p["weight"].sum()) for p in parts)
                for part in parts:
                    for k, v in self.backward(part, total).items():
                        sums[k] = sums.get(k, 0) + v
                    seen += len(part["ids"])
                nn.utils.clip_grad_norm_(self.parameters, 1.0)
                scale = rate(step, a.steps, 100 if self.vision or self.base else 20, a.hold)
                for o in self.opts:
                    for g in o.param_groups:
                        g["lr"] = self.lr * scale
                    o.step()
                    o.zero_grad()
                if (step + 1) % 20 == 0:
                    row = {"step": step + 1, "samples_per_s": round(seen / (time.time() - began), 1)}
                    if "of" in sums:
                        row |= {"loss": round(sums["loss"] / sums["weight"], 4), "tokens_right": round(sums["right"] / sums["of"], 4)}
                    if "dense_of" in sums:
                        row |= {k: round(sums[k] / sums["dense_of"], 4) for k in ("dense", "colour", "shape", "char")}
                    print(json.dumps(row), file=log, flush=True)
                    sums = {}
                if (step + 1) % a.every == 0 or step + 1 == a.steps:
                    self.save(step + 1)
        print("done", self.first, a.steps, round(time.time() - began), "s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["vision", "base", "instruct", "thinking"])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--start", type=pathlib.Path, help="folder of the run whose weights to start from")
    parser.add_argument("--fresh-language", action="store_true", help="take only the vision tower from --start")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--hold", type=float, default=0.5, help="share of the steps before the learning rate falls")
    parser.add_argument("--weighting", choices=["token", "sample", "sqrt"], default="sqrt", help="how a sample's tokens weigh in the loss")
    parser.add_argument("--sizes", type=int, nargs=3, default=[72, 16, 20], help="samples a step: pictures, clips, text")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=200)
    parser.add_argument("--eager", action="store_true", help="do not compile (for short runs)")
    parser.add_argument("--favour", default="", help="draw skills more often: count=4,change=3")
    a = parser.parse_args()
    a.mix = MIX | {s: MIX.get(s, 1.0) * float(n) for s, _, n in (part.partition("=") for part in a.favour.split(",") if part)}
    a.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)
    torch.set_num_threads(2)
    Trainer(a).run()


if __name__ == "__main__":
    main()
