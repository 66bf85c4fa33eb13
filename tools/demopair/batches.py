"""Turns samples into training batches: the prompt's tokens, MRoPE positions, picture patches and the weight of each answer token.

The text is what the chat template renders (check.py compares with jinja2); the pictures are resized as the daemon resizes them.
"""
import math
import zlib
from dataclasses import dataclass

import jinja2
import numpy as np
import torch
from PIL import Image

import questions
import scenes

MIN_PIXELS, MAX_PIXELS = 96 * 96, 160 * 160
CLIP_MAX_PIXELS = 96 * 128


def smart_resize(w, h, low=MIN_PIXELS, high=MAX_PIXELS):
    """The size transformers' Qwen2VLImageProcessor gives a picture, as (w, h)."""
    f = 32
    hb, wb = round(h / f) * f, round(w / f) * f
    if hb * wb > high:
        b = math.sqrt(h * w / high)
        hb, wb = max(f, math.floor(h / b / f) * f), max(f, math.floor(w / b / f) * f)
    elif hb * wb < low:
        b = math.sqrt(low / (h * w))
        hb, wb = math.ceil(h * b / f) * f, math.ceil(w * b / f) * f
    return wb, hb


def patches(image, size):
    """uint8 [patches, 3*16*16] in merge order."""
    if image.size != size:
        image = image.resize(size, Image.BICUBIC)
    a = np.asarray(image)
    gh, gw = size[1] // 16, size[0] // 16
    return a.reshape(gh // 2, 2, 16, gw // 2, 2, 16, 3).transpose(0, 3, 1, 4, 6, 2, 5).reshape(gh * gw, 768)


CHARS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass
class Shown:
    """What each patch of the groups shows, in merge order: names [groups, patches, 4] are colour, shape and character centred there and the
    colour in the group's last frame, 0 for none; boxes [groups, patches, 4] are the sides of the shape there as shares of the picture's."""
    names: np.ndarray
    boxes: np.ndarray


def merged(a):
    """Patches of a grid [gh, gw, n] in merge order."""
    gh, gw, n = a.shape
    return a.reshape(gh // 2, 2, gw // 2, 2, n).transpose(0, 2, 1, 3, 4).reshape(gh * gw, n)


def shown(groups, size):
    both = [_shown(group, size) for group in groups]
    return Shown(np.stack([n for n, _ in both]), np.stack([b for _, b in both]))


def _shown(group, size):
    w, h = group[0].image.size
    gw, gh = size[0] // 16, size[1] // 16
    names, boxes = np.zeros((gh, gw, 4), np.int64), np.zeros((gh, gw, 4), np.float32)
    ys, xs = np.mgrid[:gh, :gw]
    xs, ys = (xs + 0.5) * w / gw, (ys + 0.5) * h / gh

    def at(x, y):
        return min(gh - 1, max(0, int(y * gh / h))), min(gw - 1, max(0, int(x * gw / w)))

    for frame, channels in ((group[0], (0, 1)), (group[-1], (3,))):
        for t in frame.things:
            colour = list(scenes.COLOURS).index(t.colour) + 1 if t.colour else 0
            if t.shape in scenes.SHAPES:
                inside = np.hypot(xs - t.x, ys - t.y) < t.r * 0.75
                inside[at(t.x, t.y)] = True
                for c in channels:
                    names[inside, c] = scenes.SHAPES.index(t.shape) + 1 if c == 1 else colour
                if 1 in channels:
                    boxes[inside] = np.array(t.box) / (w, h, w, h)
            elif t.shape == "bar":
                names[at(t.x, min(h * 0.92, t.y + h * 0.03))][list(channels)[:1]] = colour
    for c, x, y in group[0].chars:
        names[at(x, y)][2] = CHARS.index(c.lower()) + 1
    return merged(names), merged(boxes)


@dataclass
class Encoded:
    ids: np.ndarray
    weight: np.ndarray  # of predicting the token at this place: 0 or 1
    positions: np.ndarray  # [3, n]
    at: np.ndarray  # places of picture tokens
    pixels: np.ndarray | None  # [groups, patches, frames, 768]
    grid: tuple | None  # (gh, gw)
    answers: list  # number of answer tokens of each turn
    shown: Shown | None = None


class Encoder:
    def __init__(self, tok, template=None):
        self.tok = tok
        self.id = {t: tok.token_to_id(t) for t in ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")}
        self.cache = {}
        env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
        env.filters["tojson"] = lambda v: __import__("json").dumps(v, ensure_ascii=False)
        self.template = env.from_string(template) if template else None

    def text(self, s):
        if s not in self.cache:
            if len(self.cache) > 20000:
                self.cache.clear()
            self.cache[s] = self.tok.encode(s, add_special_tokens=False).ids
        return self.cache[s]

    def beginning(self, tokens, text):
        """How many of the tokens spell no more than the text's beginning."""
        n = 0
        while n < len(tokens) and text.startswith(self.tok.decode(tokens[:n + 1], skip_special_tokens=False)):
            n += 1
        return n

    def encode(self, sample, thinking):
        """A sample as the model is trained on it; only the last turn of a thinking conversation keeps its thoughts."""
        ids, weight, at, blocks = [], [], [], []

        def add(tokens, w=0):
            ids.extend(tokens)
            weight.extend([w] * len(tokens))

        size = None
        visuals = sample.visuals
        if visuals:
            first = visuals[0][0]
            size = smart_resize(*first.size, high=CLIP_MAX_PIXELS if sample.stamps else MAX_PIXELS)

        def show():
            n = size[0] * size[1] // 1024
            for i in range(len(visuals)):
                if sample.stamps:
                    add(self.text(f"<{sample.stamps[i]:.1f} seconds>"))
                add([self.id["<|vision_start|>"]])
                blocks.append((len(ids), n))
                at.extend(range(len(ids), len(ids) + n))
                add([self.id["<|video_pad|>" if sample.stamps else "<|image_pad|>"]] * n)
                add([self.id["<|vision_end|>"]])

        if sample.tools:
            add(self.tok.encode(self.template.render(messages=[{"role": "user", "content": ""}], tools=sample.tools).split("<|im_start|>user")[0],
                                add_special_tokens=False).ids)
        answers = []
        for i, turn in enumerate(sample.turns):
            last = i == len(sample.turns) - 1
            add([self.id["<|im_start|>"]])
            add(self.text("user\n"))
            if i and sample.tools:
                add(self.tok.encode(f"<tool_response>\n{turn.check['expect']}\n</tool_response>", add_special_tokens=False).ids)
            elif i == 0 and visuals and sample.picture_last:
                add(self.text(turn.ask))
                show()
            else:
                if i == 0 and visuals:
                    show()
                add(self.text(turn.ask))
            add([self.id["<|im_end|>"]])
            add(self.text("\n"))
            add([self.id["<|im_start|>"]])
            add(self.text("assistant\n"))
            said = turn.answer
            if thinking and last:
                add(self.tok.encode("<think>\n").ids)
                said = f"{turn.thought}\n</think>\n\n{said}"
            tokens = self.text(said) + [self.id["<|im_end|>"]]
            learn = not (thinking and not last)
            skip = self.beginning(tokens, said[:said.index(turn.answer)] + turn.given) if turn.given else 0
            add(tokens[:skip])
            add(tokens[skip:], int(learn))
            if learn:
                answers.append(len(tokens) - skip)
            if not last:
                add(self.text("\n"))
        positions = np.zeros((3, len(ids)), np.int64)
        p, i = 0, 0
        for start, n in blocks + [(len(ids), 0)]:
            run = start - i
            positions[:, i:start] = p + np.arange(run)
            p += run
            if n:
                hh, ww = size[1] // 32, size[0] // 32
                k = np.arange(n)
                positions[:, start:start + n] = p + np.stack([np.zeros(n, np.int64), k // ww, k % ww])
                p += max(hh, ww)
            i = start + n
        pixels = np.stack([np.stack([patches(f, size) for f in group], 1) for group in visuals]) if visuals else None
        return Encoded(np.array(ids), np.array(weight, np.float32), positions, np.array(at, np.int64), pixels,
                       (size[1] // 16, size[0] // 16) if size else None, answers,
                       shown(sample.scenes, size) if visuals else None)


def weigh(e, how):
    """Token weights of a sample by the number n of its answer tokens: "token" 1 each, "sample" 1/n, "sqrt" 1/sqrt(n) (the paper's)."""
    n = sum(e.answers)
    return e.weight * {"token": 1.0, "sample": 1 / n, "sqrt": n ** -0.5}[how]


def collate(group, how, few_forms=False):
    """few_forms: pads more, so that batches of few forms come about."""
    longest = max(len(e.ids) for e in group)
    to = 8 if not few_forms else 32 if longest <= 128 else 64
    longest = -(-longest // to) * to
    b = len(group)
    ids, weight, positions = np.zeros((b, longest), np.int64), np.zeros((b, longest), np.float32), np.zeros((3, b, longest), np.int64)
    at = []
    for i, e in enumerate(group):
        ids[i, :len(e.ids)], weight[i, :len(e.ids)], positions[:, i, :len(e.ids)] = e.ids, weigh(e, how), e.positions
        at.append(e.at + i * longest)
    rows, cols = np.nonzero(weight[:, 1:])
    if few_forms:  # some of no weight
        more = -len(rows) % 4096
        rows, cols = np.pad(rows, (0, more)), np.pad(cols, (0, more))
    out = {"ids": ids, "positions": positions, "asked": rows * longest + cols, "truth": ids[rows, cols + 1], "weight": weight[rows, cols + 1]}
    if group[0].pixels is not None:
        out |= {"at": np.concatenate(at), "pixels": np.concatenate([e.pixels for e in group]),
                "names": np.concatenate([e.shown.names for e in group]), "boxes": np.concatenate([e.shown.boxes for e in group])}
    return {k: torch.from_numpy(v) for k, v in out.items()} | {"grid": group[0].grid}


class Stream:
    """An endless stream of steps; a step is one batch of pictures, one of clips or several pictures, and one of text."""
    HELD = 16  # times as many samples of a kind may wait for their like

    def __init__(self, encoder, seed, mix, sizes=(64, 16, 48), thinking=0.5, how="sqrt", languages=0.36, alike=1, few_forms=False):
        """alike: batches that are made at once of samples of one form, the short ones apart from the long ones. More pad less, and come later."""
        self.encoder, self.rng, self.mix, self.sizes = encoder, np.random.default_rng(seed), mix, sizes
        self.thinking, self.how, self.languages, self.alike, self.few_forms = thinking, how, languages, alike, few_forms
        self.pools, self.ready, self.made = [{}, {}, {}], [[], [], []], [0, 0, 0]

    def sample(self, kind):
        rng = self.rng
        skills = [questions.IMAGE, questions.TWO_IMAGES + questions.VIDEO, questions.TEXT][kind]
        p = np.array([self.mix.get(s, 1.0) for s in skills])
        skill = skills[int(rng.choice(len(skills), p=p / p.sum()))]
        lang = questions.pick(rng, ["ko", "zh"]) if rng.random() < self.languages else "en"
        thinking = rng.random() < self.thinking
        s = questions.make(rng, skill, lang, turns=1 if thinking else int(rng.integers(1, 5)))
        s.picture_last = bool(s.visuals) and not s.stamps and rng.random() < 0.15
        return self.encoder.encode(s, thinking)

    def batch(self, kind):
        """The next batch of a kind: samples whose pictures have one form, or texts of about one length. All are padded to the longest."""
        pools, size, ready = self.pools[kind], self.sizes[kind], self.ready[kind]
        self.made[kind] += 1
        held = min(self.HELD, self.made[kind]) * self.alike * size  # few at first, so that nobody waits long for the first batches
        while not ready:
            e = self.sample(kind)
            key = len(e.ids) // 24 if e.pixels is None else (e.grid, e.pixels.shape[0], e.pixels.shape[2])
            pools.setdefault(key, []).append(e)
            if len(pools[key]) < self.alike * size:
                if sum(map(len, pools.values())) < held:
                    continue
                key = max(pools, key=lambda k: len(pools[k]))  # of so many forms none may fill up for long: take the fullest
            pool = pools.pop(key)
            if self.few_forms and len(pool) < size:
                pool = (pool * size)[:size]
            whole = max(len(pool) // size, 1) * size
            pools[key] = pool[whole:]
            alike = sorted(pool[:whole], key=lambda e: len(e.ids))
            ready.extend(alike[i:i + size] for i in range(0, len(alike), size))
            self.rng.shuffle(ready)
        return collate(ready.pop(), self.how, self.few_forms)

    def step(self):
        return [self.batch(k) for k in range(3) if self.sizes[k]]


class Steps(torch.utils.data.IterableDataset):
    def __init__(self, make):
        self.make = make

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        stream = self.make(info.id if info else 0)
        while True:
            yield stream.step()


def seed_of(*words):
    return zlib.crc32(" ".join(map(str, words)).encode())
