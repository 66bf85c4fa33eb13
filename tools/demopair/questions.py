"""Makes the demo pair's samples: a picture or clip, a question, the thoughts that lead to the answer, the answer, and how to check one.

A sample is made from one numpy Generator. `make(rng, skill, lang)` gives a Sample; MAKERS lists what there is.
"""
import about_clips
import about_shapes
import about_texts
import declining
import follow_ups
import talk
from asking import Asker
from scenes import pick  # noqa: F401  (used by those who ask)

MAKERS = {s: about_shapes.shape_sample for s in about_shapes.SKILLS}
MAKERS |= {"number": about_texts.number_sample, "word": about_texts.word_sample, "mouse_number": about_texts.number_sample,
           "mouse_word": about_texts.word_sample, "sum": about_texts.sum_sample, "range": about_texts.range_sample, "points": about_shapes.points_sample,
           "chart": about_texts.chart_sample, "follow": follow_ups.follow_sample, "photo": declining.photo_sample, "stray": declining.stray_sample,
           "compare": about_shapes.compare_sample, "motion": about_clips.motion_sample, "change": about_clips.change_sample, "greet": talk.greet_sample,
           "unknown": talk.unknown_sample, "arithmetic": talk.arithmetic_sample, "chain": talk.chain_sample, "tool": talk.tool_sample}
TWO_IMAGES = ["compare"]
VIDEO = ["motion", "change"]
TEXT = ["greet", "unknown", "arithmetic", "chain", "tool"]
IMAGE = [s for s in MAKERS if s not in TWO_IMAGES + VIDEO + TEXT]
SHAPES = about_shapes.SKILLS  # those whose pictures can be drawn in every look


def make(rng, skill, lang="en", turns=1, held=False, look=None, **more):
    """held: asked in wordings that are never trained; look: how the picture is drawn, a name of looks.NAMES."""
    return MAKERS[skill](Asker(rng, lang, held, look), skill, turns=turns, **more)
