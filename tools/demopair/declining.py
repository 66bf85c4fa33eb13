"""Questions that the pair declines: about pictures of nothing that it knows, and of what is not shapes or numbers."""
import phrases
import scenes
from asking import Sample, Turn, all_of
from phrases import plural
from scenes import pick

UNKNOWN_KEY = {"en": "only know simple", "ko": "간단한 도형", "zh": "简单的图形"}


def declined(d, key, thought, **words):
    return Turn(d.question(key, **words), phrases.UNKNOWN[d.lang], thought, all_of(UNKNOWN_KEY[d.lang]), key)


def photo_sample(d, skill, turns=1, scene=None):
    """A picture of nothing that it knows, whatever is asked."""
    key = "photo" if d.rng.random() < 0.6 else pick(d.rng, ["describe", "shape_alone", "colour_alone", "count", "number", "word"])
    turn = declined(d, key, "I see no simple shapes.", p=plural(d.lang))
    return Sample(skill, d.lang, [[scene or scenes.photo_scene(d.rng)]], [turn])


def stray_sample(d, skill, turns=1):
    """A picture that it knows, and a question that is not about shapes."""
    scene = scenes.shapes_scene(d.rng, int(d.rng.integers(1, 6)), look=d.look)
    return Sample(skill, d.lang, [[scene]], [declined(d, "stray", "This is not about shapes or numbers.")])
