#!/usr/bin/env python3
"""Asks a running daemon held-out questions and reports the share of right answers for each skill and variant.

  make run &   # in another terminal
  python tools/demopair/evaluate.py [--n 500] [--skills colour,number] [--held] [--look pen] [--out work/eval.json]

Seeds are apart from those of training. --held asks in the wordings that are never trained, --look has pictures of shapes drawn in one way.
Clips are sent as their frames, each with its time as text; --videos sends real ones, MP4 files that ffmpeg makes, of which the daemon chooses,
pairs and stamps the frames. A conversation is asked turn by turn, with the daemon's own answers between, and its last answer is judged.
tables.py makes all the tables of README.md.
"""
import argparse
import base64
import collections
import concurrent.futures
import http.client
import io
import json
import pathlib
import subprocess
import tempfile
import urllib.parse

import numpy as np
from PIL import Image

import batches
import checks
import photos
import phrases
import questions
import scenes

SEED = 20_000_003  # training draws its seeds as CRC-32 of words; these generators start from another sequence


def data_uri(image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def request_of(sample, model, timestamps=True, said=()):
    """The chat request that asks the sample's last question, or, in a conversation, the one after the answers `said`."""
    content = []
    for i, group in enumerate(sample.visuals):
        if sample.stamps and timestamps:
            content.append({"type": "text", "text": f"<{sample.stamps[i]:.1f} seconds>"})
        content.append({"type": "image_url", "image_url": {"url": data_uri(group[0])}})
    turns = sample.turns
    content.append({"type": "text", "text": turns[0].ask})
    messages = [{"role": "user", "content": content if sample.visuals else turns[0].ask}]
    for turn, answer in zip(turns[1:], said):
        messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": turn.ask}]
    if len(turns) > 1 and sample.tools:
        call = json.loads(turns[0].answer.split("\n")[1])
        messages += [{"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": {
            "name": call["name"], "arguments": json.dumps(call["arguments"])}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": str(turns[1].check["expect"])}]
    body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": 400, "presence_penalty": 0, "repetition_penalty": 1}
    if sample.tools:
        body["tools"] = sample.tools
    if sample.stamps:
        body["mm_processor_kwargs"] = {"max_pixels": batches.CLIP_MAX_PIXELS}
    return body


def mp4(frames, rate):
    """An H.264 file of PIL images."""
    w, h = frames[0].size
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{w}x{h}", "-r", str(rate), "-i", "-",
                        "-c:v", "libx264", "-preset", "veryfast", "-crf", "10", "-threads", "1", "-pix_fmt", "yuv420p", f"{d}/clip.mp4"],
                       input=b"".join(f.tobytes() for f in frames), check=True)
        return pathlib.Path(f"{d}/clip.mp4").read_bytes()


def videos(skill, n, lang="en"):
    """n held-out clips as (sample, request): smooth motion at a camera's rate, of which the daemon is asked to show 1 to 4 frames a second."""
    rng = np.random.default_rng([SEED + 1, batches.seed_of(skill, lang)])
    out = []
    for _ in range(n):
        rate, fps = int(questions.pick(rng, [8, 10, 12, 15, 24, 25, 30])), float(questions.pick(rng, [1, 2, 2, 2, 3, 4]))
        count = max(4, int(rate * rng.uniform(4, 12) / fps))
        sample = questions.make(rng, skill, lang, paired=True, times=[i / rate for i in range(count)])
        sample.rate = rate
        if skill == "change":  # it is seen in the next frame that is shown, of which the model knows the time of its pair
            sample.turns[0].check["within"] = max(1.0, 2 / fps)
        frames = [f for g in sample.visuals for f in g][:count]
        url = "data:video/mp4;base64," + base64.b64encode(mp4(frames, rate)).decode()
        out.append((sample, {"messages": [{"role": "user", "content": [
            {"type": "video_url", "video_url": {"url": url}, "fps": fps}, {"type": "text", "text": sample.turns[0].ask}]}],
            "temperature": 0, "max_tokens": 400, "presence_penalty": 0, "repetition_penalty": 1}))
    return out


def samples(skill, n, lang="en", held=False, look=None, forced=False):
    """n held-out samples, always the same ones. forced: those of `box` alone whose form of answers the request must force."""
    rng = np.random.default_rng([SEED, batches.seed_of(skill, lang, *["held"] * held, *filter(None, [look]))])
    more = {"paired": False} if skill in questions.VIDEO else {"topics": phrases.topics(lang)[1]} if skill == "unknown" else {}
    out = []
    for i in range(n):
        if skill in questions.VIDEO and i % 2:  # frame rates and lengths that training has not seen
            fps, frames = questions.pick(rng, [0.9, 4.5, 5.0, 6.0]), int(rng.integers(4, 10))
            more["times"] = [k / fps for k in range(frames)]
        sample = questions.make(rng, skill, lang, held=held, look=look, **more)
        while bool(sample.turns[0].given) != forced:
            sample = questions.make(rng, skill, lang, held=held, look=look, **more)
        out.append(sample)
        more.pop("times", None)
    return out


def photographs(n, lang="en", folder=None):
    """n questions about parts of real photographs that are never trained on: those of a folder, else photos.held()."""
    rng = np.random.default_rng([SEED + 2, batches.seed_of("photographs", lang)])
    files = sorted(f for f in pathlib.Path(folder).iterdir() if f.suffix.lower() in (".jpg", ".jpeg", ".png")) if folder else ()
    whole, out = [Image.open(f).convert("RGB") for f in files] or photos.held(), []
    for _ in range(n):
        shown = photos.part(rng, questions.pick(rng, whole), scenes.native_size(rng))
        out.append(questions.make(rng, "photo", lang, scene=scenes.Scene(shown)))
    return out


class Client:
    def __init__(self, url):
        self.at = urllib.parse.urlparse(url)

    def ask(self, body):
        c = http.client.HTTPConnection(self.at.hostname, self.at.port, timeout=120)
        try:
            c.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
            r = c.getresponse()
            answer = json.loads(r.read())
            if r.status != 200:
                raise RuntimeError(f"status {r.status}: {answer}")
            return answer
        finally:
            c.close()


def answered(client, sample, model, body=None, timestamps=True):
    """The reply to a sample's last question."""
    if body:
        return client.ask({**body, "model": model})
    said = []
    for _ in sample.turns[:-1] if not sample.tools else ():
        said.append(client.ask(request_of(sample, model, timestamps, said))["choices"][0]["message"]["content"] or "")
    return client.ask(request_of(sample, model, timestamps, said))


def judge(client, todo, model, bodies=None, timestamps=True, wrong=False):
    """Of each sample: whether the answer is right, and its completion tokens."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda i: answered(client, todo[i], model, bodies and bodies[i], timestamps), range(len(todo))))
    out = []
    for s, r in zip(todo, replies):
        m = r["choices"][0]["message"]
        ok = checks.right(s.turns[-1].check, m["content"] or "", [c["function"] for c in m.get("tool_calls") or []])
        if wrong and not ok:
            print("  wrong:", repr(s.turns[-1].ask), s.turns[-1].check["expect"], "|", repr(m["content"]), repr(m.get("reasoning_content")))
        out.append((ok, r["usage"]["completion_tokens"]))
    return out


def percent(rows):
    return 100 * sum(ok for ok, _ in rows) / len(rows)


def mean_tokens(rows):
    return sum(n for _, n in rows) / len(rows)


MODELS = "qwen3-vl-instruct,qwen3-vl-thinking"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--skills", default=",".join(questions.MAKERS))
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--languages", default="en")
    parser.add_argument("--held", action="store_true", help="in wordings that are never trained")
    parser.add_argument("--look", help="pictures of shapes drawn so: " + ", ".join(scenes.looks.NAMES))
    parser.add_argument("--without-timestamps", action="store_true")
    parser.add_argument("--videos", action="store_true", help="send the skills that have clips as MP4 files")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--wrong", action="store_true", help="print the wrong answers")
    a = parser.parse_args()
    client, table = Client(a.url), collections.defaultdict(dict)
    models = a.models.split(",")
    print(f"| skill | {' | '.join(models)} | completion tokens |\n| --- |{' --- |' * (len(models) + 1)}")
    for skill in a.skills.split(",") if not a.videos else questions.VIDEO:
        for lang in a.languages.split(","):
            todo, bodies = map(list, zip(*videos(skill, a.n, lang))) if a.videos else (samples(skill, a.n, lang, a.held, a.look), None)
            rows = [judge(client, todo, m, bodies, not a.without_timestamps, a.wrong) for m in models]
            name = skill if lang == "en" else f"{skill} ({lang})"
            table[name] = {"accuracy": dict(zip(models, map(percent, rows))), "completion_tokens": dict(zip(models, map(mean_tokens, rows))), "n": len(todo)}
            print(f"| {name} | {' | '.join(f'{percent(r):.1f}' for r in rows)} | {' / '.join(f'{mean_tokens(r):.0f}' for r in rows)} |", flush=True)
    if a.out:
        a.out.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
