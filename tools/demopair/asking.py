"""A sample, and the one who asks: chooses a wording, fills it in, and writes it as people type."""
from dataclasses import dataclass, field

import numpy as np

import phrases
import scenes
from scenes import pick


@dataclass
class Turn:
    ask: str
    answer: str
    thought: str
    check: dict
    key: str = ""  # the question's section in wordings/*.txt
    about: scenes.Thing | None = None  # what a follow-up may call "it"
    given: str = ""  # the answer's beginning where a form of answers forces it: not to be learnt here


@dataclass
class Sample:
    """visuals are groups of one scene (an image) or two (a pair of video frames); stamps holds a time for each, or is empty."""
    skill: str
    lang: str
    scenes: list
    turns: list
    stamps: list = field(default_factory=list)
    tools: list = field(default_factory=list)
    picture_last: bool = False

    @property
    def visuals(self):
        """The pictures alone, grouped likewise."""
        return [[s.image for s in group] for group in self.scenes]


def one_of(expect, among):
    return {"kind": "choice", "expect": expect, "among": list(among)}


def number(n):
    return {"kind": "number", "expect": n}


def all_of(*parts):
    return {"kind": "all", "expect": list(parts)}


# Questions that come without a picture.
PICTURELESS = ("greet", "identity", "unknown", "arithmetic", "chain_formula", "chain_steps", "chain_story", "tool")


def mistyped(rng, form):
    """A slip in one of the wording's own words; names and numbers, still in braces, stay as they are."""
    words = form.split(" ")
    at = [i for i, w in enumerate(words) if len(w) > 3 and w.isalpha() and w.isascii()]
    if not at:
        return form
    i = pick(rng, at)
    w, k, roll = words[i], int(rng.integers(1, len(words[i]) - 2)), rng.random()
    words[i] = w[:k] + w[k + 1] + w[k] + w[k + 2:] if roll < 0.5 else w[:k] + w[k + 1:] if roll < 0.75 else w[:k] + w[k] + w[k:]
    return " ".join(words)


def varied(rng, form, lang):
    """The wording with one of its words as others say it."""
    found = [(said, group) for group in phrases.ALIKE[lang] if (said := max((w for w in group if w in form), key=len, default=""))]
    if not found:
        return form
    said, group = pick(rng, found)
    return form.replace(said, pick(rng, group), 1)


@dataclass
class Asker:
    """What one sample's questions are asked with. held: only wordings that are never trained; look: a name, else any."""
    rng: np.random.Generator
    lang: str = "en"
    held: bool = False
    look: str | None = None

    def wording(self, key):
        w = phrases.wordings(self.lang)[key]
        form = pick(self.rng, w.held if self.held else w.trained)
        if self.held or self.rng.random() > 0.4:
            return form
        other = varied(self.rng, form, self.lang)
        return form if phrases.bare(other) in w.held_bare else other

    def around(self, where):
        """What stands before or after a question."""
        w = phrases.wordings(f"around.{self.lang}")[where]
        return w.held if self.held else w.trained

    def question(self, key, **words):
        """A question as people type it: at times in lower case, without its mark, with a slip, with something said before or after."""
        rng, form = self.rng, self.wording(key)
        if self.lang == "en" and rng.random() < 0.06:
            form = mistyped(rng, form)
        text = phrases.filled(form, self.lang, words)
        roll, space = rng.random(), "" if self.lang == "zh" else " "
        if roll < 0.18:
            head = pick(rng, self.around("before_picture" if roll < 0.06 and key not in PICTURELESS else "before"))
            text = head + space + (text[0].lower() + text[1:] if self.lang == "en" and head[-1] in ":," and not text[1:2].isupper() else text)
        elif roll < 0.24:
            text += space + pick(rng, self.around("after"))
        elif roll < 0.32:
            text = text.lower() if "bbox" not in text and "JSON" not in text else text
        elif roll < 0.35 and self.lang == "ko" and " " in text:
            i = pick(rng, [k for k, ch in enumerate(text) if ch == " "])
            text = text[:i] + text[i + 1:]
        if rng.random() < 0.1:
            text = text.rstrip("?.？。") or text
        elif rng.random() < 0.02:
            text += text[-1] if text[-1] in "?？" else ""
        return text

    def ask(self, key, thought, check, answer=None, about=None, **words):
        form = phrases.wordings(self.lang)[key].answer if answer is None else answer
        return Turn(self.question(key, **words), phrases.filled(form, self.lang, words) if answer is None else answer, thought, check, key, about)
