"""Questions about a scene of shapes. Each gives a Turn, or None where it cannot be asked of that scene."""
import json

import numpy as np

import phrases
import scenes
from asking import Sample, all_of, number, one_of
from phrases import colour, named, place, plural, shape
from scenes import COLOURS, SHAPES, pick

COLUMN_ROW = {p: (col, row) for row, places in enumerate(scenes.PLACES) for col, p in enumerate(places)}
ALL_PLACES = [p for row in scenes.PLACES for p in row]


def left_to_right(things):
    """By column, then by row, in a layout of cells; else by x."""
    return sorted(things, key=lambda t: COLUMN_ROW[t.place] if t.place else (t.x, 0))


def listing(things):
    return ", ".join(f"{t.colour} {t.shape}" for t in left_to_right(things))


def places(things):
    return "Places: " + ", ".join(f"{named(o, 'en')} {o.place}" for o in left_to_right(things)) + "."


def unique(things, attribute):
    """Things that alone have their value of the attribute."""
    values = [getattr(t, attribute) for t in things]
    return [t for t in things if values.count(getattr(t, attribute)) == 1]


def colours(lang):
    return [colour(c, lang) for c in COLOURS]


def shapes(lang):
    return [shape(s, lang) for s in SHAPES]


def form_of(d, things):
    """How a thing is spoken of: by its other attribute, by its place, or not at all where it is alone."""
    forms = ["named"] + ["place"] * all(t.place for t in things) + ["alone", "alone"] * (len(things) == 1)
    return pick(d.rng, forms)


def colour_of(d, t, things, key="colour"):
    return d.ask(key, f"I see {listing(things)}. The {t.shape} is {t.colour}.", one_of(colour(t.colour, d.lang), colours(d.lang)), about=t,
                 s=shape(t.shape, d.lang), c=colour(t.colour, d.lang), w=place(t.place, d.lang) if t.place else "")


def ask_colour(d, things):
    form = form_of(d, things)
    ones = unique(things, "shape") if form == "named" else things
    if not ones:
        return None
    t = pick(d.rng, ones)
    turn = colour_of(d, t, things, "colour" if form == "named" else "colour_" + form)
    if form == "place":
        turn.thought = f"{places(things)} The one at the {t.place} is {t.colour}."
    return turn


def ask_shape(d, things):
    form = form_of(d, things)
    ones = unique(things, "colour") if form == "named" else things
    if not ones:
        return None
    t = pick(d.rng, ones)
    thought = f"{places(things)} At the {t.place} is a {t.shape}." if form == "place" else f"I see {listing(things)}. The {t.colour} one is a {t.shape}."
    return d.ask("shape" if form == "named" else "shape_" + form, thought, one_of(shape(t.shape, d.lang), shapes(d.lang)), about=t,
                 s=shape(t.shape, d.lang), c=colour(t.colour, d.lang), w=place(t.place, d.lang) if t.place else "")


def ask_count(d, things):
    rng, lang, roll = d.rng, d.lang, d.rng.random()
    if roll < 0.4:
        found, words, thought = things, plural(lang), f"I see {listing(things)}."
    elif roll < 0.75:
        s = pick(rng, things).shape if rng.random() < 0.8 else pick(rng, SHAPES)
        found, words = [t for t in things if t.shape == s], plural(lang, s=s)
        thought = f"I see {listing(things)}. {plural('en', s=s).capitalize()}: {listing(found) or 'none'}."
    else:
        c = pick(rng, things).colour if rng.random() < 0.8 else pick(rng, list(COLOURS))
        found, words = [t for t in things if t.colour == c], plural(lang, c=c)
        thought = f"I see {listing(things)}. {plural('en', c=c).capitalize()}: {listing(found) or 'none'}."
    return d.ask("count", f"{thought} That is {len(found)}.", number(len(found)), p=words, n=len(found))


def spoken(d, t, things):
    """A shape's name: alone where that is enough, at times with its colour."""
    if t in unique(things, "shape") and d.rng.random() < 0.65:
        return shape(t.shape, d.lang)
    return named(t, d.lang)


def where_is(d, t, things, s=None, key="where"):
    return d.ask(key, places(things), one_of(place(t.place, d.lang), [place(p, d.lang) for p in ALL_PLACES]), about=t, s=s or spoken(d, t, things),
                 w=place(t.place, d.lang))


def ask_where(d, things):
    ones = [t for t in unique(things, "key") if t.place]
    return where_is(d, pick(d.rng, ones), things) if ones else None


def ask_corner(d, things):
    ones = [t for t in things if " " in t.place]
    if not ones:
        return None
    t = pick(d.rng, ones)
    return d.ask("corner", places(things), all_of(colour(t.colour, d.lang), shape(t.shape, d.lang)), about=t, a=named(t, d.lang), w=place(t.place, d.lang))


def ask_side(d, things, size):
    if len(things) < 2:
        return None
    i, j = (int(v) for v in d.rng.permutation(len(things))[:2])
    a, b = things[i], things[j]
    if a not in unique(things, "key") or b not in unique(things, "key"):
        return None
    across, down = (a.x - b.x) / size[0], (a.y - b.y) / size[1]
    left, right, above, below = phrases.SIDES[d.lang]
    if abs(across) > 0.15 and (abs(down) <= 0.15 or d.rng.random() < 0.6):
        w, seen, key = (left, "left", "side") if across < 0 else (right, "right", "side")
        check = one_of(w, [left, right])
    elif abs(down) > 0.15:
        w, seen, key = (above, "above", "level") if down < 0 else (below, "below", "level")
        check = one_of(w, [above, below])
    else:
        return None
    return d.ask(key, f"I see {listing(things)}. The {named(a, 'en')} is {seen}{' of' if key == 'side' else ''} the {named(b, 'en')}.",
                 check, about=a, a=named(a, d.lang), b=named(b, d.lang), w=w)


def ask_larger(d, things):
    ones = unique(things, "key")
    pairs = [(a, b) for a in ones for b in ones if a.r > b.r * 1.35]
    if not pairs:
        return None
    big, small = pick(d.rng, pairs)
    a, b = (big, small) if d.rng.random() < 0.5 else (small, big)
    return d.ask("larger", f"The {named(big, 'en')} is large, the {named(small, 'en')} is small.",
                 one_of(named(big, d.lang), [named(a, d.lang), named(b, d.lang)]), about=big, a=named(a, d.lang), b=named(b, d.lang), c=named(big, d.lang))


def ask_exists(d, things):
    yes = d.rng.random() < 0.5
    if yes:
        t = pick(d.rng, things)
    else:
        t = scenes.Thing(pick(d.rng, SHAPES), pick(d.rng, list(COLOURS)), 0, 0, 0)
        if d.rng.random() < 0.6:
            t.shape = pick(d.rng, things).shape
        yes = t.key in {o.key for o in things}
    y = phrases.YES[d.lang][0 if yes else 1]
    return d.ask("exists", f"I see {listing(things)}. {'Yes' if yes else 'No'}.", one_of(y, phrases.YES[d.lang]), a=named(t, d.lang), y=y)


def ask_describe(d, things):
    ordered = left_to_right(things)
    if d.lang == "en":
        parts = [phrases.filled(f"a {named(t, 'en')}", "en", {}) for t in ordered]
        words = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
        words = words[0].upper() + words[1:]
    else:
        words = (", " if d.lang == "ko" else "、").join(named(t, d.lang) for t in ordered)
    return d.ask("describe", f"From left to right: {listing(things)}.", all_of(*(named(t, d.lang) for t in things)), l=words)


def ask_json(d, things):
    items = [{"shape": t.shape, "colour": t.colour} for t in left_to_right(things)]
    return d.ask("json", f"From left to right: {listing(things)}.", {"kind": "json", "expect": items}, answer=json.dumps(items))


# Places as coordinates: thousandths of the picture's sides.

def thousandths(values, size):
    return [round(v / size[i % 2] * 1000) for i, v in enumerate(values)]


def pointed(items):
    return "[" + ", ".join(json.dumps(i, ensure_ascii=False) for i in items) + "]"


def boxes_of(found, size, lang):
    items = [{"bbox_2d": thousandths(t.box, size), "label": named(t, lang)} for t in left_to_right(found)]
    return pointed(items), {"kind": "boxes", "expect": items}


def ask_box(d, things, size):
    ones = unique(things, "key")
    if not ones:
        return None
    t = pick(d.rng, ones)
    answer, check = boxes_of([t], size, d.lang)
    if t.place and d.rng.random() < 0.35:  # response_format "grounding" asks in any words and forces the form
        turn = where_is(d, t, things, s=named(t, d.lang))
        turn.answer, turn.check, turn.given = answer, check, '[{"'
        return turn
    return d.ask("box", f"I see {listing(things)}.", check, answer=answer, about=t, a=named(t, d.lang))


def ask_boxes(d, things, size):
    rng, lang, roll = d.rng, d.lang, d.rng.random()
    t = pick(rng, things)
    if roll < 0.4:
        found, p, g = [o for o in things if o.shape == t.shape], plural(lang, s=t.shape), shape(t.shape, lang)
    elif roll < 0.7:
        found, p = [o for o in things if o.colour == t.colour], plural(lang, c=t.colour)
        g = p[:-1] if lang == "en" else p
    else:
        found, p, g = things, plural(lang), "shape" if lang == "en" else phrases.SHAPES[lang]
    answer, check = boxes_of(found, size, lang)
    return d.ask("boxes", f"I see {listing(things)}. Asked for: {listing(found)}.", check, answer=answer, p=p, g=g)


def ask_point(d, things, size):
    ones = unique(things, "key")
    if not ones:
        return None
    t = pick(d.rng, ones)
    x, y, box = *thousandths((t.x, t.y), size), thousandths(t.box, size)
    item = {"point_2d": [x, y], "label": named(t, d.lang)}
    return d.ask("point", f"I see {listing(things)}.", {"kind": "point", "expect": [item], "box": box}, answer=pointed([item]), about=t, a=named(t, d.lang))


ASK = {"colour": ask_colour, "shape": ask_shape, "count": ask_count, "where": ask_where, "corner": ask_corner, "larger": ask_larger,
       "exists": ask_exists, "describe": ask_describe, "json": ask_json}
ASK_SIZED = {"side": ask_side, "box": ask_box, "boxes": ask_boxes, "point": ask_point}
SKILLS = [*ASK, *ASK_SIZED]
PLAIN = [s for s in SKILLS if s not in ("json", "box", "boxes", "point")]


def about(d, skill, scene):
    if skill in ASK_SIZED:
        return ASK_SIZED[skill](d, scene.things, scene.image.size)
    return ASK[skill](d, scene.things)


def scene_for(d, skill):
    rng, n = d.rng, int(d.rng.integers(1, 6))
    if skill == "count":
        return scenes.shapes_scene(rng, n, same_colour=pick(rng, [0.0, 0.5]), same_shape=pick(rng, [0.0, 0.5, 1.0]), distinct=False, look=d.look)
    if skill in ("where", "corner"):
        return scenes.shapes_scene(rng, n, layout="cells", sizes=(0.7, 1.0), look=d.look)
    if skill == "side":
        return scenes.shapes_scene(rng, max(2, n), look=d.look)
    if skill == "larger":
        return scenes.shapes_scene(rng, int(rng.integers(2, 5)), sizes=(0.45, 1.0), look=d.look)
    if skill in ("colour", "shape") and rng.random() < 0.25:
        n = 1
    if skill in ("box", "boxes", "point"):
        return scenes.shapes_scene(rng, min(n, 4), same_shape=0.35 if skill == "boxes" else 0.1, sizes=(0.7, 1.0), look=d.look)
    return scenes.shapes_scene(rng, n, same_shape=0.2, look=d.look)


def shape_sample(d, skill, turns=1):
    while True:
        scene = scene_for(d, skill)
        first = about(d, skill, scene)
        if first:
            break
    # Where things are takes longest to learn: of a picture that is asked for it, it is asked more than once.
    again = [skill] * len(PLAIN) if skill in ("box", "point") else []
    out = [first]
    for _ in range((turns - 1) * 2):
        more = about(d, pick(d.rng, PLAIN + again), scene)
        if more and len(out) < turns:
            out.append(more)
    return Sample(skill, d.lang, [[scene]], out)


def points_sample(d, skill, turns=1):
    """Counts that are weighed and added: two steps."""
    rng = d.rng
    while True:
        s1, s2 = (SHAPES[i] for i in rng.permutation(len(SHAPES))[:2])
        scene = scenes.shapes_scene(rng, int(rng.integers(2, 6)), distinct=False, look=d.look)
        for t in scene.things:
            t.shape = pick(rng, [s1, s2, s2, s1, pick(rng, SHAPES)])
        n1, n2 = (sum(t.shape == s for t in scene.things) for s in (s1, s2))
        if n1 and n2:
            break
    scene.image = scenes.render(rng, scene.image.size, scene.things, scene.look)
    v1, v2 = (int(v) for v in rng.integers(2, 10, 2))
    total = n1 * v1 + n2 * v2
    thought = (f"I see {listing(scene.things)}. {plural('en', s=s1).capitalize()}: {n1}. {plural('en', s=s2).capitalize()}: {n2}. "
               f"{n1} * {v1} = {n1 * v1}. {n2} * {v2} = {n2 * v2}. {n1 * v1} + {n2 * v2} = {total}.")
    turn = d.ask("points", thought, number(total), a=shape(s1, d.lang), b=shape(s2, d.lang), x=v1, y=v2, n=total)
    return Sample(skill, d.lang, [[scene]], [turn])


def compare_sample(d, skill, turns=1):
    rng = d.rng
    size, words = scenes.native_size(rng), phrases.ORDER[d.lang]
    n1, n2 = (int(v) for v in rng.permutation(np.arange(1, 6))[:2])
    looks = [d.look or pick(rng, ["plain", "smooth", "outline", "rim", "texture", "photo"]) for _ in range(2)]
    pair = [scenes.shapes_scene(rng, n, size=size, look=k) for n, k in zip((n1, n2), looks)]
    if rng.random() < 0.6:
        w = words[0] if n1 > n2 else words[1]
        thought = f"First: {listing(pair[0].things)}. That is {n1}. Second: {listing(pair[1].things)}. That is {n2}."
        turn = d.ask("compare_more", thought, one_of(w, words), w=w)
    else:
        i = int(rng.integers(2))
        t = pick(rng, pair[i].things)
        if t.key in {o.key for o in pair[1 - i].things}:
            return compare_sample(d, skill)
        thought = f"First: {listing(pair[0].things)}. Second: {listing(pair[1].things)}."
        turn = d.ask("compare_shows", thought, one_of(words[i], words), a=named(t, d.lang), w=words[i])
    return Sample(skill, d.lang, [[s] for s in pair], [turn])
