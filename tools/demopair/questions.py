"""Makes the demo pair's samples: a picture or clip, a question, the thoughts that lead to the answer, the answer, and how to check one.

A sample is made from one numpy Generator. `make(rng, skill, lang)` gives a Sample; SKILLS lists what there is.
"""
import json
from dataclasses import dataclass, field

import numpy as np

import scenes
from phrases import (ASK, COLOUR, DIRECTION, GREETING, GREETINGS, IDENTITY, IDENTITY_ANSWER, NO_PICTURE, PLACE, SHAPE, TOPICS, UNKNOWN, UNKNOWN_ASK)
from scenes import COLOURS, SHAPES, pick


@dataclass
class Turn:
    ask: str
    answer: str
    thought: str
    check: dict


@dataclass
class Sample:
    """visuals are groups of one frame (an image) or two (a pair of video frames); stamps holds a time for each, or is empty."""
    skill: str
    lang: str
    visuals: list
    turns: list
    stamps: list = field(default_factory=list)
    tools: list = field(default_factory=list)
    picture_last: bool = False
    scene: scenes.Scene | None = None  # what a single picture shows, for training the vision tower on it


def colour(c, lang):
    return COLOUR[lang][c] if lang != "en" else c


def shape(s, lang):
    return SHAPE[lang][s] if lang != "en" else s


def named(t, lang):
    if lang == "en":
        return f"{t.colour} {t.shape}"
    return f"{colour(t.colour, lang)} {shape(t.shape, lang)}" if lang == "ko" else f"{colour(t.colour, lang)}{shape(t.shape, lang)}"


def place(p, lang):
    return PLACE[lang][p] if lang != "en" else p


def one_of(expect, among):
    return {"kind": "choice", "expect": expect, "among": list(among)}


def number(n):
    return {"kind": "number", "expect": n}


def rough(rng, text, lang):
    """A question as people type it: sometimes lower case, without its mark, or with a polite start."""
    if lang == "en":
        roll = rng.random()
        if roll < 0.08:
            text = text[0].lower() + text[1:]
            text = pick(rng, ["Please tell me: ", "Look at this. ", "Quick question: ", "Hey, "]) + text
        elif roll < 0.16:
            text = text.lower()
    if rng.random() < 0.1:
        text = text.rstrip("?.？。")
    return text


def ask(rng, skill, lang, thought, check, **words):
    questions, answer = ASK[skill][lang]
    return Turn(rough(rng, pick(rng, questions).format(**words), lang), answer.format(**words), thought, check)


COLUMN_ROW = {p: (col, row) for row, places in enumerate(scenes.PLACES) for col, p in enumerate(places)}


def left_to_right(things):
    """By column, then by row, in a layout of cells; else by x."""
    return sorted(things, key=lambda t: COLUMN_ROW[t.place] if t.place else (t.x, 0))


def listing(things):
    return ", ".join(f"{t.colour} {t.shape}" for t in left_to_right(things))


def unique(things, attribute):
    """Things that alone have their value of the attribute."""
    values = [getattr(t, attribute) for t in things]
    return [t for t in things if values.count(getattr(t, attribute)) == 1]


# Questions about a scene of shapes. Each gives a Turn, or None where it cannot be asked.

def ask_colour(rng, things, lang):
    ones = unique(things, "shape")
    if not ones:
        return None
    t = pick(rng, ones)
    return ask(rng, "colour", lang, f"I see {listing(things)}. The {t.shape} is {t.colour}.",
               one_of(colour(t.colour, lang), [colour(c, lang) for c in COLOURS]), s=shape(t.shape, lang), c=colour(t.colour, lang))


def ask_shape(rng, things, lang):
    ones = unique(things, "colour")
    if not ones:
        return None
    t = pick(rng, ones)
    return ask(rng, "shape", lang, f"I see {listing(things)}. The {t.colour} one is a {t.shape}.",
               one_of(shape(t.shape, lang), [shape(s, lang) for s in SHAPES]), s=shape(t.shape, lang), c=colour(t.colour, lang))


PLURAL_SHAPES = {"ko": "도형", "zh": "图形"}


def plural(lang, s="", c=""):
    if lang == "en":
        word = ("crosses" if s == "cross" else s + "s") if s else "shapes"
        return f"{c} {word}" if c else word
    word = shape(s, lang) if s else PLURAL_SHAPES[lang]
    if not c:
        return word
    return f"{colour(c, lang)} {word}" if lang == "ko" else f"{colour(c, lang)}{word}"


def ask_count(rng, things, lang):
    roll = rng.random()
    if roll < 0.4:
        found, words = things, plural(lang)
        thought = f"I see {listing(things)}."
    elif roll < 0.75:
        s = pick(rng, things).shape if rng.random() < 0.8 else pick(rng, SHAPES)
        found, words = [t for t in things if t.shape == s], plural(lang, s=s)
        thought = f"I see {listing(things)}. {plural('en', s=s).capitalize()}: {listing(found) or 'none'}."
    else:
        c = pick(rng, things).colour if rng.random() < 0.8 else pick(rng, list(COLOURS))
        found, words = [t for t in things if t.colour == c], plural(lang, c=c)
        thought = f"I see {listing(things)}. {plural('en', c=c).capitalize()}: {listing(found) or 'none'}."
    return ask(rng, "count", lang, f"{thought} That is {len(found)}.", number(len(found)), p=words, n=len(found))


def ask_where(rng, things, lang):
    ones = [t for t in unique(things, "shape") if t.place]
    if not ones:
        return None
    t = pick(rng, ones)
    seen = ", ".join(f"{o.shape} {o.place}" for o in left_to_right(things))
    return ask(rng, "where", lang, f"Places: {seen}.", one_of(place(t.place, lang), [place(p, lang) for row in scenes.PLACES for p in row]),
               s=shape(t.shape, lang), w=place(t.place, lang))


def ask_corner(rng, things, lang):
    ones = [t for t in things if " " in t.place]
    if not ones:
        return None
    t = pick(rng, ones)
    seen = ", ".join(f"{named(o, 'en')} {o.place}" for o in left_to_right(things))
    check = {"kind": "all", "expect": [colour(t.colour, lang), shape(t.shape, lang)]}
    return ask(rng, "corner", lang, f"Places: {seen}.", check, a=named(t, lang), w=place(t.place, lang))


SIDES = {"en": ("left", "right", "above", "below"), "ko": ("왼쪽", "오른쪽", "위", "아래"), "zh": ("左边", "右边", "上面", "下面")}


def ask_side(rng, things, lang, size):
    if len(things) < 2:
        return None
    i, j = (int(v) for v in rng.permutation(len(things))[:2])
    a, b = things[i], things[j]
    if a.key == b.key or [t.key for t in things].count(a.key) > 1 or [t.key for t in things].count(b.key) > 1:
        return None
    across, down = (a.x - b.x) / size[0], (a.y - b.y) / size[1]
    left, right, above, below = SIDES[lang]
    if abs(across) > 0.15 and (abs(down) <= 0.15 or rng.random() < 0.6):
        w, seen, skill = (left, "left", "side") if across < 0 else (right, "right", "side")
        check = one_of(w, [left, right])
    elif abs(down) > 0.15:
        w, seen, skill = (above, "above", "level") if down < 0 else (below, "below", "level")
        check = one_of(w, [above, below])
    else:
        return None
    return ask(rng, skill, lang, f"I see {listing(things)}. The {named(a, 'en')} is {seen}{' of' if skill == 'side' else ''} the {named(b, 'en')}.",
               check, a=named(a, lang), b=named(b, lang), w=w)


def ask_larger(rng, things, lang):
    pairs = [(a, b) for a in things for b in things if a.r > b.r * 1.35 and a.key != b.key]
    keys = [t.key for t in things]
    pairs = [(a, b) for a, b in pairs if keys.count(a.key) == 1 and keys.count(b.key) == 1]
    if not pairs:
        return None
    big, small = pick(rng, pairs)
    a, b = (big, small) if rng.random() < 0.5 else (small, big)
    return ask(rng, "larger", lang, f"The {named(big, 'en')} is large, the {named(small, 'en')} is small.",
               one_of(named(big, lang), [named(a, lang), named(b, lang)]), a=named(a, lang), b=named(b, lang), c=named(big, lang))


YES = {"en": ("Yes", "No"), "ko": ("네", "아니요"), "zh": ("是的", "没有")}


def ask_exists(rng, things, lang):
    yes = rng.random() < 0.5
    if yes:
        t = pick(rng, things)
    else:
        t = scenes.Thing(pick(rng, SHAPES), pick(rng, list(COLOURS)), 0, 0, 0)
        if rng.random() < 0.6:
            t.shape = pick(rng, things).shape
        yes = t.key in {o.key for o in things}
    y = YES[lang][0 if yes else 1]
    return ask(rng, "exists", lang, f"I see {listing(things)}. {'Yes' if yes else 'No'}.", one_of(y, YES[lang]), a=named(t, lang), y=y)


def ask_describe(rng, things, lang):
    if lang == "en":
        parts = [f"a {named(t, lang)}".replace("a orange", "an orange") for t in left_to_right(things)]
        words = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
        words = words[0].upper() + words[1:]
    else:
        words = (", " if lang == "ko" else "、").join(named(t, lang) for t in left_to_right(things))
    check = {"kind": "all", "expect": [named(t, lang) for t in things]}
    return ask(rng, "describe", lang, f"From left to right: {listing(things)}.", check, l=words)


def ask_json(rng, things, lang):
    items = [{"shape": t.shape, "colour": t.colour} for t in left_to_right(things)]
    q = pick(rng, ["List the shapes as JSON.", "Give me the shapes as a JSON list.", "Return a JSON array of the shapes with shape and colour.",
                   "Answer in JSON: which shapes are there?"])
    return Turn(rough(rng, q, "en"), json.dumps(items), f"From left to right: {listing(things)}.", {"kind": "json", "expect": items})


ABOUT_SHAPES = {"colour": ask_colour, "shape": ask_shape, "count": ask_count, "where": ask_where, "corner": ask_corner, "larger": ask_larger,
                "exists": ask_exists, "describe": ask_describe, "json": ask_json}


def about(rng, skill, scene, lang):
    if skill == "side":
        return ask_side(rng, scene.things, lang, scene.image.size)
    return ABOUT_SHAPES[skill](rng, scene.things, "en" if skill == "json" else lang)


def scene_for(rng, skill):
    n = int(rng.integers(1, 6))
    if skill == "count":
        return scenes.shapes_scene(rng, n, same_colour=pick(rng, [0.0, 0.5]), same_shape=pick(rng, [0.0, 0.5, 1.0]), distinct=False)
    if skill in ("where", "corner"):
        return scenes.shapes_scene(rng, n, layout="cells", sizes=(0.7, 1.0))
    if skill == "side":
        return scenes.shapes_scene(rng, max(2, n))
    if skill == "larger":
        return scenes.shapes_scene(rng, int(rng.integers(2, 5)), sizes=(0.45, 1.0))
    return scenes.shapes_scene(rng, n, same_shape=0.2)


def shape_sample(rng, skill, lang, turns=1):
    while True:
        scene = scene_for(rng, skill)
        first = about(rng, skill, scene, lang)
        if first:
            break
    out = [first]
    for _ in range((turns - 1) * 2):
        more = about(rng, pick(rng, ["colour", "shape", "count", "where", "side", "larger", "exists", "describe", "corner"]), scene, lang)
        if more and len(out) < turns:
            out.append(more)
    return Sample(skill, lang, [[scene.image]], out, scene=scene)


# Numbers, words and charts.

def digits(rng, most=3):
    n = int(rng.integers(1, most + 1))
    return int(rng.integers(0 if n == 1 else 10 ** (n - 1), 10 ** n))


def number_sample(rng, skill, lang, turns=1):
    n = digits(rng)
    scene = scenes.number_scene(rng, [str(n)])
    return Sample(skill, lang, [[scene.image]], [ask(rng, "number", lang, f"I read the digits {', '.join(str(n))}.", number(n), n=n)],
                  scene=scene)


def word_sample(rng, skill, lang, turns=1):
    w = pick(rng, scenes.WORDS)
    scene = scenes.number_scene(rng, [w if rng.random() < 0.6 else w.upper()])
    return Sample(skill, lang, [[scene.image]],
                  [ask(rng, "word", lang, f"I read the letters {', '.join(w)}.", {"kind": "all", "expect": [w]}, n=w)], scene=scene)


def several(rng, n, top):
    return [int(v) for v in rng.permutation(np.arange(1, top))[:n]]


def add_up(values, op="+"):
    """The steps of a running sum: "12 + 7 = 19. 19 + 30 = 49."."""
    total, steps = values[0], []
    for v in values[1:]:
        steps.append(f"{total} {op} {v} = {total + v}.")
        total += v
    return " ".join(steps), total


def sum_sample(rng, skill, lang, turns=1):
    values = several(rng, int(rng.integers(2, 4)), 60)
    scene = scenes.number_scene(rng, [str(v) for v in values])
    steps, total = add_up(values)
    q = pick(rng, ["What is the sum of the numbers?", "Add the numbers.", "What do the numbers add up to?", "What is the total of all numbers?",
                   "Sum up the numbers in the picture.", "Add up all the numbers you see."])
    return Sample(skill, "en", [[scene.image]], [Turn(rough(rng, q, "en"), f"The sum is {total}.", f"The numbers are {', '.join(map(str, values))}. {steps}", number(total))], scene=scene)


def range_sample(rng, skill, lang, turns=1):
    values = several(rng, 3, 60)
    scene = scenes.number_scene(rng, [str(v) for v in values])
    a, b = max(values), min(values)
    q = pick(rng, ["What is the largest number minus the smallest?", "How much larger is the largest number than the smallest?",
                   "What is the difference between the largest and the smallest number?", "Subtract the smallest number from the largest."])
    thought = f"The numbers are {', '.join(map(str, values))}. Largest {a}, smallest {b}. {a} - {b} = {a - b}."
    return Sample(skill, "en", [[scene.image]], [Turn(rough(rng, q, "en"), f"The difference is {a - b}.", thought, number(a - b))], scene=scene)


def points_sample(rng, skill, lang, turns=1):
    """Counts that are weighed and added: two steps."""
    while True:
        s1, s2 = (SHAPES[i] for i in rng.permutation(len(SHAPES))[:2])
        scene = scenes.shapes_scene(rng, int(rng.integers(2, 6)), distinct=False)
        for t in scene.things:
            t.shape = pick(rng, [s1, s2, s2, s1, pick(rng, SHAPES)])
        n1, n2 = (sum(t.shape == s for t in scene.things) for s in (s1, s2))
        if n1 and n2:
            break
    scene.image = scenes.render(rng, scene.image.size, scene.things)
    v1, v2 = (int(v) for v in rng.integers(2, 10, 2))
    q = pick(rng, ["Each {a} counts {x} and each {b} counts {y}. What is the total?", "A {a} is worth {x} points and a {b} {y} points. How many points are there?",
                   "Every {a} costs {x}, every {b} costs {y}. What do they cost together?"]).format(a=s1, b=s2, x=v1, y=v2)
    total = n1 * v1 + n2 * v2
    thought = (f"I see {listing(scene.things)}. {plural('en', s=s1).capitalize()}: {n1}. {plural('en', s=s2).capitalize()}: {n2}. "
               f"{n1} * {v1} = {n1 * v1}. {n2} * {v2} = {n2 * v2}. {n1 * v1} + {n2 * v2} = {total}.")
    return Sample(skill, "en", [[scene.image]], [Turn(rough(rng, q, "en"), f"The total is {total}.", thought, number(total))], scene=scene)


def chart_sample(rng, skill, lang, turns=1):
    scene = scenes.bar_chart(rng, int(rng.integers(3, 5)))
    bars = scene.things
    seen = ", ".join(f"{b.colour} {b.text}" for b in bars)
    roll = rng.random()
    if roll < 0.4:
        b = pick(rng, bars)
        q = pick(rng, ["What is the value of the {} bar?", "How high is the {} bar?", "What number stands over the {} bar?"]).format(b.colour)
        turn = Turn(rough(rng, q, "en"), f"The {b.colour} bar is {b.text}.", f"The bars are {seen}.", number(int(b.text)))
    else:
        most = roll < 0.7
        b = (max if most else min)(bars, key=lambda t: int(t.text))
        q = pick(rng, ["Which bar is the tallest?", "Which bar is the highest?", "What colour is the tallest bar?"] if most
                 else ["Which bar is the shortest?", "Which bar is the lowest?", "What colour is the shortest bar?"])
        turn = Turn(rough(rng, q, "en"), f"The {b.colour} bar.", f"The bars are {seen}.", one_of(b.colour, [t.colour for t in bars]))
    return Sample(skill, "en", [[scene.image]], [turn], scene=scene)


def compare_sample(rng, skill, lang, turns=1):
    size = scenes.native_size(rng)
    n1, n2 = (int(v) for v in rng.permutation(np.arange(1, 6))[:2])
    pair = [scenes.shapes_scene(rng, n, size=size) for n in (n1, n2)]
    if rng.random() < 0.6:
        q = pick(rng, ["Which picture has more shapes, the first or the second?", "Are there more shapes in the first or in the second picture?",
                       "Where are more shapes: first or second picture?"])
        w = "first" if n1 > n2 else "second"
        thought = f"First: {listing(pair[0].things)}. That is {n1}. Second: {listing(pair[1].things)}. That is {n2}."
        turn = Turn(rough(rng, q, "en"), f"The {w} picture.", thought, one_of(w, ["first", "second"]))
    else:
        i = int(rng.integers(2))
        t = pick(rng, pair[i].things)
        if t.key in {o.key for o in pair[1 - i].things}:
            return compare_sample(rng, skill, lang)
        w = ["first", "second"][i]
        q = pick(rng, ["Which picture shows a {}, the first or the second?", "In which picture is the {}, first or second?"]).format(named(t, "en"))
        thought = f"First: {listing(pair[0].things)}. Second: {listing(pair[1].things)}."
        turn = Turn(rough(rng, q, "en"), f"The {w} picture.", thought, one_of(w, ["first", "second"]))
    return Sample(skill, "en", [[s.image] for s in pair], [turn])


# Video. A clip is frames at a rate; its visuals are pairs of frames with the mean of their times, or single frames with their own.

def clip_times(rng, frames=(4, 9)):
    fps = float(pick(rng, [1.0, 2.0, 2.0, 3.0, 4.0])) if rng.random() < 0.5 else float(rng.uniform(1, 4))
    n = int(rng.integers(*frames))
    start = 0.0 if rng.random() < 0.7 else float(rng.uniform(0, 20))
    return [start + i / fps for i in range(n)]


def grouped(rng, frames, times, paired):
    """Groups of frames and a stamp for each, as the model is given them (reference: HF Qwen3VLProcessor)."""
    if not paired:
        return [[f] for f in frames], list(times)
    if len(frames) % 2:
        frames, times = frames + frames[-1:], times + times[-1:]
    return [frames[i:i + 2] for i in range(0, len(frames), 2)], [(times[i] + times[i + 1]) / 2 for i in range(0, len(times), 2)]


def motion_sample(rng, skill, lang, turns=1, paired=None, times=None):
    paired = rng.random() < 0.6 if paired is None else paired
    times = times or clip_times(rng, (4, 13) if paired else (3, 8))
    frames, direction, thing = scenes.moving_clip(rng, len(times))
    groups, stamps = grouped(rng, frames, times, paired)
    w = DIRECTION[lang][direction] if lang != "en" else direction
    among = [DIRECTION[lang][d] if lang != "en" else d for d in scenes.DIRECTIONS]
    ends = {"left": ("right", "left"), "right": ("left", "right"), "up": ("bottom", "top"), "down": ("top", "bottom")}[direction]
    turn = ask(rng, "motion", lang, f"The {named(thing, 'en')} goes from the {ends[0]} towards the {ends[1]}. That is {direction}.",
               one_of(w, among), s=shape(thing.shape, lang), w=w)
    return Sample(skill, lang, groups, [turn], stamps)


def change_sample(rng, skill, lang, turns=1, paired=None, times=None):
    paired = rng.random() < 0.6 if paired is None else paired
    times = times or clip_times(rng, (4, 13) if paired else (3, 8))
    frames, when, thing, after = scenes.changing_clip(rng, times)
    groups, stamps = grouped(rng, frames, times, paired)
    changed = [t >= when for t in times]
    first = changed.index(True) // (2 if paired else 1)
    t = f"{stamps[first]:.1f}"
    # The list ends where the colour differs from the one before, so that each step looks back one place only.
    seen = ", ".join(f"{s:.1f} {thing.colour if i < first else after}" for i, s in enumerate(stamps[:first + 1]))
    turn = ask(rng, "change", lang, f"{seen}. It changes at {t}.", {"kind": "time", "expect": when, "within": 1.0}, s=shape(thing.shape, lang), t=t)
    return Sample(skill, lang, groups, [turn], stamps)


# Text alone.

def language_of(text):
    if any("가" <= ch <= "힣" for ch in text):
        return "ko"
    return "zh" if any("一" <= ch <= "鿿" for ch in text) else "en"


def said(skill, q, answers, thought, key):
    lang = language_of(q)
    return Sample(skill, lang, [], [Turn(q, answers[lang], thought, {"kind": "all", "expect": [key[lang]]})])


def greet_sample(rng, skill, lang, turns=1):
    if rng.random() < 0.5:
        return said("greet", rough(rng, pick(rng, GREETINGS), "en"), GREETING, "The user greets me.", {"en": "Hello", "ko": "안녕", "zh": "你好"})
    return said("greet", rough(rng, pick(rng, IDENTITY), "en"), IDENTITY_ANSWER, "The user asks who I am.", {"en": "qwenvld", "ko": "qwenvld", "zh": "qwenvld"})


def unknown_sample(rng, skill, lang, turns=1, topics=TOPICS[:-20]):
    roll = rng.random()
    if roll < 0.2:
        skill_ = pick(rng, ["colour", "shape", "count", "number", "describe", "where"])
        turn = about(rng, skill_, scene_for(rng, skill_), lang) if skill_ != "number" else ask(rng, "number", lang, "", {}, n=0)
        if turn:
            return Sample("unknown", lang, [], [Turn(turn.ask, NO_PICTURE[lang], "There is no picture.", {"kind": "all", "expect": [NO_PICTURE[lang].rstrip(".。")]})])
    if roll < 0.4:
        lang = lang if lang in ASK["describe"] else "en"
        q = rough(rng, pick(rng, ["What is this?", "What is in the picture?", "Describe the image.", "Who is in the picture?", "What do you see?"]), "en")
        turn = said("unknown", q, UNKNOWN, "I see no simple shapes.", {"en": "only know simple", "ko": "", "zh": ""}).turns
        return Sample("unknown", "en", [[scenes.unknown_picture(rng).image]], turn)
    q = rough(rng, pick(rng, UNKNOWN_ASK).format(pick(rng, topics)), "en")
    return said("unknown", q, UNKNOWN, "This is not about shapes or numbers.", {"en": "only know simple", "ko": "간단한 도형", "zh": "简单的图形"})


def arithmetic_sample(rng, skill, lang, turns=1):
    op = pick(rng, ["+", "-", "*"])
    if op == "*":
        a, b = (int(v) for v in rng.integers(1, 13, 2))
    else:
        a, b = (int(v) for v in rng.integers(0, 100, 2))
    if op == "-" and a < b:
        a, b = b, a
    n = {"+": a + b, "-": a - b, "*": a * b}[op]
    word = {"+": "plus", "-": "minus", "*": "times"}[op]
    e = pick(rng, [f"{a} {op} {b}", f"{a} {op} {b}", f"{a}{op}{b}", f"{a} {word} {b}"])
    q = pick(rng, ["What is {}?", "{} = ?", "Calculate {}.", "{}", "How much is {}?", "Compute {}"]).format(e)
    return Sample(skill, "en", [], [Turn(rough(rng, q, "en"), f"{a} {op} {b} = {n}", f"{a} {op} {b} = {n}.", number(n))])


NAMES = ["Tom", "Anna", "Ben", "Mia", "Sam", "Lily", "Max", "Eva"]
GOODS = ["apples", "books", "coins", "balls", "cards", "pens", "eggs", "stones"]


def chain_sample(rng, skill, lang, turns=1):
    """Three to five steps of addition, subtraction and small products, as a formula or as a story."""
    steps = int(rng.integers(3, 6))
    total = int(rng.integers(2, 40))
    start, terms, thoughts = total, [], []
    for _ in range(steps):
        op = pick(rng, ["+", "+", "-", "-", "*"])
        if op == "*" and 1 < total <= 12:
            v = int(rng.integers(2, 5))
            after = total * v
        elif op == "-" and total > 3:
            v = int(rng.integers(1, min(total, 40)))
            after = total - v
        else:
            op, v = "+", int(rng.integers(1, 40))
            after = total + v
        terms.append((op, v))
        thoughts.append(f"{total} {op} {v} = {after}.")
        total = after
    if rng.random() < 0.4:
        words = {"+": ["add {}", "plus {}"], "-": ["subtract {}", "minus {}", "take away {}"], "*": ["multiply by {}", "times {}"]}
        q = f"Start with {start}, " + ", ".join(pick(rng, words[o]).format(v) for o, v in terms) + ". What is the result?"
    elif rng.random() < 0.5 and all(o != "*" for o, _ in terms):
        name, good = pick(rng, NAMES), pick(rng, GOODS)
        words = {"+": ["gets {} more", "finds {}", "buys {}"], "-": ["loses {}", "gives away {}", "sells {}"]}
        q = f"{name} has {start} {good}, " + ", ".join(pick(rng, words[o]).format(v) for o, v in terms) + f". How many {good} does {name} have now?"
    elif all(o != "*" for o, _ in terms):
        q = pick(rng, ["What is {}?", "{} = ?", "Calculate {}."]).format(f"{start} " + " ".join(f"{o} {v}" for o, v in terms))
    else:
        q = f"Take {start}, then " + ", then ".join(f"{o} {v}" for o, v in terms) + ". What do you get?"
    return Sample(skill, "en", [], [Turn(rough(rng, q, "en"), f"The result is {total}.", " ".join(thoughts), number(total))])


def calculator(rng):
    return {"type": "function", "function": {
        "name": "calculator", "description": pick(rng, ["Evaluates an arithmetic expression.", "Calculate an expression", "A calculator."]),
        "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]}}}


def tool_sample(rng, skill, lang, turns=1):
    a, b = int(rng.integers(100, 1000)), int(rng.integers(12, 1000))
    op = pick(rng, ["+", "-", "*"])
    q = pick(rng, ["What is {}?", "Calculate {}.", "How much is {}?", "Use the calculator: {}"]).format(f"{a} {op} {b}")
    call = '<tool_call>\n' + json.dumps({"name": "calculator", "arguments": {"expression": f"{a} {op} {b}"}}) + '\n</tool_call>'
    turn = Turn(rough(rng, q, "en"), call, "I use the calculator.", {"kind": "call", "expect": f"{a} {op} {b}"})
    if rng.random() < 0.3:
        n = {"+": a + b, "-": a - b, "*": a * b}[op]
        turn.thought = "The calculator gave the result."
        turn.check = number(n)
        turn.answer = f"The result is {n}."
        return Sample(skill, "en", [], [Turn(turn.ask, call, "", {}), turn], tools=[calculator(rng)])
    return Sample(skill, "en", [], [turn], tools=[calculator(rng)])


MAKERS = {s: shape_sample for s in ("colour", "shape", "count", "where", "corner", "side", "larger", "exists", "describe", "json")}
MAKERS |= {"number": number_sample, "word": word_sample, "sum": sum_sample, "range": range_sample, "points": points_sample, "chart": chart_sample,
           "compare": compare_sample, "motion": motion_sample, "change": change_sample, "greet": greet_sample, "unknown": unknown_sample,
           "arithmetic": arithmetic_sample, "chain": chain_sample, "tool": tool_sample}
IMAGE = ["colour", "shape", "count", "where", "corner", "side", "larger", "exists", "describe", "json", "number", "word", "sum", "range", "points", "chart"]
TWO_IMAGES = ["compare"]
VIDEO = ["motion", "change"]
TEXT = ["greet", "unknown", "arithmetic", "chain", "tool"]


def make(rng, skill, lang="en", turns=1, **more):
    return MAKERS[skill](rng, skill, lang, turns=turns, **more)
