"""Makes damaged.json with Pillow: files that are not quite whole, and what Pillow sees in them (the SHA-256 of the RGB bytes, null where it
refuses), for Decode to do the same; and animations, of which a still shows the first frame.

Run with Pillow 12 installed:  python3 multimodal/testdata/make_damaged.py
"""

import base64
import io
import json
import pathlib
import struct
import zlib

import PIL
from make_goldens import digest, noise, white
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encoded(im, kind, **options):
    out = io.BytesIO()
    im.save(out, kind, **options)
    return out.getvalue()


def chunks(data):
    at = len(SIGNATURE)
    while at < len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += 12 + size


def png(*parts):
    """Joins (name, body) or (name, body, checksum)."""
    out = SIGNATURE
    for name, body, *checksum in parts:
        out += struct.pack(">I", len(body)) + name + body
        out += checksum[0] if checksum else struct.pack(">I", zlib.crc32(name + body))
    return out


def damaged():
    im = noise(40, 24, 1)
    whole = encoded(im, "PNG")
    parts = list(chunks(whole))
    head, end, bad = parts[0], (b"IEND", b""), b"abcd"
    data = b"".join(body for name, body in parts if name == b"IDAT")
    pixels = zlib.decompress(data)

    def idat(body, *checksum):
        return (b"IDAT", body, *checksum)

    yield "png: whole", whole
    yield "png: no end", png(head, idat(data))
    yield "png: no end and no checksum", png(head, idat(data))[:-4]
    yield "png: wrong checksum of pixels", png(head, idat(data, bad), end)
    yield "png: wrong checksums of two chunks", png(head, idat(data[:99], bad), idat(data[99:], bad), end)
    yield "png: wrong checksum of the end", png(head, idat(data), (*end, bad))
    yield "png: wrong checksum of the header", png((*head, bad), idat(data), end)
    yield "png: wrong checksum of a text before", png(head, (b"tEXt", b"a\0b", bad), idat(data), end)
    yield "png: wrong checksum of a text behind", png(head, idat(data), (b"tEXt", b"a\0b", bad), end)
    yield "png: unknown critical chunk", png(head, (b"ABCD", b"a\0b"), idat(data), end)
    yield "png: no Adler sum", png(head, idat(data[:-4]), end)
    yield "png: no Adler sum and no end", png(head, idat(data[:-4]))
    yield "png: wrong Adler sum", png(head, idat(data[:-4] + bad), end)
    yield "png: cut 20 bytes before the end of the stream", png(head, idat(data[:-20]), end)
    yield "png: half a stream", png(head, idat(data[: len(data) // 2]), end)
    yield "png: half a file", whole[: len(whole) // 2]
    yield "png: cut 20 bytes before the end of the file", png(head, idat(data))[:-20]
    yield "png: cut in the Adler sum", png(head, idat(data))[:-5]
    yield "png: more behind the end", whole + b"x" * 100
    yield "png: too many pixels", png(head, idat(zlib.compress(pixels + b"x" * 500)), end)
    yield "png: more behind the stream", png(head, idat(data + b"x" * 500), end)
    yield "png: another chunk of pixels", png(head, idat(data), idat(b"x" * 500), end)
    yield "png: a text between the pixels", png(head, idat(data[:99]), (b"tEXt", b"a\0b"), idat(data[99:]), end)
    yield "png: cut in the last checksum", whole[:-2]
    yield "png: cut in the last name", whole[:-6]
    yield "png: garbage behind the pixels", png(head, idat(data)) + b"garbage here is more"
    yield "png: no last row", png(head, idat(zlib.compress(pixels[:-121])), end)
    yield "png: half a row", png(head, idat(zlib.compress(pixels[:-61])), end)
    yield "png: animated", encoded(im, "PNG", save_all=True, append_images=[im.rotate(180)], duration=100)
    large = noise(160, 100, 5)
    yield "png: many blocks and no end", encoded(large, "PNG")[:-12]

    for kind, options in {"jpeg": {}, "progressive jpeg": {"progressive": True}}.items():
        photo = encoded(im.resize((160, 96)), "JPEG", quality=90, **options)
        yield f"{kind}: whole", photo
        yield f"{kind}: more behind the end", photo + b"x" * 100
        yield f"{kind}: cut 10 bytes before the end", photo[:-10]
        yield f"{kind}: half", photo[: len(photo) // 2]
        yield f"{kind}: garbage in place of the end", photo[:-2] + b"x" * 100

    moving = im.convert("P", palette=Image.Palette.ADAPTIVE)
    for kind, options in {"gif": {}, "animated gif": {"save_all": True, "append_images": [moving.rotate(180)]}}.items():
        film = encoded(moving, "GIF", **options)
        yield f"{kind}: whole", film
        yield f"{kind}: no end", film[:-1]
        yield f"{kind}: more behind the end", film + b"x" * 100
        yield f"{kind}: a third", film[: len(film) // 3]

    alpha = im.copy()
    alpha.putalpha(Image.frombytes("L", (40, 24), bytes((i * 7) % 256 for i in range(960))))
    for kind, first in {"webp": im, "transparent webp": alpha}.items():
        yield f"{kind}: whole", encoded(first, "WEBP", lossless=True, exact=True)
        yield f"{kind}: more behind the end", encoded(first, "WEBP", lossless=True, exact=True) + b"x" * 100
        yield f"{kind}: half", encoded(first, "WEBP", lossless=True, exact=True)[:1000]
        yield f"{kind}: animated", encoded(
            first, "WEBP", lossless=True, exact=True, save_all=True, append_images=[first.rotate(180)], duration=100
        )
    yield "bmp: cut", encoded(im, "BMP")[:-1]
    yield "bmp: more behind the end", encoded(im, "BMP") + b"x" * 9
    yield "tiff: cut", encoded(im, "TIFF")[:-1]
    yield "tiff: more behind the end", encoded(im, "TIFF") + b"x" * 9


def seen(data):
    try:
        im = Image.open(io.BytesIO(data))
        im.load()
        return digest(white(im))
    except (OSError, SyntaxError):
        return None


def main():
    cases = [{"name": name, "data": base64.b64encode(data).decode(), "sha256": seen(data)} for name, data in damaged()]
    path = pathlib.Path(__file__).parent / "damaged.json"
    path.write_text(json.dumps({"pillow": PIL.__version__, "cases": cases}, indent=0) + "\n")


if __name__ == "__main__":
    main()
