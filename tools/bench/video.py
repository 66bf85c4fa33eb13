#!/usr/bin/env python3
"""Times a video's way to the first token through qwenvld and through llama-server, turn by turn, and prints medians and their ratio.

  ffmpeg -f lavfi -i testsrc2=size=1920x1080:rate=30:duration=30 -c:v libx264 -preset veryfast -pix_fmt yuv420p film.mp4
  python tools/bench/video.py film.mp4 --qwenvld http://127.0.0.1:8080 --llama http://127.0.0.1:8081 [--runs 5] [--fps 4] [--max-pixels N]

Both must serve the same GGUF files. llama-server takes 4 frames a second whatever is asked for, so that is the default here too. Every run
asks another question before the video, so that neither answers from its cache.
"""
import argparse
import base64
import json
import pathlib
import statistics
import time
import urllib.request


def first_token(url, body):
    """Seconds until the first text, and the usage that the stream ends with."""
    request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    start, first, usage = time.monotonic(), None, {}
    with urllib.request.urlopen(request, timeout=600) as stream:
        for line in stream:
            if not line.startswith(b"data: {"):
                continue
            chunk = json.loads(line[6:])
            usage = chunk.get("usage") or usage
            for choice in chunk.get("choices", []):
                delta = choice["delta"]
                if first is None and (delta.get("content") or delta.get("reasoning_content")):
                    first = time.monotonic() - start
    return first, usage


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--qwenvld", default="http://127.0.0.1:8080")
    parser.add_argument("--llama", default="http://127.0.0.1:8081")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--fps", type=float, default=4)
    parser.add_argument("--max-pixels", type=int)
    a = parser.parse_args()
    data = base64.b64encode(a.file.read_bytes()).decode()
    options = {"fps": a.fps} | ({"max_pixels": a.max_pixels} if a.max_pixels else {})
    videos = {
        "qwenvld": (a.qwenvld, "qwen3-vl-instruct", {"type": "input_video", "input_video": {"data": data}, **options}),
        "llama-server": (a.llama, "any", {"type": "input_video", "input_video": {"data": data}}),
    }
    times, tokens = {name: [] for name in videos}, {}
    for run in range(a.runs + 1):
        for name, (url, model, video) in videos.items():
            body = {"model": model, "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 4, "temperature": 0,
                    "messages": [{"role": "user", "content": [{"type": "text", "text": f"Question {time.time_ns()}:"}, video,
                                                              {"type": "text", "text": "What is seen?"}]}]}
            seconds, usage = first_token(url, body)
            if run > 0:  # the first one warms up
                times[name].append(seconds)
            tokens[name] = usage.get("prompt_tokens")
            print(f"{name} {run}: {seconds:.2f} s, {tokens[name]} tokens", flush=True)
    ours, theirs = (statistics.median(times[name]) for name in videos)
    print(f"median: qwenvld {ours:.2f} s, llama-server {theirs:.2f} s, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
