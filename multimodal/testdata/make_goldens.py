"""Makes resize.json and decode.json with Pillow: what Resize and Decode must give, as SHA-256 of the RGB bytes.

Run with Pillow 12 installed (13 changed the order of the passes for some sizes):  python3 multimodal/testdata/make_goldens.py [MORE_IMAGES...]
"""

import hashlib
import io
import json
import pathlib
import sys

import PIL
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent

SIZES = [  # source (w, h) -> target (w, h)
    ((1, 1), (32, 32)), ((1, 7), (32, 64)), ((7, 1), (64, 32)), ((2, 2), (3, 3)), ((3, 3), (2, 2)), ((5, 4), (1, 1)),
    ((32, 32), (32, 32)), ((32, 32), (64, 64)), ((64, 64), (32, 32)), ((33, 31), (32, 32)), ((31, 33), (32, 32)),
    ((100, 100), (96, 96)), ((100, 100), (128, 128)), ((96, 100), (96, 96)), ((100, 96), (96, 96)), ((97, 89), (256, 224)),
    ((200, 10), (832, 96)), ((10, 200), (96, 832)), ((300, 2), (64, 64)), ((2, 300), (64, 64)), ((255, 257), (256, 256)),
    ((320, 240), (320, 224)), ((320, 240), (256, 192)), ((321, 243), (320, 256)), ((640, 480), (64, 64)), ((64, 48), (640, 480)),
    ((333, 77), (32, 32)), ((77, 333), (32, 32)), ((500, 3), (512, 32)), ((3, 500), (32, 512)), ((128, 128), (127, 127)),
    ((127, 127), (128, 128)), ((400, 300), (1, 300)), ((400, 300), (400, 1)), ((400, 300), (33, 17)), ((17, 33), (400, 300)),
    ((224, 224), (448, 448)), ((448, 448), (224, 224)), ((611, 409), (608, 416)), ((720, 405), (704, 416)), ((1023, 769), (1024, 768)),
    ((1200, 9), (96, 32)), ((9, 1200), (32, 96)),
]


def noise(w, h, seed):
    """The same bytes as the Go test's noise: a linear congruential generator, with hard edges every few pixels."""
    state, out = seed, bytearray(3 * w * h)
    for i in range(len(out)):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = (255 if (i // 7) % 5 == 0 else 0) if (i // 96) % 2 else state >> 24
    return Image.frombytes("RGB", (w, h), bytes(out))


def digest(im):
    return hashlib.sha256(im.tobytes()).hexdigest()


def white(im):
    """convert("RGB") with transparent pixels over white, at 8 bits."""
    if im.mode == "P" and "transparency" in im.info or im.mode in ("LA", "PA"):
        im = im.convert("RGBA")
    if im.mode == "RGBA":
        ground = Image.new("RGBA", im.size, (255, 255, 255, 255))
        ground.alpha_composite(im)
        im = ground
    return im.convert("RGB")


def main():
    resized = []
    for seed, (src, dst) in enumerate(SIZES):
        im = noise(*src, seed)
        resized.append({"from": src, "to": dst, "seed": seed, "sha256": digest(im.resize(dst, Image.Resampling.BICUBIC))})
    (HERE / "resize.json").write_text(json.dumps({"pillow": PIL.__version__, "cases": resized}, indent=0) + "\n")

    made = {}
    rgb = noise(40, 24, 99)
    alpha = rgb.copy()
    alpha.putalpha(Image.frombytes("L", (40, 24), bytes((i * 7) % 256 for i in range(960))))
    made["rgb.png"] = (rgb, {})
    made["rgba.png"] = (alpha, {})
    made["gray.png"] = (rgb.convert("L"), {})
    made["gray-alpha.png"] = (alpha.convert("LA"), {})
    made["one-bit.png"] = (rgb.convert("1"), {})
    made["palette.png"] = (rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=13), {})
    made["palette-transparent.png"] = (rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=13), {"transparency": 3})
    made["first-frame.gif"] = (rgb.convert("P", palette=Image.Palette.ADAPTIVE), {"save_all": True, "append_images": [rgb.rotate(180)]})
    made["lossless.webp"] = (rgb, {"lossless": True})
    made["alpha.webp"] = (alpha, {"lossless": True, "exact": True})
    made["plain.bmp"] = (rgb, {})
    made["plain.tiff"] = (rgb, {})
    made["deflate.tiff"] = (rgb, {"compression": "tiff_adobe_deflate"})
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[274] = turn
        made[f"orientation-{turn}.png"] = (rgb, {"exif": exif})
        made[f"orientation-{turn}.jpg"] = (rgb.resize((160, 96)), {"exif": exif, "quality": 95, "subsampling": 0})
    made["orientation-6.webp"] = (rgb, {"exif": made["orientation-6.png"][1]["exif"], "lossless": True})
    made["cmyk.jpg"] = (rgb.resize((160, 96)).convert("CMYK"), {"quality": 95})
    made["progressive.jpg"] = (rgb.resize((160, 96)), {"quality": 95, "progressive": True, "subsampling": 0})
    odd = rgb.resize((81, 49))  # sides that samples of colour do not divide
    odd_alpha = alpha.resize((81, 49))
    made["lossy.webp"] = (odd, {"quality": 90})
    made["lossy-even.webp"] = (rgb.resize((80, 48)), {"quality": 90})
    made["lossy-alpha.webp"] = (odd_alpha, {"quality": 90})
    made["white.webp"] = (Image.new("RGB", (8, 8), "white"), {"quality": 90})
    made["subsampled-420.jpg"] = (odd, {"quality": 95, "subsampling": 2})
    made["subsampled-422.jpg"] = (odd, {"quality": 95, "subsampling": 1})
    made["subsampled-narrow.jpg"] = (rgb.resize((4, 49)), {"quality": 95, "subsampling": 2})
    made["fax.tiff"] = (rgb.convert("1"), {"compression": "group4"})
    made["fax-white-is-zero.tiff"] = (rgb.convert("1"), {"compression": "group4", "tiffinfo": {262: 0}})
    made["lzw.tiff"] = (rgb, {"compression": "tiff_lzw"})
    made["orientation-6.tiff"] = (rgb, {"tiffinfo": {274: 6}})
    made["palette.bmp"] = (rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=13), {})
    made["gray.jpg"] = (rgb.resize((160, 96)).convert("L"), {"quality": 95})
    for name, (im, options) in made.items():
        im.save(HERE / name, **options)

    decoded = []
    for path in [HERE / n for n in [*made, "chessboard_RGB.png", "palette_color.png", "page.png", "rocket.jpg"]] + [
        pathlib.Path(p) for p in sys.argv[1:]
    ]:
        im = white(ImageOps.exif_transpose(Image.open(path)))
        case = {"file": path.name, "size": im.size, "sha256": digest(im)}
        if path.suffix == ".jpg":  # decoders differ in the last bits, so the pixels are kept for comparison
            small = im.crop((0, 0, min(64, im.size[0]), min(48, im.size[1])))
            buffer = io.BytesIO()
            small.save(buffer, "png")
            (HERE / f"{path.name}.expected.png").write_bytes(buffer.getvalue())
        big = (max(32, im.size[0] // 3 // 32 * 32), max(32, im.size[1] // 2 // 32 * 32))
        case["to"], case["resized"] = big, digest(im.resize(big, Image.Resampling.BICUBIC))
        decoded.append(case)
    (HERE / "decode.json").write_text(json.dumps({"pillow": PIL.__version__, "cases": decoded}, indent=0) + "\n")


if __name__ == "__main__":
    main()
