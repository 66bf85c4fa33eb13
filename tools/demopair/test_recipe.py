#!/usr/bin/env python3
"""Tests what the recipe's questions and pictures promise, without training: `bash tools/demopair/test.sh`."""
import json
import re
import unittest

import numpy as np
from PIL import ImageChops

import checks
import handwriting
import looks
import outlines
import photos
import phrases
import questions
import scenes
from asking import PICTURELESS, Asker, varied


def shapes_drawn(look, seed, n=3):
    return scenes.shapes_scene(np.random.default_rng(seed), n, look=look)


class Wordings(unittest.TestCase):
    def a_fifth_is_held_out(self, w):
        """And none of it is trained, but for marks either. What is trained, without its marks."""
        trained = set(map(phrases.bare, w.trained))
        for held, rest in ((w.held, w.trained), (w.held_bare, trained)):
            self.assertGreaterEqual(len(held) / (len(held) + len(rest)), 0.2)
        self.assertFalse(trained & w.held_bare)
        return trained

    def test_every_question_is_asked_in_twelve_wordings_and_a_fifth_is_held_out(self):
        for lang in phrases.LANGUAGES:
            self.assertEqual(phrases.wordings(lang).keys(), phrases.wordings("en").keys())
            for key, w in phrases.wordings(lang).items():
                with self.subTest(lang=lang, key=key):
                    self.assertGreaterEqual(len(self.a_fifth_is_held_out(w)), 12)

    def test_held_out_wordings_are_never_drawn_in_training(self):
        for lang in phrases.LANGUAGES:
            for key, w in phrases.wordings(lang).items():
                trained = Asker(np.random.default_rng(1), lang)
                held = Asker(np.random.default_rng(1), lang, held=True)
                self.assertFalse({phrases.bare(trained.wording(key)) for _ in range(400)} & w.held_bare, f"{lang} {key}")
                self.assertEqual({held.wording(key) for _ in range(20 * len(w.held))}, set(w.held), f"{lang} {key}")

    def test_what_stands_around_a_question_in_judging_is_never_trained(self):
        for lang in phrases.LANGUAGES:
            self.assertEqual(phrases.wordings(f"around.{lang}").keys(), {"before", "before_picture", "after"})
            for where, w in phrases.wordings(f"around.{lang}").items():
                with self.subTest(lang=lang, where=where):
                    self.a_fifth_is_held_out(w)

    def test_questions_without_a_picture_are_among_those_that_are_asked(self):
        self.assertLessEqual(set(PICTURELESS), phrases.wordings("en").keys())

    def test_what_is_declined_in_judging_is_never_trained(self):
        for lang in phrases.LANGUAGES:
            trained, held = ({t.lower() for t in some} for some in phrases.topics(lang))
            self.assertGreaterEqual(len(trained), 300)
            self.assertGreaterEqual(len(held), 50)
            self.assertFalse(trained & held, lang)

    def test_a_varied_wording_differs_in_one_word_that_others_say(self):
        rng = np.random.default_rng(5)
        self.assertEqual({varied(rng, "What is the colour of the {s}?", "en") for _ in range(100)},
                         {"What is the colour of the {s}?", "What's the colour of the {s}?", "What is the color of the {s}?"})
        self.assertEqual({varied(rng, "请给出{a}的点坐标。", "zh") for _ in range(100)}, {"请给出{a}的点坐标。", "请给我{a}的点坐标。"})
        self.assertEqual(varied(rng, "any {a} here", "en"), "any {a} here")

    def test_photographs_that_judge_are_never_trained(self):
        self.assertFalse(set(photos.TRAINED) & set(photos.HELD))

    def test_no_braces_and_no_double_particles_are_left_in_a_question(self):
        rng = np.random.default_rng(2)
        for lang in phrases.LANGUAGES:
            for skill in questions.MAKERS:
                for held in (False, True):
                    for turn in questions.make(rng, skill, lang, held=held).turns:
                        said = turn.ask + ("" if turn.answer.startswith(("[", "<")) else turn.answer)
                        self.assertNotRegex(said.replace('{"bbox_2d": [x1, y1, x2, y2], "label": "label"}', ""), r"[{}]|은/는|이/가|을/를|과/와|으로/로", f"{lang} {skill}")

    def test_korean_particles_follow_the_word(self):
        for said, want in (("별은/는", "별은"), ("십자가은/는", "십자가는"), ("위으로/로", "위로"), ("오른쪽으로/로", "오른쪽으로"), ("3을/를", "3을"), ("12 + 4은/는", "12 + 4는")):
            self.assertEqual(phrases.with_particles(said), want)

    def test_a_slip_leaves_names_alone(self):
        rng = np.random.default_rng(3)
        from asking import mistyped
        for _ in range(300):
            self.assertIn("{s}", mistyped(rng, "Could you please name the {s} there?"))

    def test_the_unnamed_single_shape_is_asked_about(self):
        rng, seen = np.random.default_rng(4), set()
        for _ in range(300):
            for t in questions.make(rng, "shape").turns:
                seen.add(t.key)
        self.assertEqual(seen, {"shape", "shape_place", "shape_alone"})


class Pictures(unittest.TestCase):
    def test_boxes_are_those_of_what_is_drawn(self):
        for look in looks.NAMES:
            worst = 0.0
            for seed in range(12):
                rng = np.random.default_rng(seed)
                size, kind = (224, 224), looks.Look(look)
                shape = scenes.SHAPES[seed % 6]
                image = kind.ground(rng, size, [scenes.COLOURS["red"]])
                before = image.copy()
                box = looks.paint(image, kind, looks.stroke(rng, kind, shape), shape, 110, 100, 50, scenes.COLOURS["red"])
                drawn = ImageChops.difference(image, before).convert("L").point(lambda v: 255 * (v > 12)).getbbox()
                worst = max(worst, *(abs(x - y) for x, y in zip(box, drawn)))
            self.assertLessEqual(worst, 2.0, look)

    def test_the_box_in_an_answer_is_the_things_box_in_thousandths(self):
        rng = np.random.default_rng(5)
        for lang in phrases.LANGUAGES:
            for _ in range(40):
                s = questions.make(rng, "box", lang)
                scene, item = s.scenes[0][0], json.loads(s.turns[0].answer)[0]
                thing = next(t for t in scene.things if phrases.named(t, lang) == item["label"])
                want = [1000 * v / scene.image.size[i % 2] for i, v in enumerate(thing.box)]
                self.assertLessEqual(max(abs(a - b) for a, b in zip(item["bbox_2d"], want)), 0.5)
                self.assertTrue(checks.right(s.turns[0].check, s.turns[0].answer))

    def test_plain_questions_where_keep_their_word_answers(self):
        rng = np.random.default_rng(6)
        for _ in range(100):
            self.assertNotIn("bbox_2d", questions.make(rng, "where").turns[0].answer)

    def test_shapes_lie_within_their_picture(self):
        for look in looks.NAMES:
            for seed in range(20):
                s = shapes_drawn(look, seed)
                for t in s.things:
                    self.assertTrue(0 <= t.box[0] < t.box[2] <= s.image.width and 0 <= t.box[1] < t.box[3] <= s.image.height, (look, seed, t))

    def test_the_canvas_is_as_the_playground_draws_it(self):
        for look in ("pen", "canvas"):
            s = shapes_drawn(look, 1)
            self.assertEqual(s.image.size, (224, 224))
            self.assertEqual(s.image.getpixel((0, 223)), (245, 245, 245))
            self.assertNotIn("white", [t.colour for t in s.things])

    def test_all_that_is_written_by_mouse_has_its_strokes(self):
        self.assertLessEqual(set("0123456789") | {ch for w in scenes.WORDS for ch in w + w.upper()}, set(handwriting.GLYPHS))

    def test_the_same_state_draws_the_same_picture(self):
        for skill in questions.MAKERS:
            a, b = (questions.make(np.random.default_rng(8), skill) for _ in range(2))
            self.assertEqual([[i.tobytes() for i in g] for g in a.visuals], [[i.tobytes() for i in g] for g in b.visuals], skill)
            self.assertEqual([t.ask for t in a.turns], [t.ask for t in b.turns])

    def test_a_look_that_judges_is_never_trained(self):
        rng = np.random.default_rng(9)
        self.assertNotIn("agg", {looks.any_look(rng).name for _ in range(500)})

    def test_outlines_of_a_hand_stay_near_the_shape(self):
        rng = np.random.default_rng(10)
        for shape in scenes.SHAPES:
            x0, y0, x1, y1 = outlines.bounds([p for s in outlines.by_hand(rng, shape, 100, 100, 40) for p in s])
            self.assertTrue(45 < x0 < 85 and 115 < x1 < 155 and 45 < y0 < 90 and 110 < y1 < 155, shape)


class Clips(unittest.TestCase):
    def test_the_named_time_is_that_of_the_group_that_shows_the_change(self):
        rng, mixed = np.random.default_rng(11), 0
        for _ in range(200):
            s = questions.make(rng, "change", paired=True)
            colours = [[f.things[0].colour for f in g] for g in s.scenes]
            first = next(i for i, g in enumerate(colours) if g[-1] != colours[0][0])
            mixed += len(set(colours[first])) == 2
            self.assertEqual(f"{s.stamps[first]:.1f}", re.search(r"[\d.]+(?= seconds)", s.turns[0].answer)[0])
        self.assertGreater(mixed, 60, "pairs that hold the change itself are too rare")


class Conversations(unittest.TestCase):
    def test_a_follow_up_is_about_the_same_picture_and_leaves_something_out(self):
        rng = np.random.default_rng(12)
        turns = [questions.make(rng, "follow").turns for _ in range(200)]
        self.assertTrue(all(len(t) >= 2 for t in turns))
        self.assertGreater(sum(t[1].key in ("follow_colour", "follow_where", "follow_count") or " colour" not in t[1].ask for t in turns), 100)


class Judging(unittest.TestCase):
    def test_boxes_are_judged_by_overlap(self):
        expect = [{"bbox_2d": [100, 100, 300, 300], "label": "red circle"}]
        for text, want in (('[{"bbox_2d": [105, 100, 300, 310], "label": "x"}]', True), ('[{"bbox_2d": [150, 150, 350, 350], "label": "x"}]', False),
                           ('{"bbox_2d": [100, 100, 300, 300], "label": "x"}', True), ("At the left.", False),
                           ('[{"bbox_2d": [100, 100, 300, 300]}, {"bbox_2d": [1, 1, 5, 5]}]', False), ('[{"bbox_2d": "all"}]', False)):
            self.assertEqual(checks.right({"kind": "boxes", "expect": expect}, text), want, text)

    def test_a_point_is_judged_by_the_box(self):
        check = {"kind": "point", "expect": [], "box": [100, 100, 300, 300]}
        self.assertTrue(checks.right(check, '[{"point_2d": [210, 180], "label": "x"}]'))
        self.assertFalse(checks.right(check, '[{"point_2d": [290, 180], "label": "x"}]'))


if __name__ == "__main__":
    unittest.main()
