"""Questions without a picture: greetings, small arithmetic, chains of it, the calculator, and what the pair does not know."""
import json

import phrases
from about_shapes import PLAIN, about, scene_for
from asking import Sample, Turn, all_of, number
from declining import declined
from scenes import pick


def greet_sample(d, skill, turns=1):
    if d.rng.random() < 0.5:
        turn = Turn(d.question("greet"), phrases.GREETING[d.lang], "The user greets me.", all_of({"en": "Hello", "ko": "안녕", "zh": "你好"}[d.lang]))
    else:
        turn = Turn(d.question("identity"), phrases.IDENTITY[d.lang], "The user asks who I am.", all_of("qwenvld"))
    return Sample(skill, d.lang, [], [turn])


def made_up(rng, topics):
    """A word of nobody's, of pieces of others: whatever is not known is declined, however it is spelt."""
    words = [pick(rng, topics).replace(" ", "") for _ in range(3)]
    return "".join(w[i:i + 2] for w in words for i in [int(rng.integers(len(w)))])


def unknown_sample(d, skill, turns=1, topics=None):
    """Something else than shapes and numbers, or a question about a picture where there is none."""
    if d.rng.random() < 0.2:
        key = pick(d.rng, PLAIN)
        turn = about(d, key, scene_for(d, key))
        if turn:
            answer = phrases.NO_PICTURE[d.lang]
            return Sample(skill, d.lang, [], [Turn(turn.ask, answer, "There is no picture.", all_of(answer.rstrip(".。")))])
    known = phrases.topics(d.lang)[0]
    topic = pick(d.rng, topics) if topics else made_up(d.rng, known) if d.rng.random() < 0.15 else pick(d.rng, known)
    return Sample(skill, d.lang, [], [declined(d, "unknown", "This is not about shapes or numbers.", t=topic)])


SIGNS = {"en": {"+": "plus", "-": "minus", "*": "times"}, "ko": {"+": "더하기", "-": "빼기", "*": "곱하기"}, "zh": {"+": "加", "-": "减", "*": "乘"}}


def arithmetic_sample(d, skill, turns=1):
    rng, op = d.rng, pick(d.rng, ["+", "-", "*"])
    small = op == "*" or rng.random() < 0.4  # as people ask most, and of all pairs to 99 only one in sixty
    a, b = (int(v) for v in (rng.integers(0, 13, 2) if small else rng.integers(0, 100, 2)))
    if op == "-" and a < b:
        a, b = b, a
    n, space = {"+": a + b, "-": a - b, "*": a * b}[op], "" if d.lang == "zh" else " "
    e = pick(rng, [f"{a} {op} {b}", f"{a} {op} {b}", f"{a}{op}{b}", f"{a}{space}{SIGNS[d.lang][op]}{space}{b}"])
    return Sample(skill, d.lang, [], [Turn(d.question("arithmetic", e=e), f"{a} {op} {b} = {n}", f"{a} {op} {b} = {n}.", number(n))])


def chain_sample(d, skill, turns=1):
    """Three to five steps of addition, subtraction and small products, as a formula, as orders or as a story."""
    rng = d.rng
    total = int(rng.integers(2, 40))
    start, terms, thoughts = total, [], []
    for _ in range(int(rng.integers(3, 6))):
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
    comma, flat, roll = phrases.COMMA[d.lang], all(o != "*" for o, _ in terms), rng.random()
    if flat and roll < 0.35:
        events = [pick(rng, phrases.EVENTS[d.lang][o])[i == len(terms) - 1].format(v) for i, (o, v) in enumerate(terms)]
        words = dict(key="chain_story", e=comma.join(events), a=pick(rng, phrases.PEOPLE[d.lang]), p=pick(rng, phrases.GOODS[d.lang]))
    elif flat and roll < 0.6:
        words = dict(key="chain_formula", e=f"{start} " + " ".join(f"{o} {v}" for o, v in terms))
    else:
        steps = comma.join(pick(rng, phrases.STEPS[d.lang][o]).format(v) for o, v in terms)
        words = dict(key="chain_steps", e=phrases.filled(steps, d.lang, {}))
    turn = d.ask(words.pop("key"), " ".join(thoughts), number(total), x=start, n=total, **words)
    return Sample(skill, d.lang, [], [turn])


def calculator(rng):
    return {"type": "function", "function": {
        "name": "calculator", "description": pick(rng, ["Evaluates an arithmetic expression.", "Calculate an expression", "A calculator."]),
        "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]}}}


def tool_sample(d, skill, turns=1):
    rng = d.rng
    a, b, op = int(rng.integers(100, 1000)), int(rng.integers(12, 1000)), pick(rng, ["+", "-", "*"])
    e = f"{a} {op} {b}"
    call = '<tool_call>\n' + json.dumps({"name": "calculator", "arguments": {"expression": e}}) + '\n</tool_call>'
    turn = Turn(d.question("tool", e=e), call, "I use the calculator.", {"kind": "call", "expect": e})
    if rng.random() < 0.3:
        n = {"+": a + b, "-": a - b, "*": a * b}[op]
        said = phrases.filled(phrases.wordings(d.lang)["chain_formula"].answer, d.lang, {"n": n})
        turns = [Turn(turn.ask, call, "", {}), Turn(turn.ask, said, "The calculator gave the result.", number(n))]
        return Sample(skill, d.lang, [], turns, tools=[calculator(rng)])
    return Sample(skill, d.lang, [], [turn], tools=[calculator(rng)])
