#!/usr/bin/env python3
"""Trains one stage of the demo pair; recipe.py runs them all.

  python tools/demopair/train.py vision --out work/vision --steps 1800 --sizes 84 10 0
  python tools/demopair/train.py base   --out work/base   --steps 5200 --start work/vision [--device cuda --limit 280]

`vision` teaches the tower alone to name what each patch shows; `base` sees both kinds of answers; the two short fine-tunings, `instruct` and
`thinking`, see one kind each and leave the tower as it is, so that both variants share one projector file. A checkpoint is written every
--every steps; the same command again goes on from it. With --limit the run ends after so many seconds of training, its learning rate
having fallen as it would over all steps.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import time

import torch
import torch.nn.functional as F
from torch import nn
from tokenizers import Tokenizer

import batches
import corpus
import grounds
import network
import tokens
from heads import Dense
from muon import Muon
from recorder import Recorder

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "engine/prompt/templates/instruct.jinja"
# How often each skill is drawn, within pictures, clips and text.
MIX = {"colour": 1.2, "shape": 1.2, "number": 1.4, "sum": 1.2, "range": 1.3, "points": 3.0, "count": 2.8, "json": 0.5, "chart": 0.8, "exists": 0.8, "corner": 0.5,
       "where": 0.8, "larger": 1.3, "side": 1.7, "word": 1.0, "mouse_number": 1.2, "mouse_word": 1.8, "box": 2.4, "boxes": 1.2, "point": 1.0, "follow": 2.2,
       "photo": 1.0, "stray": 0.4, "compare": 1.2, "change": 2.4, "motion": 0.6, "greet": 0.5, "unknown": 1.0, "arithmetic": 1.3, "chain": 2.5, "tool": 0.4}


def losses(net, batch):
    """Summed weighted loss, and the logits of the tokens that are learnt."""
    h = net(batch["ids"], batch["positions"], batch.get("pixels"), batch.get("at"), network.grid_of(batch, net.s), seen=batch.get("seen"))
    logits = net.logits(h.flatten(0, 1).index_select(0, batch["asked"])).float()
    each = F.cross_entropy(logits, batch["truth"], reduction="none")
    return (each * batch["weight"]).sum(), logits


def optimisers(net, lr, frozen, half):
    matrices, rest = [], []
    for name, p in net.named_parameters():
        if frozen and not name.startswith("net.model.language_model"):
            p.requires_grad_(False)
            continue
        (matrices if p.ndim == 2 and not any(k in name for k in ("embed", "heads", "sides", "handed")) else rest).append(p)
    decay = [p for p in rest if p.ndim > 1]
    plain = [p for p in rest if p.ndim == 1]
    card = lr.is_cuda  # which may record a step only of tensors
    return [Muon(matrices, lr, half=half),
            torch.optim.AdamW([{"params": decay, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}], lr=lr.clone(), betas=(0.9, 0.98),
                              fused=True, capturable=card)]


def rate(step, progress, warm, hold):
    """Warm up, hold, then fall linearly to a hundredth."""
    if step < warm:
        return (step + 1) / warm
    return 1.0 if progress < hold else max(0.01, (1 - progress) / (1 - hold))


class Stream:
    """What a worker process makes: its own endless stream of steps."""

    def __init__(self, a, tok, step, sizes, thinking):
        self.a, self.tok, self.step, self.sizes, self.thinking = a, tok, step, sizes, thinking

    def __call__(self, worker):
        torch.set_num_threads(1)
        encoder = batches.Encoder(self.tok, TEMPLATE.read_text())
        return batches.Stream(encoder, batches.seed_of(self.a.kind, self.a.seed, self.step, worker), self.a.mix, self.sizes, self.thinking, self.a.weighting,
                              self.a.languages, alike=4 if self.a.device == "cpu" else 2, few_forms=self.a.device == "cuda")


class Trainer:
    """One run: a network, the heads, their optimisers, and where the run stands."""

    def __init__(self, a):
        self.a = a
        self.vision, self.base = a.kind == "vision", a.kind == "base"
        self.device = torch.device(a.device)
        # Processors without bfloat16 instructions multiply such matrices ten times as slowly as float32.
        self.half = self.device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
        self.tok = Tokenizer.from_file(str(tokens.FILE))
        self.shape = network.Shape(vocab=self.tok.get_vocab_size())
        self.net, self.dense = network.Network(self.shape), Dense(self.shape)
        both = nn.ModuleDict({"net": self.net, "dense": self.dense}).to(self.device)
        self.lr = a.lr or {"vision": 3e-3, "base": 2.5e-3}.get(a.kind, 1e-3)
        frozen = bool(a.corpus) or not (self.vision or self.base)
        self.opts = optimisers(both, torch.tensor(self.lr, device=self.device), frozen=frozen, half=self.half)
        # What a tower that stays as it is sees in a step is kept with it for --echo. A card, whose steps are recorded whole, looks each time.
        self.looks_once = frozen and not a.corpus and self.device.type == "cpu"
        self.parameters = [p for p in both.parameters() if p.requires_grad]
        self.total, self.sums = torch.zeros((), device=self.device), {}  # weight of the step; figures since the last row of the log
        self.learn, self.update = self.backward, self.optimise
        if self.device.type == "cuda" and not a.eager:
            self.learn, self.update = Recorder(self.backward), Recorder(self.optimise)
        self.first, self.trained, self.checkpoint = 0, 0.0, a.out / "checkpoint.pt"
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=False, map_location=self.device)
            for o, s in zip(self.opts, state["opts"]):
                o.load_state_dict(s)
            self.first, self.trained = state["step"], state["seconds"]
        elif a.start:
            state = torch.load(a.start / "checkpoint.pt", weights_only=False, map_location=self.device)
        else:
            state = None
        if state:
            only_tower = a.fresh_language and not self.checkpoint.exists()
            self.net.load_state_dict({k: v for k, v in state["net"].items() if not only_tower or k.startswith("model.visual.")}, strict=not only_tower)
            if "dense" in state:  # of a run before there may be fewer heads
                self.dense.load_state_dict(state["dense"], strict=self.checkpoint.exists())
        if not a.eager and self.device.type == "cpu":
            lm, visual = self.net.model.language_model, self.net.model.visual
            for part in [*lm.layers, *visual.blocks, visual.merger, *visual.deepstack_merger_list]:
                part.compile(dynamic=True)

    def save(self, step, done):
        tmp = self.checkpoint.with_suffix(".tmp")
        torch.save({"net": self.net.state_dict(), "dense": self.dense.state_dict(), "opts": [o.state_dict() for o in self.opts], "step": step,
                    "seconds": self.trained, "shape": self.shape}, tmp)
        tmp.rename(self.checkpoint)
        if done:
            (self.a.out / "done").write_text(f"{step} steps in {self.trained:.0f} s\n")

    def loader(self, step):
        a = self.a
        if a.corpus:
            return corpus.steps(a.corpus, a.weighting, a.seed, step)
        thinking = {"instruct": 0.0, "thinking": 1.0}.get(a.kind, 0.5)
        stream = Stream(a, self.tok, step, a.sizes[:2] + [0] if self.vision else a.sizes, thinking)
        grounds.prepare()  # before the workers are forked, so that they share it
        return iter(torch.utils.data.DataLoader(batches.Steps(stream), batch_size=None, num_workers=a.workers, prefetch_factor=6 if a.workers == 1 else 2,
                                                pin_memory=self.device.type == "cuda"))

    def here(self, part):
        return {k: v.to(self.device, non_blocking=True) if torch.is_tensor(v) else v for k, v in part.items()}

    def count(self, figures):
        for k, v in figures.items():
            if k not in self.sums:
                self.sums[k] = torch.zeros((), device=self.device)
            self.sums[k].add_(v)

    def backward(self, part):
        """Adds the part's gradients, and its figures."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.half):
            if self.vision:
                visual, loss = self.net.model.visual, 0.0
                patches = visual.see(part["pixels"], network.grid_of(part, self.shape))[1]
                rows = visual.merger(patches)  # alone: DeepStack's mergers teach nothing here
            else:
                loss, logits = losses(self.net, part)
                asked = part["weight"] > 0
                self.count({"loss": loss.detach(), "weight": part["weight"].sum(), "right": ((logits.detach().argmax(-1) == part["truth"]) & asked).sum(),
                            "of": asked.sum()})
                loss, patches, rows = loss / self.total, self.net.patches, self.net.rows
                self.net.patches = self.net.rows = None  # nothing of a part outlives it
        if "names" in part and (self.vision or self.base):
            dense, figures = self.dense(patches, rows, part["names"], part["boxes"])
            self.count({"dense": dense.detach(), "dense_of": 1} | figures)
            loss = loss + (1.0 if self.vision else 0.5) * dense
        loss.backward()

    def optimise(self, _):
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for o in self.opts:
            o.step()
            o.zero_grad(set_to_none=False)

    def step(self, parts, scale):
        self.total.copy_(sum(p["weight"].sum() for p in parts))
        for part in parts:
            self.learn(part)
        for o in self.opts:
            for g in o.param_groups:
                g["lr"].fill_(self.lr * scale)
        self.update({})

    def steps(self):
        """Endless steps on the device: each that is made, and --echo - 1 of those before it once more, since making costs more than learning."""
        data, kept, rng = self.loader(self.first), [], random.Random(self.first)
        while True:
            fresh = [self.here(p) for p in next(data)]
            if self.looks_once:
                fresh = [corpus.looked_at(self.net, p, self.half) for p in fresh]
            yield fresh
            for _ in range(self.a.echo - 1 if kept else 0):
                yield rng.choice(kept)
            kept = [*kept[-self.a.keep + 1:], fresh]

    def run(self):
        a, seen, step = self.a, 0, self.first
        data = self.steps()
        began, before = None, self.trained
        with (a.out / "log.jsonl").open("a") as log:
            while True:
                parts = next(data)
                began = began or time.time()  # the workers' first batches are not training
                self.trained = before + time.time() - began
                progress = max(step / a.steps, self.trained / a.limit if a.limit else 0)
                if progress >= 1:
                    break
                self.step(parts, rate(step, progress, 100 if self.vision or self.base else 20, a.hold))
                seen += sum(len(p["ids"]) for p in parts)
                step += 1
                if step % 20 == 0:
                    sums = {k: float(v) for k, v in self.sums.items()}
                    row = {"step": step, "progress": round(progress, 3), "samples_per_s": round(seen / (time.time() - began), 1)}
                    if "of" in sums:
                        row |= {"loss": round(sums["loss"] / sums["weight"], 4), "tokens_right": round(sums["right"] / sums["of"], 4)}
                    if "dense_of" in sums:
                        row |= {k: round(sums[k] / max(sums[f"{k}_of"], 1), 4) for k in ("dense", *Dense.NAMES, "box_off", "handed_off")}
                    print(json.dumps(row), file=log, flush=True)
                    for v in self.sums.values():
                        v.zero_()
                if step % a.every == 0:
                    self.save(step, done=False)
        self.save(step, done=True)
        print(f"{a.kind}: steps {self.first} to {step}, {seen} samples, {round(time.time() - began)} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["vision", "base", "instruct", "thinking"])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--start", type=pathlib.Path, help="folder of the run whose weights to start from")
    parser.add_argument("--corpus", type=pathlib.Path, help="learn from what ablation.py has made once; the tower stays as it is")
    parser.add_argument("--fresh-language", action="store_true", help="take only the vision tower from --start")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--limit", type=float, default=0, help="seconds of training after which the run ends at the latest")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, help="processes that make samples (1, or with a card all cores but two)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the training process, on a CPU")
    parser.add_argument("--lr", type=float)
    parser.add_argument("--hold", type=float, default=0.45, help="share of the run before the learning rate falls")
    parser.add_argument("--weighting", choices=["token", "sample", "sqrt"], default="sqrt", help="how a sample's tokens weigh in the loss")
    parser.add_argument("--sizes", type=int, nargs=3, default=[72, 20, 20], help="samples a step: pictures, clips, text")
    parser.add_argument("--echo", type=int, default=1, help="how often each step's samples are learnt from")
    parser.add_argument("--keep", type=int, default=128, help="steps that are kept for --echo")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=200, help="steps between checkpoints")
    parser.add_argument("--eager", action="store_true", help="do not compile (for short runs)")
    parser.add_argument("--languages", type=float, default=0.5, help="share of questions in Korean and Chinese")
    parser.add_argument("--favour", default="", help="draw skills more often: count=4,change=3")
    a = parser.parse_args()
    a.mix = MIX | {s: MIX.get(s, 1.0) * float(n) for s, _, n in (part.partition("=") for part in a.favour.split(",") if part)}
    a.workers = a.workers or (max(1, os.cpu_count() - 2) if a.device == "cuda" else 1)
    if (a.out / "done").exists():
        return print(f"{a.out} is done: {(a.out / 'done').read_text().strip()}")
    a.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(a.seed)
    torch.set_num_threads(a.threads)
    if a.device == "cuda":  # batches come through shared memory, a descriptor each
        torch.backends.cuda.matmul.allow_tf32 = True
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Trainer(a).run()


if __name__ == "__main__":
    main()
