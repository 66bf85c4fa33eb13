"""Real photographs, in which nothing is that the pair knows: those that come with scikit-image and are CC0, in the public
domain or without known restrictions.

Parts of TRAINED are what training sees; HELD are for judging alone.
"""
import functools
import importlib.util
import pathlib

import matplotlib
import numpy as np
from PIL import Image, ImageFilter

TRAINED = ("astronaut.png", "brick.png", "camera.png", "chelsea.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png")
HELD = ("coffee.png", "rocket.jpg")


@functools.lru_cache(maxsize=None)
def _opened(name):
    # Its data alone is wanted: importing the library takes longer than all pictures.
    return Image.open(pathlib.Path(importlib.util.find_spec("skimage").origin).parent / "data" / name).convert("RGB")


def trained():
    return [_opened(name) for name in TRAINED]


def held():
    """Photographs that are never trained on: scikit-image's, and the portrait that comes with matplotlib."""
    return [_opened(name) for name in HELD] + [Image.open(pathlib.Path(matplotlib.get_data_path()) / "sample_data/grace_hopper.jpg").convert("RGB")]


def part(rng, photo, size, least=0.35):
    """A part of a photograph at that size, its sides at least that share of the whole's."""
    w, h = (int(side * rng.uniform(least, 1.0)) for side in photo.size)
    x, y = int(rng.integers(photo.width - w + 1)), int(rng.integers(photo.height - h + 1))
    return photo.crop((x, y, x + w, y + h)).resize(size)


def altered(rng, size):
    """A part of a trained photograph as another camera in another light might have taken it: [h, w, 3], and not yet clipped."""
    photos = trained()
    image = part(rng, photos[int(rng.integers(len(photos)))], size, least=0.12)
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2.5)))
    if rng.random() < 0.3:
        image = image.transpose(Image.Transpose(int(rng.integers(7))) if size[0] == size[1] else Image.Transpose.ROTATE_180)
    out = np.asarray(image, np.float32)[:, ::1 - 2 * int(rng.integers(2))]
    if rng.random() < 0.5:
        out = out[:, :, rng.permutation(3)]
    return out * rng.uniform(0.6, 1.3, 3)
