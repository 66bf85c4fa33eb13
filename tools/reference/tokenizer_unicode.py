#!/usr/bin/env python3
"""Writes what Hugging Face's `tokenizers` knows of characters to engine/tokenizer/unicode.txt: the classes that its regular expressions
see and the data behind its canonical composition.

  python tools/reference/tokenizer_unicode.py

Both lag behind Unicode, each by versions of its own (composition knows Unicode 9), and Go's tables move with its releases; what counts
is the library that made the model's training data. So its behaviour is asked for, character by character.
"""
import pathlib
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHARS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)
NFC, NFD = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str


def members(pattern):
    """The code points that a class matches."""
    split, found = pre_tokenizers.Split(Regex(pattern), "removed"), []
    for i in range(0, len(CHARS), 4096):
        chunk = CHARS[i:i + 4096]
        left = set("".join(t for t, _ in split.pre_tokenize_str("".join(chunk))))
        found += [ord(c) for c in chunk if c not in left]
    return found


def ranges(points):
    out = []
    for p in sorted(points):
        if out and out[-1][1] == p - 1:
            out[-1][1] = p
        else:
            out.append([p, p])
    return " ".join(f"{a:x}" if a == b else f"{a:x}-{b:x}" for a, b in out)


def combining(decomposed):
    """Combining classes as the library orders by them. Their values are Unicode's, which never change once given."""
    above, below = "\u0345", "\u0334"  # of the highest class, 240, and of the lowest, 1
    classes = {}
    for c in CHARS:
        k = unicodedata.combining(c)
        if not k or ord(c) in decomposed:
            continue
        moves = NFD("x" + above + c) != "x" + above + c or NFD("x" + c + below) != "x" + c + below
        # A mark of an extreme class moves only against the other extreme.
        if moves:
            classes[ord(c)] = k
    known = {k: chr(p) for p, k in classes.items()}
    for p, k in classes.items():
        for other, mark in known.items():
            want = "x" + (mark + chr(p) if other <= k else chr(p) + mark)
            if NFD("x" + mark + chr(p)) != want:
                raise SystemExit(f"U+{p:04X} is not of the class {k}")
    return classes


def main():
    decomposed = {ord(c): NFD(c) for c in CHARS if ord(c) not in HANGUL and NFD(c) != c}
    pairs, replaced = {}, {}
    for p, parts in decomposed.items():
        if NFC(chr(p)) != chr(p):
            replaced[p] = parts
            continue
        first, second = NFC(parts[:-1]), parts[-1]
        if len(first) != 1 or NFC(first + second) != chr(p):
            raise SystemExit(f"U+{p:04X} is not composed of two")
        pairs[p] = first + second
    classes = combining(decomposed)
    lines = [f"# Made by tools/reference/tokenizer_unicode.py with tokenizers {tokenizers.__version__}.",
             "# letter, number, space: ranges of \\p{L}, \\p{N}, \\s; class: ranges of a combining class;",
             "# pair: what two characters are composed to; replaced: what stands for a character that composition never makes."]
    for name, pattern in (("letter", r"\p{L}"), ("number", r"\p{N}"), ("space", r"\s")):
        lines.append(f"{name} {ranges(members(pattern))}")
    for k in sorted(set(classes.values())):
        lines.append(f"class {k} {ranges(p for p, c in classes.items() if c == k)}")
    for name, table in (("pair", pairs), ("replaced", replaced)):
        lines += [f"{name} {p:x} " + " ".join(f"{ord(c):x}" for c in parts) for p, parts in sorted(table.items())]
    out = ROOT / "engine/tokenizer/unicode.txt"
    out.write_text("\n".join(lines) + "\n")
    print(f"{out}: {out.stat().st_size} bytes, {len(pairs)} pairs, {len(replaced)} replaced, {len(classes)} marks")


if __name__ == "__main__":
    main()
