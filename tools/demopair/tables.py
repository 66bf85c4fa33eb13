#!/usr/bin/env python3
"""Asks a running daemon everything that README.md's tables tell, and writes them as Markdown, with a verdict on each goal.

  python tools/demopair/tables.py --url http://127.0.0.1:8080 --out work/tables [--scale 0.1] [--photos FOLDER]

Each table is kept as soon as it is made, and not made again: delete its file in --out to have it anew. --scale asks fewer questions.
"""
import argparse
import json
import pathlib

import evaluate
import looks
import phrases
import questions
from evaluate import judge, mean_tokens, percent

REASONED = ("sum", "range", "points", "chain")  # what thinking is for: instruct answers in one breath
LOOKED = ["colour", "shape", "count", "where", "side", "larger", "exists", "describe"]
TOKENS = "completion tokens"
GOALS = []


class Tables:
    def __init__(self, a):
        self.a, self.client, self.models = a, evaluate.Client(a.url), evaluate.MODELS.split(",")
        self.variants = [m.rsplit("-", 1)[1] for m in self.models]

    def n(self, count):
        return max(4, int(count * self.a.scale))

    def rows(self, todo, bodies=None):
        return {v: judge(self.client, todo, m, bodies) for v, m in zip(self.variants, self.models)}

    def kept(self, name, make):
        """The table of that name, made now if it is not there: {row: {column: value}}."""
        file = self.a.out / f"{name}.json"
        if not file.exists():
            table = make()
            file.write_text(json.dumps(table, indent=1, ensure_ascii=False))
        return json.loads(file.read_text())

    def row(self, todo, bodies=None):
        rows = self.rows(todo, bodies)
        return {v: percent(r) for v, r in rows.items()} | {TOKENS: " / ".join(f"{mean_tokens(r):.0f}" for r in rows.values())}

    def skills(self, lang, n):
        return {s: self.row(evaluate.samples(s, self.n(n), lang)) for s in questions.MAKERS}

    def wordings(self):
        """In wordings that are never trained, all languages alike."""
        out = {}
        for s in questions.MAKERS:
            got = [self.row(evaluate.samples(s, self.n(300), lang, held=True)) for lang in phrases.LANGUAGES]
            out[s] = {v: sum(g[v] for g in got) / len(got) for v in self.variants}
        return out

    def looks(self):
        out = {}
        for look in looks.NAMES:
            got = [self.row(evaluate.samples(s, self.n(100), look=look)) for s in LOOKED]
            out[look] = {v: sum(g[v] for g in got) / len(got) for v in self.variants}
        return out

    def videos(self):
        out = {}
        for skill in questions.VIDEO:
            for lang in phrases.LANGUAGES:
                todo, bodies = map(list, zip(*evaluate.videos(skill, self.n(200), lang)))
                out[f"{skill} ({lang})"] = self.row(todo, bodies)
        return out

    def photographs(self):
        return {f"photographs ({lang})": self.row(evaluate.photographs(self.n(200), lang, self.a.photos)) for lang in phrases.LANGUAGES}

    def forced(self):
        """"Where is ...?" as people ask, with response_format "grounding"."""
        out = {}
        for lang in phrases.LANGUAGES:
            todo = evaluate.samples("box", self.n(200), lang, forced=True)
            bodies = [evaluate.request_of(s, "") | {"response_format": {"type": "grounding"}} for s in todo]
            out[f"where, response_format grounding ({lang})"] = self.row(todo, bodies)
        return out


def markdown(head, table, columns):
    lines = [f"| {' | '.join([head, *columns])} |", "| --- |" + " --- |" * len(columns)]
    for name, row in table.items():
        lines.append(f"| {name} | " + " | ".join(f"{row[c]:.1f}" if isinstance(row[c], float) else str(row[c]) for c in columns) + " |")
    return "\n".join(lines) + "\n"


def side_by_side(tables, variants):
    """One row a skill, a column a table, the variants' percents in each cell; the tokens are the first table's."""
    first = next(iter(tables.values()))
    rows = {skill: {name: " / ".join(f"{table[skill][v]:.1f}" for v in variants) for name, table in tables.items()} | {TOKENS: row[TOKENS]}
            for skill, row in first.items()}
    return markdown("skill", rows, [*tables, TOKENS])


def goal(what, reached, least):
    GOALS.append((what, f"{reached:.1f}", f"{least}", "yes" if reached >= least else "no"))


def judged(t, variants):
    """The goals, from tables {name: table}."""
    everything = [t["skills-en"], t["skills-ko"], t["skills-zh"]]

    def mean(skill, v):
        return sum(table[skill][v] for table in everything) / len(everything)

    for v in variants:
        apart = [(mean(s, v) - row[v], s) for s, row in t["wordings"].items() if not (v == "instruct" and s in REASONED)]
        goal(f"{v}: held-out wordings, points below trained ones, at least", -sum(points for points, _ in apart) / len(apart), -3)
        goal(f"{v}: the same of the worst skill ({max(apart)[1]})", -max(apart)[0], -3)
        plain = t["looks"]["plain"][v]
        below, look = max((plain - row[v], look) for look, row in t["looks"].items())
        goal(f"{v}: pictures drawn otherwise, points below plain, worst look ({look})", -below, -5)
        goal(f"{v}: change in MP4 files", min(r[v] for k, r in t["videos"].items() if k.startswith("change")), 85)
        goal(f"{v}: follow-ups", min(table["follow"][v] for table in everything), 90)
        for s in ("mouse_number", "mouse_word"):
            goal(f"{v}: {s}", min(table[s][v] for table in everything), 85)
        for s in ("unknown", "photo", "stray"):
            goal(f"{v}: declines, {s}", min(table[s][v] for table in everything), 98)
        goal(f"{v}: declines real photographs", min(r[v] for r in t["photographs"].values()), 98)
        for s in ("box", "boxes", "point"):
            goal(f"{v}: {s}", min(table[s][v] for table in everything), 90)
        goal(f"{v}: plain questions where something is", min(table["where"][v] for table in everything), 95)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("work/tables"))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--photos", type=pathlib.Path, help="folder of photographs in place of photos.held()")
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    made = Tables(a)
    t, columns = {}, [*made.variants, TOKENS]
    t["skills-en"] = made.kept("skills-en", lambda: made.skills("en", 500))
    for lang in ("ko", "zh"):
        t[f"skills-{lang}"] = made.kept(f"skills-{lang}", lambda: made.skills(lang, 200))
    for name in ("wordings", "looks", "videos", "photographs", "forced"):
        t[name] = made.kept(name, getattr(made, name))
    judged(t, made.variants)
    text = "# Skills\n\n" + side_by_side({"English": t["skills-en"], "Korean": t["skills-ko"], "Chinese": t["skills-zh"], "never-trained wordings": t["wordings"]},
                                      made.variants)
    text += "\n# How pictures are drawn\n\n" + markdown("drawn", t["looks"], made.variants)
    text += "\n# Films, photographs, response_format\n\n" + markdown("", t["videos"] | t["photographs"] | t["forced"], columns)
    text += "\n# Goals\n\n| goal | measured | at least | reached |\n| --- | --- | --- | --- |\n" + "".join(f"| {' | '.join(g)} |\n" for g in GOALS)
    (a.out / "tables.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
