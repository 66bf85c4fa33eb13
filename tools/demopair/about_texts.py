"""Questions about numbers, words and charts."""
import numpy as np

import scenes
from asking import Sample, all_of, number, one_of
from phrases import colour
from scenes import pick


def digits(rng, most=3):
    n = int(rng.integers(1, most + 1))
    return int(rng.integers(0 if n == 1 else 10 ** (n - 1), 10 ** n))


def number_sample(d, skill, turns=1):
    n = digits(d.rng)
    scene = scenes.written_scene(d.rng, str(n)) if skill == "mouse_number" else scenes.number_scene(d.rng, [str(n)], look=d.look)
    return Sample(skill, d.lang, [[scene]], [d.ask("number", f"I read the digits {', '.join(str(n))}.", number(n), n=n)])


def word_sample(d, skill, turns=1):
    w = pick(d.rng, scenes.WORDS)
    shown = w if d.rng.random() < 0.6 else w.upper()
    scene = scenes.written_scene(d.rng, shown) if skill == "mouse_word" else scenes.number_scene(d.rng, [shown], look=d.look)
    return Sample(skill, d.lang, [[scene]], [d.ask("word", f"I read the letters {', '.join(w)}.", all_of(w), n=w)])


def several(rng, n, top):
    return [int(v) for v in rng.permutation(np.arange(1, top))[:n]]


def add_up(values, op="+"):
    """The steps of a running sum: "12 + 7 = 19. 19 + 30 = 49."."""
    total, steps = values[0], []
    for v in values[1:]:
        steps.append(f"{total} {op} {v} = {total + v}.")
        total += v
    return " ".join(steps), total


def sum_sample(d, skill, turns=1):
    values = several(d.rng, int(d.rng.integers(2, 4)), 60)
    steps, total = add_up(values)
    turn = d.ask("sum", f"The numbers are {', '.join(map(str, values))}. {steps}", number(total), n=total)
    return Sample(skill, d.lang, [[scenes.number_scene(d.rng, [str(v) for v in values], look=d.look)]], [turn])


def range_sample(d, skill, turns=1):
    values = several(d.rng, 3, 60)
    a, b = max(values), min(values)
    thought = f"The numbers are {', '.join(map(str, values))}. Largest {a}, smallest {b}. {a} - {b} = {a - b}."
    scene = scenes.number_scene(d.rng, [str(v) for v in values], look=d.look)
    return Sample(skill, d.lang, [[scene]], [d.ask("range", thought, number(a - b), n=a - b)])


def chart_sample(d, skill, turns=1):
    scene = scenes.bar_chart(d.rng, int(d.rng.integers(3, 5)))
    bars, roll = scene.things, d.rng.random()
    thought = "The bars are " + ", ".join(f"{b.colour} {b.text}" for b in bars) + "."
    if roll < 0.4:
        b = pick(d.rng, bars)
        turn = d.ask("chart_value", thought, number(int(b.text)), c=colour(b.colour, d.lang), n=b.text)
    else:
        most = roll < 0.7
        c = colour((max if most else min)(bars, key=lambda t: int(t.text)).colour, d.lang)
        turn = d.ask("chart_most" if most else "chart_least", thought, one_of(c, [colour(t.colour, d.lang) for t in bars]), c=c)
    return Sample(skill, d.lang, [[scene]], [turn])
