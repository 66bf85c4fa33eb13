#!/usr/bin/env python3
"""Makes the demo pair from nothing: trains, checks, exports, measures, ships. One command, which goes on where it was stopped.

  python tools/demopair/recipe.py                    # everything, on a card where there is one, else on the CPU
  python tools/demopair/recipe.py --pack OUT         # the training alone, for a machine that has only python and a card: its weights in OUT
  python tools/demopair/recipe.py --unpack OUT       # elsewhere: takes them as trained, and does the rest
  python tools/demopair/recipe.py --again            # not from nothing: training goes on from the weights in this repository

Stages that are done are skipped; training goes on from its last checkpoint. --work (default work/) keeps all of it. Everything up to
`parts` only writes there. `ship` copies the weights into internal/demopair and builds; `router` and `examples` and `video` make anew what
depends on them: the router's calibration, examples/, e2e/testdata/demo.jsonl. --tiny runs all stages that train with a few steps of few
samples, to see that they work.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import torch

import batches

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FAVOUR = {"base": "box=1.8,boxes=2,point=1.8,change=1.4,photo=1.3,stray=2.5,unknown=1.5,json=1.5,describe=1.8,chart=1.5,chain=1.2,greet=3,corner=1.5,"
                  "exists=1.4,word=1.6,number=1.2,side=1.2,where=1.4,sum=1.3,range=1.3",
          "thinking": "sum=2,range=2.5,boxes=6.5,box=1.2,unknown=2.5,photo=2,stray=6,exists=2.5,greet=5,corner=3,side=2,where=2.5,larger=1.5,word=2.5,"
                      "describe=3,chart=2.5,follow=1.3,tool=2,json=1.5,points=0.7,point=1.8,compare=1.3",
          "instruct": "boxes=7,box=1.2,unknown=2.5,photo=2,stray=6,exists=2.5,greet=5,corner=3,side=2,where=2.5,json=1.5,describe=3,change=3,motion=0.5,"
                      "count=1.5,word=2.5,chart=2.5,follow=1.3,larger=1.3,mouse_number=1.2,point=1.8,range=0.1,sum=0.1,points=0.1,chain=0.1"}
# Films are shown as the built-in pair's are.
FILMS = ["--set", f"media.video.min_pixels={batches.MIN_PIXELS}", "--set", f"media.video.max_pixels={batches.CLIP_MAX_PIXELS}"]
# What each stage of training is given: on a CPU by steps, on a card by steps and a time after which it ends.
PLAN = {
    "cpu": {"vision": ["--steps", "1800", "--sizes", "84", "10", "0", "--echo", "2", "--keep", "40"],
            "base": ["--steps", "5200", "--sizes", "72", "20", "20", "--echo", "2", "--keep", "40"],
            "thinking": ["--steps", "1100", "--hold", "0.3", "--sizes", "56", "28", "15", "--echo", "2", "--keep", "60"],
            "instruct": ["--steps", "1200", "--hold", "0.3", "--sizes", "60", "26", "10", "--echo", "2", "--keep", "60"]},
    "cuda": {"vision": ["--steps", "20000", "--limit", "45", "--sizes", "224", "24", "0", "--echo", "3", "--every", "1000"],
             "base": ["--steps", "40000", "--limit", "310", "--sizes", "224", "64", "64", "--echo", "3", "--every", "1000"],
             "thinking": ["--steps", "20000", "--limit", "125", "--hold", "0.3", "--sizes", "192", "96", "48", "--echo", "3", "--every", "1000"],
             "instruct": ["--steps", "20000", "--limit", "125", "--hold", "0.3", "--sizes", "208", "88", "32", "--echo", "3", "--every", "1000"]},
    # Going on from the weights in this repository, on a CPU. The tower stays as it is.
    "again": {"thinking": ["--steps", "2700", "--hold", "0.3", "--sizes", "60", "16", "18", "--echo", "3", "--keep", "60"],
              "instruct": ["--steps", "2400", "--hold", "0.3", "--sizes", "62", "20", "14", "--echo", "3", "--keep", "60"]},
}
START = {"base": "vision", "thinking": "base", "instruct": "base"}
VARIANTS = ["thinking", "instruct"]
TRAINED = ["vision", "base", *VARIANTS]
KEPT = ["base", *VARIANTS]


def python(script, *more):
    subprocess.run([sys.executable, str(HERE / script), *map(str, more)], check=True)


def training(a, stage, cores):
    """The command that trains a stage; cores are its options for how many it uses."""
    more = list(PLAN["again" if a.again else a.device][stage])
    if a.tiny:
        more[1] = "6"
        at = more.index("--sizes") + 1
        more[at:at + 3] = [str(min(int(n), 4)) for n in more[at:at + 3]]
        more += ["--eager", "--workers", "1"]
    if a.again:
        start = a.work / f"shipped-{stage}"
        python("shipped.py", stage, "--out", start)
        more += ["--start", start]
    elif stage in START:
        more += ["--start", a.work / START[stage]]
    if stage in FAVOUR:
        more += ["--favour", FAVOUR[stage]]
    return [sys.executable, HERE / "train.py", stage, "--out", a.work / stage, "--device", a.device, *cores, *more]


def train(a, stages):
    """Trains stages side by side, each with its share of the cores: two runs of one thread learn from a third more samples than one of two, and
    on a card the cores make samples for both."""
    share = max(1, (os.cpu_count() - 2 * (a.device == "cuda")) // len(stages))
    cores = ["--workers", share] if a.device == "cuda" else ["--threads", a.threads or share]
    runs = [subprocess.Popen(list(map(str, training(a, s, cores)))) for s in stages]
    try:
        failed = [s for s, r in zip(stages, runs) if r.wait()]
    finally:
        for r in runs:
            r.terminate()
    if failed:
        raise SystemExit(f"training of {' and '.join(failed)} failed")


def check(a):
    for variant in ("instruct", "thinking"):
        python("check.py", "--run", a.work / variant, "--model", f"qwen3-vl-{variant}")


def export(a):
    python("export.py", "--instruct", a.work / "instruct", "--thinking", a.work / "thinking", "--out", a.work / "weights")


def build(a, to):
    env = subprocess.run(["bash", "-c", 'eval "$(scripts/cgo-env.sh)"; env -0'], cwd=ROOT, check=True, capture_output=True).stdout.decode()
    subprocess.run(["go", "build", "-o", str(to), "./cmd/qwenvld"], cwd=ROOT, check=True, env=dict(e.split("=", 1) for e in env.split("\0") if e))


@contextlib.contextmanager
def served(a):
    """A daemon with the new weights, at a free port of this machine. Its address."""
    binary = a.work / "qwenvld"
    build(a, binary.resolve())
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    files = (a.work / "weights").resolve()
    models = [{"id": "qwen3-vl", **{v: {"model": str(files / f"{v}.gguf"), "projector": str(files / "projector.gguf")} for v in ("instruct", "thinking")}}]
    with (a.work / "daemon.log").open("w") as log:
        daemon = subprocess.Popen([str(binary.resolve()), "serve", "--listen", f"127.0.0.1:{port}", "--set", "models=" + json.dumps(models), *FILMS], stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(600):
                with contextlib.suppress(urllib.error.URLError, ConnectionError):
                    urllib.request.urlopen(url + "/health/ready", timeout=5)
                    break
                if daemon.poll() is not None:
                    raise SystemExit(f"the daemon ended: {a.work / 'daemon.log'}")
                time.sleep(0.2)
            yield url
        finally:
            daemon.terminate()
            daemon.wait(60)


def tables(a):
    with served(a) as url:
        python("tables.py", "--url", url, "--out", a.work / "tables", "--scale", a.scale, *(["--photos", a.photos] if a.photos else []))


def parts(a):
    out = subprocess.run([sys.executable, str(HERE / "parts.py"), "--run", str(a.work / "instruct"), "--out", str(a.work / "parts.json")], check=True,
                         capture_output=True, text=True).stdout
    (a.work / "parts.md").write_text(out)


def ship(a):
    for f in (a.work / "weights").glob("*.gguf"):
        shutil.copy(f, ROOT / "internal/demopair/weights" / f.name)
    build(a, (a.work / "qwenvld").resolve())


def router(a):
    with served(a) as url:
        python("routed.py", "--url", url, "--skills", "all", "--n", "40", "--outcomes", a.work / "outcomes.jsonl")
    weights = ROOT / "internal/demopair/router.weights"
    subprocess.run([str((a.work / "qwenvld").resolve()), "router", "calibrate", str(a.work / "outcomes.jsonl"), "-o", str(weights),
                    *(["--weights", str(weights)] if a.again else [])], check=True)


def examples(a):
    with served(a) as url:
        python("examples.py", "--instruct", a.work / "instruct", "--thinking", a.work / "thinking", "--url", url)


def video(a):
    with served(a) as url:
        python("check_video.py", "--url", url, "--n", "60")
        python("check_video.py", "--url", url, "--example")


LATER = {f.__name__: f for f in (check, export, tables, parts, ship, router, examples, video)}
STAGES = [*TRAINED, *LATER]


def pack(a, out):
    """The trained weights alone, in half precision, as the built-in files have them."""
    for run in KEPT:
        if not (a.work / run / "done").exists():
            print(f"{run} is not trained to its end and stays here", flush=True)
            continue
        state = torch.load(a.work / run / "checkpoint.pt", weights_only=False, map_location="cpu")
        to = out / run
        to.mkdir(parents=True, exist_ok=True)
        torch.save({"net": {k: v.half() for k, v in state["net"].items()}, "shape": state["shape"], "step": state["step"]}, to / "checkpoint.pt")
    logs = [f"== {s}\n" + (a.work / s / "log.jsonl").read_text() for s in TRAINED if (a.work / s / "log.jsonl").exists()]
    (out / "log.txt").write_text("\n".join(logs))


def unpack(a, source):
    for run in KEPT:
        if not (source / run / "checkpoint.pt").exists():
            continue  # it is trained here
        (a.work / run).mkdir(parents=True, exist_ok=True)
        shutil.copy(source / run / "checkpoint.pt", a.work / run / "checkpoint.pt")
        (a.work / run / "done").write_text("trained elsewhere\n")
    (a.work / "vision").mkdir(exist_ok=True)
    (a.work / "vision/done").write_text("trained elsewhere\n")


def marked(a, stage):
    """The file that says that a stage is done."""
    return a.work / stage / "done" if stage in TRAINED else a.work / f"{stage}.done"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("work"))
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="of each training on a CPU (its share of the cores)")
    parser.add_argument("--until", choices=STAGES, help="the last stage")
    parser.add_argument("--photos", type=pathlib.Path, help="folder of photographs that `tables` asks about, too")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the questions that `tables` asks")
    parser.add_argument("--again", action="store_true", help="start from the weights in this repository")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--pack", type=pathlib.Path, metavar="OUT", help="train alone, then put the weights there in half precision")
    parser.add_argument("--unpack", type=pathlib.Path, metavar="OUT", help="take the weights that --pack has put there as trained")
    a = parser.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONUNBUFFERED"] = "1"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what it has started ends with it
    if a.unpack:
        unpack(a, a.unpack)
    until = a.until or (TRAINED if a.pack else STAGES)[-1]
    todo = []
    for stage in STAGES[:STAGES.index(until) + 1]:
        if a.again and stage in TRAINED and stage not in VARIANTS:
            continue
        if marked(a, stage).exists():
            print(f"== {stage}: done before", flush=True)
        else:
            todo.append(stage)
    while todo:
        now = [s for s in todo if s in VARIANTS] if todo[0] in VARIANTS else todo[:1]
        todo, began = [s for s in todo if s not in now], time.time()
        print(f"== {' and '.join(now)}", flush=True)
        train(a, now) if now[0] in TRAINED else LATER[now[0]](a)
        took = f"{time.time() - began:.0f} s"
        print(f"== {' and '.join(now)}: {took}", flush=True)
        if now[0] not in TRAINED:
            marked(a, now[0]).write_text(took + "\n")
    if a.pack:
        pack(a, a.pack)


if __name__ == "__main__":
    main()
