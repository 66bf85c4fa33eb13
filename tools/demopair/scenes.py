"""Draws the synthetic pictures and clips of the demo pair and says what is in them.

Everything is drawn from one numpy Generator: the same generator state, the same picture. Fonts come with matplotlib. looks.py paints, and
outlines.py, handwriting.py and grounds.py say what.
"""
import functools
import math
import pathlib
from dataclasses import dataclass, field

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import grounds
import handwriting
import looks
from grounds import contrast
from outlines import SHAPES

COLOURS = {
    "red": (214, 40, 40), "green": (40, 160, 60), "blue": (40, 80, 220), "yellow": (245, 210, 40), "purple": (140, 50, 180),
    "orange": (245, 130, 20), "black": (20, 20, 20), "white": (250, 250, 250), "pink": (250, 140, 190), "brown": (120, 72, 30),
}
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
    box: tuple = ()  # x1, y1, x2, y2 of what is drawn, in pixels

    @property
    def key(self):
        return self.colour, self.shape


@dataclass
class Scene:
    image: Image.Image
    things: list = field(default_factory=list)
    chars: list = field(default_factory=list)  # (character, x, y) of its centre
    look: looks.Look | None = None


def pick(rng, seq):
    return seq[int(rng.integers(len(seq)))]


def native_size(rng, low=96, high=240):
    """A picture size: both sides in [low, high], ratios up to 2.5."""
    while True:
        w, h = (int(v) for v in rng.integers(low, high + 1, 2))
        if rng.random() < 0.25:
            h = w
        if max(w, h) <= 2.5 * min(w, h):
            return w, h


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


def shapes_scene(rng, n, layout=None, same_colour=0.0, same_shape=0.0, sizes=(0.55, 1.0), distinct=True, size=None, look=None):
    """A picture of n shapes. distinct: no two with the same colour and shape. look: a name, else any."""
    look = looks.any_look(rng, look)
    size = size or look.size(rng, native_size)
    layout = layout or ("cells" if rng.random() < 0.6 else "free")
    spots = cells(rng, n, size) if layout == "cells" else free_places(rng, n, size)
    colours = visible(look)
    colour0, shape0 = pick(rng, colours), pick(rng, SHAPES)
    things, seen = [], set()
    for x, y, r, place in spots:
        for _ in range(60):
            colour = colour0 if rng.random() < same_colour else pick(rng, colours)
            shape = shape0 if rng.random() < same_shape else pick(rng, SHAPES)
            if not distinct or (colour, shape) not in seen:
                break
        seen.add((colour, shape))
        scale = rng.uniform(*sizes) if layout == "cells" else 1.0
        things.append(Thing(shape, colour, x, y, r * scale, place))
    return Scene(render(rng, size, things, look), things, look=look)


def visible(look):
    """The colours that can be seen: white cannot, on the playground's canvas."""
    return [c for c in COLOURS if not (look.by_mouse and c == "white")]


def render(rng, size, things, look):
    """The picture of the things, whose boxes it tells."""
    fills = [look.shade(rng, COLOURS[t.colour]) for t in things]
    image = look.ground(rng, size, fills)
    for t, fill in zip(things, fills):
        t.box = looks.paint(image, look, looks.stroke(rng, look, t.shape), t.shape, t.x, t.y, t.r, fill)
    return look.finish(image)


def written_scene(rng, text):
    """A text written by mouse on the playground's canvas."""
    size = (looks.CANVAS_SIZE, looks.CANVAS_SIZE)
    strokes, centres, (x0, y0, x1, y1) = handwriting.write(rng, text)
    scale = min(rng.uniform(0.5, 1.5), 196 / max(1.0, x1 - x0), 196 / max(1.0, y1 - y0))
    width = looks.PEN_WIDTH if rng.random() < 0.8 else rng.uniform(5, 12)
    free = [max(0.0, size[i] - 16 - (b - a) * scale) for i, (a, b) in enumerate(((x0, x1), (y0, y1)))]
    dx, dy = 8 + free[0] * rng.uniform(0.1, 0.9) - x0 * scale, 8 + free[1] * rng.uniform(0.1, 0.9) - y0 * scale
    look = looks.Look("pen")
    colour = "black" if rng.random() < 0.3 else pick(rng, visible(look))
    image = Image.new("RGB", size, looks.CANVAS_GROUND) if rng.random() < 0.85 else grounds.plain(rng, size, [COLOURS[colour]])
    lines = [[(x * scale + dx, y * scale + dy) for x, y in s] for s in strokes]
    looks.stamp(image, COLOURS[colour], lines=lines, width=width)
    return Scene(image, [], [(c, x * scale + dx, y * scale + dy) for c, x, y in centres], look)


def photo_scene(rng):
    """A picture of nothing the pair knows: a photograph's look-alike, at times an empty ground."""
    size = native_size(rng)
    image = grounds.photo(rng, size) if rng.random() < 0.9 else grounds.texture(rng, size, [])
    return Scene(looks.Look("photo", int(rng.integers(35, 96)) if rng.random() < 0.8 else 0).finish(image))


TEXT_LOOKS = ("plain", "texture", "photo", "canvas")


def number_scene(rng, texts, boxed=None, look=None):
    """A picture with one or several texts (numbers or words), each apart, some on coloured boxes (Thing.colour, "" without box)."""
    look = looks.any_look(rng, look, TEXT_LOOKS)
    if look.name == "canvas" and len(texts) == 1:
        return typed_scene(rng, texts[0], look)
    size = look.size(rng, lambda r: native_size(r, 112 if len(texts) > 1 else 96))
    w, h = size
    boxed = rng.random() < 0.4 if boxed is None else boxed
    n = len(texts)
    across = w >= h if n < 4 else True
    colours = [list(COLOURS)[i] for i in rng.permutation(len(COLOURS))[:n]]
    fills = [look.shade(rng, COLOURS[c]) for c in colours]
    ink = pick(rng, [(15, 15, 15), (250, 250, 250), (200, 30, 30), (30, 60, 200), (20, 120, 50)])
    if look.by_mouse:
        boxed, ink = False, (20, 20, 20)
    image = look.ground(rng, size, fills if boxed else [ink])
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
    return Scene(look.finish(image), things, chars, look)


def typed_scene(rng, text, look):
    """A text as the playground's canvas places it: bold, 56 pixels high."""
    size = look.size(rng, native_size)
    image, x, y = look.ground(rng, size, []), rng.uniform(85, 139), rng.uniform(45, 180)
    chars = text_in(ImageDraw.Draw(image), text, x, y, 56 / 1.3, "DejaVuSans-Bold", COLOURS[pick(rng, visible(look))])
    return Scene(image, [], chars, look)


def bar_chart(rng, n):
    """n coloured bars of whole heights 1..9 over a base line, their value written above. Left to right."""
    size = native_size(rng, 128)
    w, h = size
    values = [int(v) for v in rng.permutation(np.arange(1, 10))[:n]]
    colours = [list(COLOURS)[i] for i in rng.permutation(len(COLOURS))[:n]]
    look = looks.any_look(rng, None, ("plain", "plain", "texture"))
    fills = [look.shade(rng, COLOURS[c]) for c in colours]
    image = look.ground(rng, size, fills)
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
    return Scene(look.finish(image), things, chars, look)


FRAME_SIZES = [(96, 96), (128, 96), (96, 128), (112, 112), (160, 96)]
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


CLIP_LOOKS = ("plain", "smooth", "outline", "rim", "texture", "photo")


class Clip:
    """A shape that moves or changes before a ground that stays."""

    def __init__(self, rng, size, shape, colours, r, look=None):
        self.look = looks.any_look(rng, look, CLIP_LOOKS)
        self.shape, self.colours, self.r = shape, colours, r
        self.fills = [self.look.shade(rng, COLOURS[c]) for c in colours]
        self.form = looks.stroke(rng, self.look, shape)
        self.image = self.look.ground(rng, size, self.fills)

    def frame(self, x, y, k=0):
        image, thing = self.image.copy(), Thing(self.shape, self.colours[k], x, y, self.r)
        thing.box = looks.paint(image, self.look, self.form, self.shape, x, y, self.r, self.fills[k])
        return Scene(self.look.finish(image), [thing], look=self.look)


def moving_clip(rng, n, direction=None, look=None):
    """n frames of one shape that moves steadily. Returns (scenes, direction, thing)."""
    size = pick(rng, FRAME_SIZES)
    w, h = size
    direction = direction or pick(rng, list(DIRECTIONS))
    dx, dy = DIRECTIONS[direction]
    r = min(w, h) * rng.uniform(0.1, 0.2)
    thing = Thing(pick(rng, SHAPES), pick(rng, list(COLOURS)), 0, 0, r)
    clip = Clip(rng, size, thing.shape, [thing.colour], r, look)
    span = (w if dx else h) - 2 * r
    run = span * rng.uniform(0.45, 0.95)
    start = rng.uniform(0, span - run) + r
    side = rng.uniform(r, (h if dx else w) - r)
    frames = []
    for i in range(n):
        along = start + run * (i / max(1, n - 1))
        if dx + dy < 0:
            along = (w if dx else h) - along
        frames.append(clip.frame(*((along, side) if dx else (side, along))))
    return frames, direction, thing


def changing_clip(rng, times, look=None):
    """One frame for each time in seconds; the shape changes colour once. Returns (scenes, time of change, thing, new colour)."""
    size = pick(rng, FRAME_SIZES)
    w, h = size
    r = min(w, h) * rng.uniform(0.16, 0.32)
    x, y = rng.uniform(r, w - r), rng.uniform(r, h - r)
    a, b = (list(COLOURS)[i] for i in rng.permutation(len(COLOURS))[:2])
    thing = Thing(pick(rng, SHAPES), a, x, y, r)
    clip = Clip(rng, size, thing.shape, [a, b], r, look)
    first = int(rng.integers(1, len(times)))
    when = times[first] - rng.uniform(0, 1) * (times[first] - times[first - 1])
    before, after = clip.frame(x, y), clip.frame(x, y, 1)
    return [after if t >= when else before for t in times], float(when), thing, b
