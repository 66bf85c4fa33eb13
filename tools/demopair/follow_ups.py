"""Conversations: a question about a scene of shapes, then another about the same picture, which leaves out what the first has said."""
import scenes
from about_shapes import PLAIN, about, colour_of, listing, unique, where_is
from asking import Sample, number
from phrases import shape
from scenes import pick


def follow_up(d, before, scene):
    """A turn after `before`, or None."""
    things, t, roll = scene.things, before.about, d.rng.random()
    others = [o for o in unique(things, "shape") if o is not t]
    if before.key == "colour" and others and roll < 0.6:
        o = pick(d.rng, others)
        turn = colour_of(d, o, things)
        turn.ask = d.question("follow_same", s=shape(o.shape, d.lang))
    elif before.key == "where" and [o for o in others if o.place] and roll < 0.6:
        o = pick(d.rng, [o for o in others if o.place])
        s = shape(o.shape, d.lang)
        turn = where_is(d, o, things, s)
        turn.ask = d.question("follow_same", s=s)
    elif t and before.key in ("where", "shape_place", "side", "level") and roll < 0.85:
        turn = colour_of(d, t, things, "follow_colour")
    elif t and t.place and before.key in ("colour", "shape", "larger", "shape_alone", "colour_alone") and roll < 0.85:
        turn = where_is(d, t, things, key="follow_where")
    elif roll > 0.92 or before.key == "describe":
        turn = d.ask("follow_count", f"I see {listing(things)}. That is {len(things)}.", number(len(things)), n=len(things))
    else:
        turn = about(d, pick(d.rng, PLAIN), scene)
    return turn


def follow_sample(d, skill, turns=1):
    while True:
        scene = scenes.shapes_scene(d.rng, int(d.rng.integers(1, 6)), layout="cells" if d.rng.random() < 0.8 else "free", look=d.look)
        first = about(d, pick(d.rng, ["colour", "colour", "where", "where", "shape", "side", "larger", "describe", "count"]), scene)
        second = follow_up(d, first, scene) if first else None
        if second:
            break
    out = [first, second]
    third = follow_up(d, second, scene) if d.rng.random() < 0.2 else None
    return Sample(skill, d.lang, [[scene]], out + ([third] if third else []))
