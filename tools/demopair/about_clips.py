"""Questions about clips. A clip is frames at a rate; its groups are pairs of frames with the mean of their times, or single frames with their own."""
import scenes
from asking import Sample, one_of
from phrases import DIRECTION, named, shape
from scenes import pick

PAIRED = 0.8  # of clips; the daemon shows pairs of a video's frames, and single ones of a list of pictures


def clip_times(rng, frames=(4, 9)):
    fps = float(pick(rng, [1.0, 2.0, 2.0, 3.0, 4.0])) if rng.random() < 0.5 else float(rng.uniform(1, 4))
    n = int(rng.integers(*frames))
    start = 0.0 if rng.random() < 0.7 else float(rng.uniform(0, 20))
    return [start + i / fps for i in range(n)]


def grouped(frames, times, paired):
    """Groups of frames and a stamp for each, as the model is given them (reference: HF Qwen3VLProcessor)."""
    if not paired:
        return [[f] for f in frames], list(times)
    if len(frames) % 2:
        frames, times = frames + frames[-1:], times + times[-1:]
    return [frames[i:i + 2] for i in range(0, len(frames), 2)], [(times[i] + times[i + 1]) / 2 for i in range(0, len(times), 2)]


def laid_out(rng, paired, times):
    paired = rng.random() < PAIRED if paired is None else paired
    return paired, times or clip_times(rng, (4, 13) if paired else (3, 8))


def motion_sample(d, skill, turns=1, paired=None, times=None):
    paired, times = laid_out(d.rng, paired, times)
    frames, direction, thing = scenes.moving_clip(d.rng, len(times), look=d.look)
    groups, stamps = grouped(frames, times, paired)
    w = DIRECTION[d.lang][direction] if d.lang != "en" else direction
    among = [DIRECTION[d.lang][k] if d.lang != "en" else k for k in scenes.DIRECTIONS]
    ends = {"left": ("right", "left"), "right": ("left", "right"), "up": ("bottom", "top"), "down": ("top", "bottom")}[direction]
    turn = d.ask("motion", f"The {named(thing, 'en')} goes from the {ends[0]} towards the {ends[1]}. That is {direction}.", one_of(w, among),
                 s=shape(thing.shape, d.lang), w=w)
    return Sample(skill, d.lang, groups, [turn], stamps)


def change_sample(d, skill, turns=1, paired=None, times=None):
    paired, times = laid_out(d.rng, paired, times)
    frames, when, thing, after = scenes.changing_clip(d.rng, times, look=d.look)
    groups, stamps = grouped(frames, times, paired)
    seen = [[f.things[0].colour for f in g] for g in groups]
    first = next(i for i, g in enumerate(seen) if after in g)
    t = f"{stamps[first]:.1f}"
    # The list ends where the colour differs from the one before, so that each step looks back one place only. A pair may hold the change
    # itself: its two frames are then of two colours.
    said = ", ".join(f"{s:.1f} {' to '.join(dict.fromkeys(g))}" for s, g in zip(stamps[:first + 1], seen))
    turn = d.ask("change", f"{said}. It changes at {t}.", {"kind": "time", "expect": when, "within": 1.0}, s=shape(thing.shape, d.lang), t=t)
    return Sample(skill, d.lang, groups, [turn], stamps)
