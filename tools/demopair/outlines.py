"""The shapes as outlines: polygons around a centre, as the pair's own scenes and as the playground's canvas draw them, and as a hand does.

Nothing is painted here. Coordinates are pixels, y grows downwards.
"""
import math

import numpy as np

SHAPES = ["circle", "square", "triangle", "star", "cross", "diamond"]
TURNS = {"circle": 3.2, "square": 0.2, "triangle": 3.2, "star": 3.2, "cross": 0.35, "diamond": 0.2}  # how far each may be turned and stay itself


def ring(n, inner=None, outer=1.0):
    """n corners on a circle, from the top on; with `inner`, as many between them at that radius."""
    steps = n * 2 if inner else n
    radii = [outer * inner if inner and i % 2 else outer for i in range(steps)]
    return [(q * math.sin(2 * math.pi * i / steps), -q * math.cos(2 * math.pi * i / steps)) for i, q in enumerate(radii)]


def plus(a):
    return [(-a, -1), (a, -1), (a, -a), (1, -a), (1, a), (a, a), (a, 1), (-a, 1), (-a, a), (-1, a), (-1, -a), (-a, -a)]


def box(half):
    return [(-half, -half), (half, -half), (half, half), (-half, half)]


UNIT = {"circle": ring(48), "square": box(0.88), "triangle": [(0, -1), (-0.95, 0.8), (0.95, 0.8)], "star": ring(5, 0.42, 1.08),
        "cross": plus(0.32), "diamond": [(0, -1.1), (0.75, 0), (0, 1.1), (-0.75, 0)]}
# As api/playground/static/js/draw.js has them.
CANVAS = {"circle": ring(48), "square": box(0.9), "triangle": [(0, -1), (1, 0.9), (-1, 0.9)], "star": ring(5, 0.45),
          "cross": plus(0.34), "diamond": [(0, -1), (0.8, 0), (0, 1), (-0.8, 0)]}


def placed(unit, x, y, r, turn=0.0):
    c, s = r * math.cos(turn), r * math.sin(turn)
    return [(x + c * px - s * py, y + s * px + c * py) for px, py in unit]


def bounds(points, margin=0.0):
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin


def wobble(rng, points, amount):
    """The line as a hand draws it: points every few pixels, each off by a smooth error of about `amount` pixels."""
    p = np.asarray(points, float)
    steps = np.hypot(*np.diff(p, axis=0).T)
    along = np.concatenate([[0], np.cumsum(steps)])
    if along[-1] == 0:
        return points
    at = np.linspace(0, along[-1], max(3, int(along[-1] / 5)))
    line = np.stack([np.interp(at, along, p[:, i]) for i in (0, 1)], 1)
    knots = max(3, int(along[-1] / 22))
    for i in (0, 1):
        error = rng.normal(0, amount, knots + 1)
        line[:, i] += np.interp(np.linspace(0, knots, len(at)), np.arange(knots + 1), error)
    return [(float(a), float(b)) for a, b in line]


def by_hand(rng, shape, x, y, r):
    """The strokes with which somebody draws the shape with a pen, within about r of its centre."""
    turn = rng.uniform(-1, 1) * min(0.15, TURNS[shape])
    stretch = rng.uniform(0.88, 1.12)

    def place(unit, closed=True):
        points = placed([(px * stretch, py / stretch) for px, py in unit], x, y, r * 0.9, turn)
        return points + points[:1] if closed else points

    if shape == "cross" and rng.random() < 0.75:
        a = math.pi / 4 if rng.random() < 0.25 else 0.0
        strokes = [placed([(0, -1), (0, 1)], x, y, r * 0.9, turn + a), placed([(-1, 0), (1, 0)], x, y, r * 0.9, turn + a)]
    elif shape == "star" and rng.random() < 0.5:  # in one line, crossing itself
        corners = ring(5)
        strokes = [place([corners[i] for i in (0, 2, 4, 1, 3, 0)], closed=False)]
    else:
        points = place(UNIT[shape])
        if shape == "circle":  # ends do not quite meet
            start = int(rng.integers(len(points) - 1))
            points = points[start:-1] + points[:start + 1 + int(rng.integers(-1, 3))]
        strokes = [points]
    return [wobble(rng, s, r * rng.uniform(0.015, 0.05)) for s in strokes]
