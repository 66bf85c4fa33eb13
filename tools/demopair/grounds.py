"""What stands behind the shapes, and pictures in which nothing is that the pair knows: plain colours, textures, photographs and their look-alikes."""
import functools

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

import photos


def contrast(a, b):
    return sum(abs(x - y) for x, y in zip(a, b))


def base_colour(rng, avoid, apart=110):
    """A colour that differs from all of `avoid`."""
    for _ in range(50):
        base = rng.integers(0, 256, 3) if rng.random() < 0.3 else np.full(3, [245, 225, 190, 128, 60, 30][int(rng.integers(6))]) + rng.integers(-10, 11, 3)
        base = tuple(int(v) for v in np.clip(base, 0, 255))
        if all(contrast(base, c) > apart for c in avoid):
            return base
    return next(c for c in [(200, 220, 200), (90, 110, 120), (170, 150, 200), (150, 200, 220)] if all(contrast(c, a) > 70 for a in avoid) or c[0] == 150)


def picture(values):
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def plain(rng, size, avoid):
    """One colour; sometimes a gentle gradient or fine noise over it."""
    base, (w, h) = base_colour(rng, avoid), size
    kind = rng.random()
    if kind < 0.7:
        return Image.new("RGB", size, base)
    if kind < 0.85:
        ramp = np.linspace(-18, 18, w if rng.random() < 0.5 else h)
        return picture(np.asarray(base) + np.broadcast_to(ramp[None, :, None] if len(ramp) == w else ramp[:, None, None], (h, w, 3)))
    return picture(np.asarray(base) + rng.integers(-12, 13, (h, w, 1)))


TILE = 512
COARSE = (2, 3, 4, 6, 9, 14, 20)  # waves on 320 pixels


@functools.lru_cache(maxsize=None)
def tile(coarse, octaves, stretch, which):
    """A large piece of noise of several scales, always the same one; pictures take their part of it."""
    rng = np.random.default_rng([coarse, octaves, *stretch, which])
    total = np.zeros((TILE, TILE), np.float32)
    for o in range(octaves):
        nx, ny = (max(2, min(TILE, int(coarse * 1.6 * 2 ** o * s))) for s in stretch)
        small = Image.fromarray(rng.standard_normal((ny, nx)).astype(np.float32))
        total += np.asarray(small.resize((TILE, TILE), Image.BICUBIC)) * 0.55 ** o
    return total / 1.8


@functools.lru_cache(maxsize=None)
def grains(which):
    return np.random.default_rng([7, which]).standard_normal((TILE, TILE)).astype(np.float32)


def prepare():
    """Makes all tiles and opens the photographs, a second's work, so that processes that are forked share them."""
    photos.trained()
    for which in range(2):
        for coarse in COARSE:
            for octaves, stretch in ((4, (1, 1)), (3, (1, 1)), (2, (1, 1)), (4, (1, 12)), (4, (12, 1)), (4, (1, 6)), (4, (6, 1)), (4, (3, 1))):
                if stretch == (1, 1) or coarse in (3, 4, 6, 9, 14):
                    tile(coarse, octaves, stretch, which)
    for which in range(3):
        grains(which)


def part(rng, whole, size):
    """Somewhere of a tile, as it is or mirrored."""
    w, h = size
    x, y = int(rng.integers(TILE - w + 1)), int(rng.integers(TILE - h + 1))
    return whole[y:y + h, x:x + w][::1 - 2 * int(rng.integers(2)), ::1 - 2 * int(rng.integers(2))]


def clouds(rng, size, coarse=4, octaves=4, colours=1, stretch=(1, 1)):
    """Noise of several scales, about -1 to 1, [h, w, colours]."""
    near = min(COARSE, key=lambda c: abs(c - coarse))
    return np.stack([part(rng, tile(near, octaves, stretch, int(rng.integers(2))), size) for _ in range(colours)], 2)


def grain(rng, size):
    return part(rng, grains(int(rng.integers(3))), size)[:, :, None]


def texture(rng, size, avoid):
    """Paper, wood, stripes, checks, stone: patterns that stay near one colour."""
    base, (w, h) = np.asarray(base_colour(rng, avoid, 140), np.float32), size
    strength, kind = rng.uniform(8, 26), rng.random()
    if kind < 0.3:
        wave = clouds(rng, size, int(rng.integers(3, 10)))
    elif kind < 0.5:
        wave = clouds(rng, size, 3, 4, stretch=(1, 12) if rng.random() < 0.5 else (12, 1))
    elif kind < 0.7:
        a, step = rng.uniform(0, np.pi), rng.uniform(5, 22)
        ys, xs = np.mgrid[:h, :w]
        wave = np.sign(np.sin((xs * np.cos(a) + ys * np.sin(a)) * 2 * np.pi / step))[:, :, None] * 0.7
    elif kind < 0.85:
        step = int(rng.integers(5, 20))
        ys, xs = np.mgrid[:h, :w] // step
        wave = (((xs + ys) % 2) * 1.4 - 0.7)[:, :, None]
    else:
        wave = grain(rng, size) * 0.7
    tint = 1 + rng.uniform(-0.3, 0.3, 3)
    return picture(base + wave * strength * tint + grain(rng, size) * rng.uniform(0, 6))


def _mix(a, b, share):
    return a * (1 - share) + b * share


def _colour(rng):
    """An earthy, leafy, skin- or sky-like colour, as photographs have more of than pure ones."""
    middles = [(120, 95, 70), (70, 100, 55), (200, 160, 130), (130, 170, 210), (90, 90, 95), (180, 170, 150), (50, 60, 80), (160, 110, 80), (110, 130, 120)]
    return np.asarray(middles[int(rng.integers(len(middles)))], np.float32) + rng.normal(0, 22, 3)


def _land(rng, size):
    """Sky over hills, one behind the other."""
    w, h = size
    out = _mix(_colour(rng), np.full(3, 235.0), np.linspace(0, 0.8, h)[:, None, None]) + clouds(rng, size, 3, 3) * rng.uniform(5, 30)
    ys = np.arange(h)[:, None]
    for i in range(int(rng.integers(1, 4))):
        ridge = h * rng.uniform(0.3 + 0.15 * i, 0.6 + 0.12 * i) + clouds(rng, (w, 2), 3, 4)[0, :, 0] * h * rng.uniform(0.03, 0.15)
        rough = clouds(rng, size, int(rng.integers(6, 20)), 4) * rng.uniform(15, 45)
        out = np.where((ys > ridge[None, :])[:, :, None], _colour(rng) + rough, out)
    return out


def _blobs(rng, size):
    """Something furry or leafy: many soft, textured patches over each other."""
    w, h = size
    image = picture(_colour(rng) + clouds(rng, size, 4, 3) * 30)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(25, 90))):
        x, y, r = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0.03, 0.16) * min(w, h)
        turn, thin = rng.uniform(0, 6.3), rng.uniform(0.2, 0.6)
        t = np.linspace(0, 6.3, 14)
        px, py = r * np.cos(t), r * thin * np.sin(t)
        points = list(zip(x + px * np.cos(turn) - py * np.sin(turn), y + px * np.sin(turn) + py * np.cos(turn)))
        draw.polygon(points, fill=tuple(int(v) for v in np.clip(_colour(rng) * rng.uniform(0.5, 1.2), 0, 255)))
    return np.asarray(image, np.float32) + clouds(rng, size, 12, 3) * rng.uniform(8, 35)


def _figure(rng, size):
    """A large body with light from one side before a blurred ground, as in a portrait of a person, an animal or a thing."""
    w, h = size
    ground = _colour(rng) + clouds(rng, size, 3, 2, 3) * rng.uniform(10, 45)
    ys, xs = np.mgrid[:h, :w]
    out = ground
    for _ in range(int(rng.integers(2, 6))):
        cx, cy = rng.normal(0.5, 0.12) * w, rng.normal(0.58, 0.16) * h
        a, b = rng.uniform(0.12, 0.38) * w, rng.uniform(0.15, 0.4) * h
        edge = clouds(rng, size, 3, 3)[:, :, 0] * 0.28
        reach = np.hypot((xs - cx) / a, (ys - cy) / b) + edge
        light = 1 + 0.45 * ((cx - xs) / a * rng.uniform(-1, 1) + (cy - ys) / b * 0.5)
        body = _colour(rng) * light[:, :, None] + clouds(rng, size, 10, 4) * rng.uniform(5, 30)
        out = _mix(out, body, np.clip((1 - reach) * rng.uniform(6, 25), 0, 1)[:, :, None])
    return out


def _rooms(rng, size):
    """Walls, shelves, houses: textured quadrilaterals with lines."""
    w, h = size
    image = picture(_colour(rng) + clouds(rng, size, 2, 3) * 20)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(6, 22))):
        x, y, a, b = rng.uniform(-0.2, 1) * w, rng.uniform(-0.2, 1) * h, rng.uniform(0.08, 0.6) * w, rng.uniform(0.08, 0.6) * h
        skew = rng.normal(0, 0.12, 8) * min(w, h)
        fill = tuple(int(v) for v in np.clip(_colour(rng) * rng.uniform(0.5, 1.3), 0, 255))
        draw.polygon([(x + skew[0], y + skew[1]), (x + a + skew[2], y + skew[3]), (x + a + skew[4], y + b + skew[5]), (x + skew[6], y + b + skew[7])], fill=fill)
    return np.asarray(image, np.float32) + clouds(rng, size, 8, 4) * rng.uniform(6, 22)


def _surface(rng, size):
    """Water, grass, cloth, stone near by."""
    stretch = [(1, 1), (1, 6), (6, 1), (3, 1)][int(rng.integers(4))]
    wave = clouds(rng, size, int(rng.integers(3, 14)), 4, stretch=stretch)
    return _mix(_colour(rng), _colour(rng), np.clip(wave * 0.5 + 0.5, 0, 1)) + clouds(rng, size, 20, 2) * rng.uniform(4, 25)


def _blurred(rng, size):
    """Patches of any colours, out of focus."""
    coarse = rng.integers(0, 256, (int(rng.integers(3, 9)), int(rng.integers(3, 9)), 3), dtype=np.uint8)
    out = np.asarray(Image.fromarray(coarse).resize(size, Image.BICUBIC), np.float32)
    return _mix(out, 128 + clouds(rng, size, 10, 3, 3) * 80, rng.uniform(0.1, 0.6))


def photo(rng, size):
    """A picture of nothing that the pair knows: a part of a photograph, or what looks like one."""
    w, h = size
    if rng.random() < 0.4:
        out = photos.altered(rng, size)
    else:
        kinds = [_land, _blobs, _figure, _figure, _rooms, _surface, _blurred]
        fine = rng.uniform(0.5, 0.85)  # computed smaller than shown: a photograph has no detail in every pixel, either
        out = kinds[int(rng.integers(len(kinds)))](rng, (max(32, int(w * fine)), max(32, int(h * fine))))
        out = np.asarray(picture(out).resize(size, Image.BICUBIC), np.float32)
    if rng.random() < 0.5:  # darker towards the corners
        ys, xs = np.mgrid[:h, :w]
        out = out * (1 - rng.uniform(0.1, 0.5) * (((xs / w - 0.5) ** 2 + (ys / h - 0.5) ** 2) * 2))[:, :, None]
    out = (out - 128) * rng.uniform(0.7, 1.35) + 128 + rng.normal(0, 14) + rng.normal(0, 6, 3)
    if rng.random() < 0.15:
        out = np.repeat(out.mean(2, keepdims=True), 3, 2)
    image = picture(out + grain(rng, size) * rng.uniform(0, 9))
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.4))) if rng.random() < 0.4 else image


def photographic(rng, size, avoid):
    """A photograph or its look-alike, pale enough that shapes stand out from it."""
    base = np.asarray(base_colour(rng, avoid, 150), np.float32)
    return picture(_mix(np.asarray(photo(rng, size), np.float32), base, rng.uniform(0.6, 0.8)))
