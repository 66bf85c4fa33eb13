"""The built-in pair in llama-server, asked through a daemon that has it as its upstream. Standard library only."""
import json
import os
import time
import urllib.error
import urllib.request

from cases import CALCULATOR, INSTRUCT, ROOT, THINKING, URL, Suite, check, example

suite = Suite("llama-server as upstream")
EXAMPLES = json.loads((ROOT / "internal/demopair/examples.json").read_text())


def post(path, body, url=URL):
    req = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return urllib.request.urlopen(req, timeout=120)


def ask(model, messages, **more):
    with post("/v1/chat/completions", {"model": model, "messages": messages, "temperature": 0, **more}) as r:
        return json.load(r)["choices"][0]


def user(text):
    return [{"role": "user", "content": text}]


@suite.case("text, with thoughts apart and counted")
def _():
    m = ask(INSTRUCT, user("What is 3 + 4?"))
    check(m["message"]["content"] == "3 + 4 = 7", m)
    m = ask(THINKING, user("What is 7 + 8?"), max_tokens=200)
    check("15" in m["message"]["content"] and "15" in m["message"]["reasoning_content"], m)


@suite.case("a picture")
def _():
    # Its tower is not transformers', so not every picture looks the same to the pair.
    told = {e["skill"]: e["answer"] for e in EXAMPLES if e["skill"] in ("colour", "shape", "number", "word", "compare")}
    right = sum(ask(INSTRUCT, example(name))["message"]["content"] == answer for name, answer in told.items())
    check(right >= 3, right, len(told))


@suite.case("a video, as stamped pictures")
def _():
    m = ask(INSTRUCT, example("video"))
    check(m["message"]["content"], m)


@suite.case("a stream with usage")
def _():
    text, usage = "", None
    with post("/v1/chat/completions", {"model": INSTRUCT, "messages": user("What is 3 + 4?"), "temperature": 0, "stream": True,
                                       "stream_options": {"include_usage": True}}) as r:
        for line in r:
            if line.startswith(b"data: {"):
                chunk = json.loads(line[6:])
                usage = chunk.get("usage") or usage
                text += "".join(c["delta"].get("content") or "" for c in chunk["choices"])
    check(text == "3 + 4 = 7" and usage["completion_tokens"] > 5 and usage["prompt_tokens"] > 10, text, usage)


@suite.case("tools: called, required")
def _():
    m = ask(INSTRUCT, example("tool"), tools=[{"type": "function", "function": CALCULATOR}])
    check(m["finish_reason"] == "tool_calls" and json.loads(m["message"]["tool_calls"][0]["function"]["arguments"])["expression"], m)
    m = ask(INSTRUCT, user("Hello"), tools=[{"type": "function", "function": CALCULATOR}], tool_choice="required")
    check(m["message"]["tool_calls"][0]["function"]["name"] == "calculator", m)


@suite.case("a schema, choices")
def _():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
    m = ask(INSTRUCT, user("Tell me a joke."), response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}, max_tokens=60)
    check(m["finish_reason"] == "length" or isinstance(json.loads(m["message"]["content"])["a"], int), m)
    m = ask(INSTRUCT, user("Hello"), structured_outputs={"choice": ["yes", "no"]})
    check(m["message"]["content"] in ("yes", "no"), m)


@suite.case("a budget ends the thoughts, none leaves them out")
def _():
    m = ask(THINKING, user("What is 7 + 8?"), max_tokens=200, thinking_budget=3)
    check("limited time" in m["message"]["reasoning_content"] and m["message"]["content"], m)
    m = ask(THINKING, user("What is 7 + 8?"), max_tokens=200, reasoning_effort="none")
    check(m["message"]["content"] and not m["message"].get("reasoning_content"), m)


@suite.case("an answer that has begun goes on, without its beginning")
def _():
    m = ask(INSTRUCT, user("What is 3 + 4?") + [{"role": "assistant", "content": "3 + 4"}])
    check(m["message"]["content"] == " = 7", m)


@suite.case("stop strings, log-probabilities, seeds")
def _():
    m = ask(INSTRUCT, user("What is 3 + 4?"), stop="=", logprobs=True, top_logprobs=2)
    check(m["message"]["content"] == "3 + 4 " and len(m["logprobs"]["content"][0]["top_logprobs"]) == 2, m)
    one, two = (ask(INSTRUCT, user("Hello"), temperature=1, seed=5)["message"]["content"] for _ in range(2))
    check(one == two, one, two)


@suite.case("a text, tokens, a count")
def _():
    with post("/v1/completions", {"model": INSTRUCT, "prompt": "<|im_start|>user\nWhat is 3 + 4?<|im_end|>\n<|im_start|>assistant\n",
                                  "max_tokens": 20, "temperature": 0}) as r:
        check(json.load(r)["choices"][0]["text"] == "3 + 4 = 7")
    with post("/tokenize", {"content": "What is 3 + 4?"}) as r:
        tokens = json.load(r)["tokens"]
    with post("/detokenize", {"tokens": tokens}) as r:
        check(json.load(r)["content"] == "What is 3 + 4?", tokens)


@suite.case("refused by name: a pattern, a prompt that does not fit")
def _():
    for body, code in (({"structured_outputs": {"regex": "a+"}}, "unsupported_parameter"), ({"messages": user("many words " * 5000)}, "context_length_exceeded")):
        try:
            post("/v1/chat/completions", {"model": INSTRUCT, "messages": user("hi"), **body}).close()
            check(False, "it was answered", code)
        except urllib.error.HTTPError as e:
            check(e.code == 400 and json.load(e)["error"]["code"] == code, e.code)


@suite.case("a client that leaves ends the answer there")
def _():
    r = post("/v1/chat/completions", {"model": INSTRUCT, "messages": user("go on"), "stream": True, "max_tokens": 3000, "logit_bias": {"1510": -100, "1512": -100}})
    while b"content\":\"" not in r.readline():
        pass
    r.close()
    for _ in range(200):
        with urllib.request.urlopen(os.environ["CONFORMANCE_RIVAL_URL"] + "/slots") as slots:
            if not any(s["is_processing"] for s in json.load(slots)):
                return
        time.sleep(0.1)
    check(False, "it goes on")


suite.end()
