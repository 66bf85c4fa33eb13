#!/usr/bin/env python3
"""Marks the router's prompts with the kind of their picture, to measure what knowing it would be worth (docs/ROUTER.md, Pictures).

    pictures.py --mathvista testmini.json --out DIR DATA...      then     qwenvld router eval --marks DIR

DATA are JSONL files of prompts or folders of them, testmini.json is data/testmini.json of github.com/lupantech/MathVista. No picture is
read: the kind is the source's where all its pictures are alike, MathVista's and HallusionBench's own word for the row, and for prompts
whose pictures never existed what the question takes for granted.

  --said            what a classifier would say, drawn from CONFUSION
  --shuffle         the kinds of all prompts, dealt out at random: what chance does
  --were S=KIND     source S as if its pictures were of that kind; only its own row of the report is then of interest
"""

import argparse
import json
import pathlib
import random
import re

KINDS = ["photo", "document", "chart", "diagram", "screenshot"]

# What trees over statistics of the pixels said of pictures from repositories they had not seen; the rows are the truth, in KINDS' order.
CONFUSION = {
    "photo": [156, 2, 6, 1, 0],
    "document": [13, 118, 6, 35, 13],
    "chart": [0, 4, 148, 79, 11],
    "diagram": [0, 6, 42, 238, 3],
    "screenshot": [1, 5, 34, 14, 255],
}

SOURCES = {
    "mathvision": "diagram", "puzzlevqa": "diagram", "theoremqa": "diagram", "docqa_ml": "document", "screenqa": "screenshot",
    "screenqa_complex": "screenshot", "lrv": "photo", "nlvr2": "photo", "owleval": "photo", "visitbench_multi": "photo",
}

CONTEXTS = {
    "geometry diagram": "diagram", "scientific figure": "diagram", "puzzle test": "diagram", "abstract scene": "diagram",
    "natural image": "photo", "synthetic scene": "photo", "medical image": "photo", "table": "document", "document image": "document",
}

HALLUSION = {
    "chart": "chart", "table": "document", "ocr": "document", "map": "diagram", "math": "diagram", "illusion": "diagram", "figure": "photo",
    "video": "photo",
}

SCREENSHOT = re.compile("screen ?shot|スクリーンショット|スクショ|画面|截图|截屏|截圖|스크린샷|캡처|화면")
DOCUMENT = re.compile(
    r"\btable\b|invoice|receipt|letter\b|\bpage\b|contract|lease|scan\b|menu|business card|表格|この表|の表|发票|小票|菜单|名片|名刺"
    "|영수증|메뉴|명함|표를|표에서|tabelle|tabla|tabela|menú|speisekarte")
CHART = re.compile(r"chart|\bgraph of|bar graph|plot\b|图表|折线|柱状|饼图|K线|グラフ|그래프|차트|diagramm\b|gráfico|график|graphique")
TEXT = re.compile("text|文字|テキスト|텍스트|글자|النص|текст|ข้อความ|chữ")
PLOT = re.compile("x-axis|bar graph|graph shows|number line")


def worded(text, fallback):
    for kind, words in (("screenshot", SCREENSHOT), ("document", DOCUMENT), ("chart", CHART)):
        if words.search(text):
            return kind
    return fallback


def own(kind, text, rng):
    """The picture of a prompt written for the router: by what is asked, and by the words for pictures in it."""
    if kind in ("chart_read", "chart_reasoning"):
        return "document" if DOCUMENT.search(text) else worded(text, "chart")
    if kind == "ocr":
        return worded(text, "document" if rng.random() < 0.6 else "photo")
    fallback = {"planning": "screenshot", "image-reason": "diagram", "image-direct": "document" if TEXT.search(text) else "photo"}.get(kind)
    if kind.startswith("image-"):
        return worded(text, fallback)
    direct = kind in ("describe", "recognise", "locate", "count", "knowledge")
    return "screenshot" if SCREENSHOT.search(text) else fallback or ("photo" if direct else "diagram")


def truth(row, contexts, rng):
    """The kind of a prompt's picture, None where nothing says it."""
    source, kind, text = row["source"], row["kind"], row["text"].lower()
    if source == "mathvista":
        context = contexts.get(letters(text.split("\na. ")[0]), "")
        return CONTEXTS.get(context, "chart" if "chart" in context or "plot" in context else None)
    if source == "hallusionbench":
        return HALLUSION[kind.split(":")[1]]
    if source == "ocrbench":
        return "document" if "Doc-" in kind or "Key" in kind else "photo"
    if source == "mathverse_text":
        return "chart" if PLOT.search(text) else "diagram"
    if source == "synthetic_ml" or source.startswith("own_"):
        return own(kind, text, rng)
    return SOURCES[source]


def letters(text):
    return "".join(text.split()).lower()


def files(paths):
    for path in map(pathlib.Path, paths):
        yield from sorted(path.glob("*.jsonl")) if path.is_dir() else [path]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--mathvista", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--said", action="store_true")
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--were", action="append", default=[])
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    rng = random.Random(args.seed)
    rows = json.loads(pathlib.Path(args.mathvista).read_text()).values()
    contexts = {letters(row["question"]): row["metadata"]["context"] for row in rows}
    were = dict(pair.split("=") for pair in args.were)
    sets = [(path.name, [json.loads(line) for line in path.open()]) for path in files(args.data)]
    seen = [row for _, rows in sets for row in rows if row["image"]]
    kinds = [truth(row, contexts, rng) for row in seen]
    if args.said:
        kinds = [kind and rng.choices(KINDS, CONFUSION[kind])[0] for kind in kinds]
    if args.shuffle:
        rng.shuffle(kinds)
    for row, kind in zip(seen, kinds):
        if kind := were.get(row["source"], kind):
            size = min(len(row["text"]).bit_length() // 2, 5)
            row["marks"] = [kind, f"{kind} {size}"]
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    for i, (name, rows) in enumerate(sets):
        with (out / f"{i:03d}-{name}").open("w") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    main()
