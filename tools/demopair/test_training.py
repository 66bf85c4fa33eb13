#!/usr/bin/env python3
"""Tests what training stands on: batches, optimiser and what a card replays. Needs torch; the last test needs a card."""
import itertools
import pathlib
import tempfile
import unittest

import torch
from tokenizers import Tokenizer

import batches
import corpus
import network
import tokens
import train
from muon import Muon
from recorder import Recorder

SHAPES = [(8, 20), (20, 8), (8, 20), (8, 20)]


def parameters(device="cpu"):
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(s, device=device)) for s in SHAPES]


def stepped(optimiser, params, steps=5):
    torch.manual_seed(1)
    for _ in range(steps):
        for p in params:
            p.grad = torch.randn(p.shape)
        optimiser.step()
    return params


class Optimiser(unittest.TestCase):
    def test_muon_takes_the_steps_that_torchs_takes(self):
        ours, theirs = parameters(), parameters()
        stepped(Muon(ours, torch.tensor(0.02), half=True), ours)
        stepped(torch.optim.Muon(theirs, lr=0.02, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw"), theirs)
        for a, b, start in zip(ours, theirs, parameters()):
            self.assertLess((a - b).abs().max(), 1e-5)
            self.assertGreater((a - start).abs().max(), 0.01)

    def test_muon_in_float32_is_near(self):
        whole, half = parameters(), parameters()
        stepped(Muon(whole, 0.02), whole), stepped(Muon(half, 0.02, half=True), half)
        for a, b in zip(whole, half):
            self.assertLess((a - b).abs().max(), 2e-3)


class Batches(unittest.TestCase):
    def stream(self, **more):
        return batches.Stream(batches.Encoder(Tokenizer.from_file(str(tokens.FILE))), 3, {"tool": 0.0}, (8, 6, 4), **more)

    def test_batches_for_a_card_have_whole_sizes_and_few_lengths(self):
        stream = self.stream(alike=2, few_forms=True)
        for _ in range(6):
            for part, size in zip(stream.step(), (8, 6, 4)):
                self.assertEqual(len(part["ids"]), size)
                self.assertEqual(part["ids"].shape[1] % 32, 0)
                self.assertEqual(len(part["asked"]) % 4096, 0)

    def test_what_is_padded_weighs_nothing_and_every_answer_something(self):
        stream = self.stream()
        group = [stream.sample(2) for _ in range(8)]
        few, plain = batches.collate(group, "sqrt", few_forms=True), batches.collate(group, "sqrt")
        n = len(plain["asked"])
        self.assertTrue((few["weight"][:n] == plain["weight"]).all() and (plain["weight"] > 0).all())
        self.assertTrue((few["truth"][:n] == plain["truth"]).all())
        self.assertEqual(few["weight"][n:].sum(), 0)


class Made:
    """What a process that makes samples calls."""

    def __call__(self, worker):
        return batches.Stream(batches.Encoder(Tokenizer.from_file(str(tokens.FILE))), 4, {"tool": 0.0}, (6, 0, 3))


class Corpus(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        self.net = network.Network(network.Shape(vocab=Tokenizer.from_file(str(tokens.FILE)).get_vocab_size()))
        self.folder = tempfile.TemporaryDirectory()
        self.file = pathlib.Path(self.folder.name) / "corpus.pt"
        torch.save(corpus.make(self.net, Made(), 3), self.file)

    def tearDown(self):
        self.folder.cleanup()

    def test_what_the_tower_saw_stands_for_the_pictures(self):
        stream, made = Made()(0), torch.load(self.file)
        with torch.no_grad():
            for parts in made:
                for kept, drawn in zip(parts, stream.step()):
                    (a, _), (b, _) = train.losses(self.net, kept), train.losses(self.net, drawn)
                    self.assertLess(abs(a - b), 1e-3 * b)  # the tower worked in bfloat16

    def test_weightings_are_powers_of_the_answers_length(self):
        token, root, sample = (next(corpus.steps(self.file, how, 1, 0)) for how in ("token", "sqrt", "sample"))
        for a, b, c in zip(token, root, sample):
            self.assertTrue((a["weight"] == 1).all())
            self.assertTrue(torch.allclose(b["weight"] ** 2, c["weight"]) and (b["weight"] < 1).all())

    def test_a_run_that_goes_on_meets_the_steps_that_it_would_have_met(self):
        whole, later = corpus.steps(self.file, "sqrt", 7, 0), corpus.steps(self.file, "sqrt", 7, 4)
        for a, b in zip(itertools.islice(whole, 4, 9), later):
            self.assertTrue(torch.equal(a[0]["ids"], b[0]["ids"]))


@unittest.skipUnless(torch.cuda.is_available(), "needs a card")
class Recorded(unittest.TestCase):
    def test_a_replayed_step_does_what_the_step_does(self):
        results = []
        for wrap in (lambda work: work, Recorder):
            weight, out = torch.ones(4, 4, device="cuda"), torch.zeros((), device="cuda")
            work = wrap(lambda batch: out.add_((batch["x"] @ weight).square().sum()))
            torch.manual_seed(2)
            for n in (3, 5, 3, 5, 3, 5, 3):
                work({"x": torch.randn(n, 4, device="cuda"), "grid": [n, n]})
            results.append(out.item())
        self.assertAlmostEqual(*results, delta=1e-3)


if __name__ == "__main__":
    unittest.main()
