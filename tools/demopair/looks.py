"""How a picture is drawn: with which edges, strokes, grounds and losses. Each look is a name, so that an evaluation can ask for it.

plain is Pillow's own primitives with hard edges; smooth has soft edges and turned shapes; outline, rim: stroked, filled with a dark edge; canvas
and pen are the playground's drawing dialog, its shapes and its pen in an unsteady hand; texture, photo: soft shapes on such a ground. agg draws
with matplotlib's rasteriser and is never trained on.
"""
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

import grounds
import outlines

SHARES = {"plain": 0.32, "smooth": 0.2, "outline": 0.08, "rim": 0.05, "pen": 0.12, "canvas": 0.07, "texture": 0.09, "photo": 0.07}
NAMES = [*SHARES, "agg"]
CANVAS_SIZE, CANVAS_GROUND, PEN_WIDTH = 224, (245, 245, 245), 9  # of draw.js
SCALE = 3  # supersampling of soft edges


@dataclass
class Look:
    name: str
    quality: int = 0  # of a JPEG round trip, 0 for none

    @property
    def by_mouse(self):
        return self.name in ("pen", "canvas")

    def size(self, rng, otherwise):
        return (CANVAS_SIZE, CANVAS_SIZE) if self.by_mouse else otherwise(rng)

    def ground(self, rng, size, fills):
        if self.by_mouse:
            return Image.new("RGB", size, CANVAS_GROUND)
        return {"texture": grounds.texture, "photo": grounds.photographic}.get(self.name, grounds.plain)(rng, size, fills)

    def shade(self, rng, rgb, spread=14):
        """A colour as it comes out: exact on the canvas, else a little off."""
        if self.by_mouse:
            return rgb
        return tuple(int(np.clip(c + rng.integers(-spread, spread + 1), 0, 255)) for c in rgb)

    def finish(self, image):
        if not self.quality:
            return image
        out = io.BytesIO()
        image.save(out, "JPEG", quality=self.quality)
        return Image.open(io.BytesIO(out.getvalue())).convert("RGB")


def any_look(rng, name=None, among=None):
    """The look of that name, else one of `among` (all that are trained) by its share; a quarter are JPEGs."""
    if name is None:
        names = list(among or SHARES)
        p = np.array([SHARES[n] for n in names])
        name = names[int(rng.choice(len(names), p=p / p.sum()))]
    jpeg = name not in ("canvas", "pen") and rng.random() < 0.25
    return Look(name, int(rng.integers(25, 96)) if jpeg else 0)


def stamp(image, fill, polygon=None, lines=(), width=1.0):
    """Paints a polygon, or lines with round ends, with soft edges."""
    points = list(polygon or []) + [p for line in lines for p in line]
    x0, y0, x1, y1 = outlines.bounds(points, (width / 2 if lines else 0) + 2)
    x0, y0, x1, y1 = max(0, int(x0)), max(0, int(y0)), min(image.width, int(x1) + 1), min(image.height, int(y1) + 1)
    if x1 <= x0 or y1 <= y0:
        return
    mask = Image.new("L", ((x1 - x0) * SCALE, (y1 - y0) * SCALE))
    draw = ImageDraw.Draw(mask)

    def at(line):
        return [((x - x0) * SCALE, (y - y0) * SCALE) for x, y in line]

    if polygon:
        draw.polygon(at(polygon), fill=255)
    r = width * SCALE / 2
    for line in lines:
        line = at(line)
        draw.line(line, fill=255, width=max(1, round(2 * r)), joint="curve")
        for x, y in (line[0], line[-1]):
            draw.ellipse([x - r, y - r, x + r, y + r], fill=255)
    image.paste(fill, (x0, y0), mask.reduce(SCALE))


def _agg(image, fill, polygon):
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.path import Path
    from matplotlib.transforms import Affine2D
    renderer = RendererAgg(image.width, image.height, 72)
    gc = renderer.new_gc()
    gc.set_linewidth(0)
    path = Path(list(polygon) + [polygon[0]], closed=True)
    renderer.draw_path(gc, path, Affine2D().scale(1, -1).translate(0, image.height), tuple(c / 255 for c in fill))
    over = Image.fromarray(np.asarray(renderer.buffer_rgba()))
    image.paste(over.convert("RGB"), (0, 0), over.getchannel("A"))


def _plain(image, fill, shape, x, y, r):
    draw = ImageDraw.Draw(image)
    if shape == "circle":
        draw.ellipse([x - r, y - r, x + r, y + r], fill=fill)
    else:
        draw.polygon(outlines.placed(outlines.UNIT[shape], x, y, r), fill=fill)


@dataclass
class Stroke:
    """A shape's form, decided once, so that each frame of a clip draws the same one."""
    turn: float = 0.0
    width: float = 0.0  # of a line, as a share of the radius
    edge: tuple = ()
    seed: int = 0


def stroke(rng, look, shape):
    turn = rng.uniform(-1, 1) * outlines.TURNS[shape] * (rng.random() < 0.5) if look.name not in ("plain", "canvas", "pen") else 0.0
    edge = [(15, 15, 15), (70, 70, 70), (250, 250, 250)][int(rng.integers(3))]
    return Stroke(turn, rng.uniform(0.14, 0.42) if look.name == "outline" else rng.uniform(0.05, 0.1), edge, int(rng.integers(2 ** 31)))


def paint(image, look, form, shape, x, y, r, fill):
    """Draws a shape and returns the box around what was drawn, cut at the picture's edges."""
    points, margin = outlines.placed(outlines.UNIT[shape], x, y, r, form.turn), 0.0
    if look.name == "plain":
        _plain(image, fill, shape, x, y, r)
    elif look.name == "agg":
        _agg(image, fill, points)
    elif look.name == "pen":
        lines = outlines.by_hand(np.random.default_rng(form.seed), shape, x, y, r)
        stamp(image, fill, lines=lines, width=PEN_WIDTH)
        points, margin = [p for line in lines for p in line], PEN_WIDTH / 2
    elif look.name == "canvas":
        points = outlines.placed(outlines.CANVAS[shape], x, y, r)
        stamp(image, fill, points)
    elif look.name == "outline":
        width = max(2.0, form.width * r)
        points, margin = outlines.placed(outlines.UNIT[shape], x, y, r - width / 2, form.turn), width / 2
        stamp(image, fill, lines=[points + points[:2]], width=width)
    else:
        stamp(image, fill, points)
        if look.name == "rim":
            width = max(1.0, form.width * r)
            stamp(image, form.edge, lines=[points + points[:2]], width=width)
            margin = width / 2
    x0, y0, x1, y1 = outlines.bounds(points, margin)
    return max(0.0, x0), max(0.0, y0), min(float(image.width), x1), min(float(image.height), y1)
