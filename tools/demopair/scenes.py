"""Draws the synthetic pictures and clips of the demo pair and says what is in them.

Everything is drawn with Pillow from one numpy Generator: the same generator state, the same picture. Fonts come with matplotlib.
"""
import functools
import math
import pathlib
from dataclasses import dataclass, field

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

COLOURS = {
    "red": (214, 40, 40), "green": (40, 160, 60), "blue": (40, 80, 220), "yellow": (245, 210, 40), "purple": (140, 50, 180),
    "orange": (245, 130, 20), "black": (20, 20, 20), "white": (250, 250, 250), "pink": (250, 140, 190), "brown": (120, 72, 30),
}
SHAPES = ["circle", "square", "triangle", "star", "cross", "diamond"]
PLACES = [["top left", "top", "top right"], ["left", "middle", "right"], ["bottom left", "bottom", "bottom right"]]
WORDS = ("ant ape apple arm ball bear bed bee bell bird boat book bread bus cake camel car cat chair clock coat cow cup desk dog door "
         "duck egg eye fish flag fork fox frog game gate goat gold hand hat hill home horse ice jam key king lake lamp leaf lion map milk "
         "moon mouse nest nose owl park pear pen pig rain ring road rose sand ship shoe snow sock song star sun tea tent tiger tree van "
         "wall water wind wolf zebra zoo").split()

FONTS = ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold", "STIXGeneral",
         "STIXGeneralBol", "cmss10", "cmtt10"]


@functools.lru_cache(maxsize=4096)
def font(name, size):
    path = pathlib.Path(matplotlib.get_data_path()) / "fonts/ttf" / f"{name}.ttf"
    return ImageFont.truetype(str(path), size)


@dataclass
class Thing:
    """A drawn shape. Centre and radius are in pixels of the picture; place is its cell's name in a 3x3 layout, else empty."""
    shape: str
    colour: str
    x: float
    y: float
    r: float
    place: str = ""
    text: str = ""

    @property
    def key(self):
        return self.colour, self.shape


@dataclass
class Scene:
    image: Image.Image
    things: list = field(default_factory=list)
    chars: list = field(default_factory=list)  # (character, x, y) of its centre


def pick(rng, seq):
    return seq[int(rng.integers(len(seq)))]


def native_size(rng, low=96, high=320):
    """A picture size: both sides in [low, high], ratios up to 2.5."""
    while True:
        w, h = (int(v) for v in rng.integers(low, high + 1, 2))
        if rng.random() < 0.25:
            h = w
        if max(w, h) <= 2.5 * min(w, h):
            return w, h


def _near(rng, rgb, spread=14):
    return tuple(int(np.clip(c + rng.integers(-spread, spread + 1), 0, 255)) for c in rgb)


def contrast(a, b):
    return sum(abs(x - y) for x, y in zip(a, b))


def background(rng, size, avoid):
    """A canvas whose colour differs from all of `avoid`; sometimes a gradient or noise."""
    for _ in range(50):
        base = rng.integers(0, 256, 3) if rng.random() < 0.3 else np.full(3, pick(rng, [245, 225, 190, 128, 60, 30])) + rng.integers(-10, 11, 3)
        base = tuple(int(v) for v in np.clip(base, 0, 255))
        if all(contrast(base, c) > 110 for c in avoid):
            break
    else:
        base = next(c for c in [(200, 220, 200), (90, 110, 120), (170, 150, 200), (150, 200, 220)]
                    if all(contrast(c, a) > 70 for a in avoid) or c[0] == 150)
    kind = rng.random()
    if kind < 0.7:
        return Image.new("RGB", size, base)
    w, h = size
    if kind < 0.85:  # a gentle gradient
        ramp = np.linspace(-18, 18, w if rng.random() < 0.5 else h)
        grid = np.broadcast_to(ramp[None, :, None] if len(ramp) == w else ramp[:, None, None], (h, w, 3))
        return Image.fromarray(np.clip(np.asarray(base) + grid, 0, 255).astype(np.uint8))
    noise = rng.integers(-12, 13, (h, w, 1))
    return Image.fromarray(np.clip(np.asarray(base) + noise, 0, 255).astype(np.uint8))


def _polygon(cx, cy, r, n, inner=None, turn=-math.pi / 2):
    points = []
    steps = n * (2 if inner else 1)
    for i in range(steps):
        q = r * inner if inner and i % 2 else r
        a = turn + 2 * math.pi * i / steps
        points.append((cx + q * math.cos(a), cy + q * math.sin(a)))
    return points


def draw_shape(draw, shape, x, y, r, fill):
    if shape == "circle":
        draw.ellipse([x - r, y - r, x + r, y + r], fill=fill)
    elif shape == "square":
        s = r * 0.88
        draw.rectangle([x - s, y - s, x + s, y + s], fill=fill)
    elif shape == "triangle":
        draw.polygon([(x, y - r), (x - r * 0.95, y + r * 0.8), (x + r * 0.95, y + r * 0.8)], fill=fill)
    elif shape == "star":
        draw.polygon(_polygon(x, y, r * 1.08, 5, inner=0.42), fill=fill)
    elif shape == "cross":
        a = r * 0.32
        draw.rectangle([x - a, y - r, x + a, y + r], fill=fill)
        draw.rectangle([x - r, y - a, x + r, y + a], fill=fill)
    elif shape == "diamond":
        draw.polygon([(x, y - r * 1.1), (x + r * 0.75, y), (x, y + r * 1.1), (x - r * 0.75, y)], fill=fill)
    else:
        raise ValueError(shape)


def text_in(draw, text, x, y, height, face, fill):
    """Writes text centred at (x, y), about `height` pixels tall. Returns the characters with their centres."""
    f = font(face, max(9, int(height * 1.3)))
    draw.text((x, y), text, font=f, fill=fill, anchor="mm")
    left = x - f.getlength(text) / 2
    return [(c, left + (f.getlength(text[:i]) + f.getlength(text[:i + 1])) / 2, y) for i, c in enumerate(text)]


def text_width(text, height, face):
    return font(face, max(9, int(height * 1.3))).getlength(text)


def cells(rng, n, size):
    """n cells of a 3x3 layout: (centre x, centre y, greatest radius, place)."""
    w, h = size
    order = rng.permutation(9)[:n]
    out = []
    for c in order:
        row, col = divmod(int(c), 3)
        most = min(w, h * 1.6, h, w * 1.6) / 6
        jx, jy = rng.uniform(-0.05, 0.05, 2)
        out.append((w * ((col + 0.5) / 3 + jx * 0.8), h * ((row + 0.5) / 3 + jy * 0.8), most * 0.95, PLACES[row][col]))
    return out


def free_places(rng, n, size):
    """n places anywhere, not overlapping: (x, y, radius, "")."""
    w, h = size
    short = min(w, h)
    for _ in range(40):
        placed = []
        for _ in range(n):
            for _ in range(30):
                r = short * rng.uniform(0.10, 0.34 if n <= 2 else 0.2)
                x, y = rng.uniform(r, w - r), rng.uniform(r, h - r)
                # Apart, and clearly one left of the other, since lists go from left to right.
                if all(math.hypot(x - a, y - b) > (r + c) * 1.12 and abs(x - a) > 0.04 * w for a, b, c, _ in placed):
                    placed.append((x, y, r, ""))
                    break
        if len(placed) == n:
            return placed
    return [(x, y, m * 0.8, "") for x, y, m, _ in cells(rng, n, size)]


def shapes_scene(rng, n, layout=None, same_colour=0.0, same_shape=0.0, sizes=(0.55, 1.0), distinct=True, size=None):
    """A picture of n shapes. distinct: no two with the same colour and shape."""
    size = size or native_size(rng)
    layout = layout or ("cells" if rng.random() < 0.6 else "free")
    spots = cells(rng, n, size) if layout == "cells" else free_places(rng, n, size)
    colour0, shape0 = pick(rng, list(COLOURS)), pick(rng, SHAPES)
    things, seen = [], set()
    for x, y, r, place in spots:
        for _ in range(60):
            colour = colour0 if rng.random() < same_colour else pick(rng, list(COLOURS))
            shape = shape0 if rng.random() < same_shape else pick(rng, SHAPES)
            if not distinct or (colour, shape) not in seen:
                break
        seen.add((colour, shape))
        scale = rng.uniform(*sizes) if layout == "cells" else 1.0
        things.append(Thing(shape, colour, x, y, r * scale, place))
    return Scene(render(rng, size, things), things)


def render(rng, size, things):
    fills = [_near(rng, COLOURS[t.colour]) for t in things]
    image = background(rng, size, fills)
    draw = ImageDraw.Draw(image)
    for t, fill in zip(things, fills):
        draw_shape(draw, t.shape, t.x, t.y, t.r, fill)
    return image


def number_scene(rng, texts, boxed=None, size=None):
    """A picture with one or several texts (numbers or words), each apart, some on coloured boxes (Thing.colour, "" without box)."""
    size = size or native_size(rng, 112 if len(texts) > 1 else 96)
    w, h = size
    boxed = rng.random() < 0.4 if boxed is None else boxed
    n = len(texts)
    across = w >= h if n < 4 else True
    colours = [list(COLOURS)[i] for i in rng.permutation(len(COLOURS))[:n]]
    fills = [_near(rng, COLOURS[c]) for c in colours]
    ink = pick(rng, [(15, 15, 15), (250, 250, 250), (200, 30, 30), (30, 60, 200), (20, 120, 50)])
    image = background(rng, size, fills if boxed else [ink])
    draw = ImageDraw.Draw(image)
    things, chars = [], []
    for i, (text, colour, fill) in enumerate(zip(texts, colours, fills)):
        bw, bh = (w / n, h) if across else (w, h / n)
        cx, cy = (bw * (i + 0.5), h / 2) if across else (w / 2, bh * (i + 0.5))
        face = pick(rng, FONTS)
        limit = min(bh * 0.62, 110.0)
        height = max(11.0, rng.uniform(0.55, 1.0) * limit)
        wide = text_width(text, height, face)
        if wide > bw * 0.84:
            height *= bw * 0.84 / wide
        wide = text_width(text, height, face)
        sx, sy = max(0.0, bw * 0.9 - wide) / 2, max(0.0, bh * 0.85 - height * 1.2) / 2
        cx, cy = cx + rng.uniform(-sx, sx) * 0.8, cy + rng.uniform(-sy, sy) * 0.8
        if boxed:
            draw.rectangle([cx - wide * 0.58, cy - height * 0.78, cx + wide * 0.58, cy + height * 0.78], fill=fill)
            shade = (255, 255, 255) if contrast(fill, (255, 255, 255)) > contrast(fill, (0, 0, 0)) else (0, 0, 0)
        else:
            shade = ink
        chars += text_in(draw, text, cx, cy, height, face, shade)
        things.append(Thing("box", colour if boxed else "", cx, cy, height, "", text))
    return Scene(image, things, chars)


def bar_chart(rng, n):
    """n coloured bars of whole heights 1..9 over a base line, their value written above. Left to right."""
    size = native_size(rng, 128)
    w, h = size
    values = [int(v) for v in rng.permutation(np.arange(1, 10))[:n]]
    colours = [list(COLOURS)[i] for i in rng.permutation(len(COLOURS))[:n]]
    fills = [_near(rng, COLOURS[c]) for c in colours]
    image = background(rng, size, fills)
    draw = ImageDraw.Draw(image)
    ink = (0, 0, 0) if contrast(image.getpixel((1, 1)), (0, 0, 0)) > 380 else (255, 255, 255)
    base, slot = h * 0.94, w * 0.92 / n
    draw.line([w * 0.03, base, w * 0.97, base], fill=ink, width=max(1, int(h / 80)))
    things, chars = [], []
    for i, (v, c, fill) in enumerate(zip(values, colours, fills)):
        x = w * 0.04 + slot * (i + 0.5)
        top = base - v / 9 * h * 0.72
        draw.rectangle([x - slot * 0.34, top, x + slot * 0.34, base], fill=fill)
        chars += text_in(draw, str(v), x, top - h * 0.07, h * 0.11, "DejaVuSans-Bold", ink)
        things.append(Thing("bar", c, x, top, v, "", str(v)))
    return Scene(image, things, chars)


def unknown_picture(rng):
    """A picture of nothing the pair knows: blurred patches, like an unsharp photograph."""
    w, h = native_size(rng)
    coarse = rng.integers(0, 256, (int(rng.integers(3, 9)), int(rng.integers(3, 9)), 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((w, h), Image.BICUBIC)
    if rng.random() < 0.6:
        fine = rng.integers(0, 256, (max(4, h // 10), max(4, w // 10), 3), dtype=np.uint8)
        image = Image.blend(image, Image.fromarray(fine).resize((w, h), Image.BICUBIC), rng.uniform(0.2, 0.6))
    return Scene(image)


FRAME_SIZES = [(96, 96), (128, 96), (96, 128), (112, 112), (160, 96)]
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


def moving_clip(rng, n, direction=None):
    """n frames of one shape that moves steadily. Returns (frames, direction, thing)."""
    size = pick(rng, FRAME_SIZES)
    w, h = size
    direction = direction or pick(rng, list(DIRECTIONS))
    dx, dy = DIRECTIONS[direction]
    r = min(w, h) * rng.uniform(0.1, 0.2)
    thing = Thing(pick(rng, SHAPES), pick(rng, list(COLOURS)), 0, 0, r)
    fill = _near(rng, COLOURS[thing.colour])
    ground = background(rng, size, [fill])
    span = (w if dx else h) - 2 * r
    run = span * rng.uniform(0.45, 0.95)
    start = rng.uniform(0, span - run) + r
    side = rng.uniform(r, (h if dx else w) - r)
    frames = []
    for i in range(n):
        along = start + run * (i / max(1, n - 1))
        if dx + dy < 0:
            along = (w if dx else h) - along
        frame = ground.copy()
        draw_shape(ImageDraw.Draw(frame), thing.shape, *((along, side) if dx else (side, along)), r, fill)
        frames.append(frame)
    return frames, direction, thing


def changing_clip(rng, times):
    """One frame for each time in seconds; the shape changes colour once. Returns (frames, time of change, thing, new colour)."""
    size = pick(rng, FRAME_SIZES)
    w, h = size
    r = min(w, h) * rng.uniform(0.16, 0.32)
    x, y = rng.uniform(r, w - r), rng.uniform(r, h - r)
    a, b = (list(COLOURS)[i] for i in rng.permutation(len(COLOURS))[:2])
    thing = Thing(pick(rng, SHAPES), a, x, y, r)
    fills = [_near(rng, COLOURS[c]) for c in (a, b)]
    ground = background(rng, size, fills)
    first = int(rng.integers(1, len(times)))
    when = times[first] - rng.uniform(0, 1) * (times[first] - times[first - 1])
    frames = []
    for t in times:
        frame = ground.copy()
        draw_shape(ImageDraw.Draw(frame), thing.shape, x, y, r, fills[int(t >= when)])
        frames.append(frame)
    return frames, float(when), thing, b
