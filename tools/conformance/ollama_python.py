"""Ollama's client for Python against a running daemon with the built-in pair."""
import asyncio
import json

import ollama

from cases import CALCULATOR, INSTRUCT, ROUTED, ROOT, THINKING, URL, Suite, check, example

client = ollama.Client(host=URL)
suite = Suite("ollama-python")
EXACT = {"temperature": 0}
CALCULATOR_TOOL = {"type": "function", "function": CALCULATOR}


def shown(name):
    """The messages of examples/NAME.json in Ollama's form, with pictures beside the text."""
    out = []
    for m in example(name):
        parts = m["content"] if isinstance(m["content"], list) else [{"type": "text", "text": m["content"]}]
        text = "\n".join(p["text"] for p in parts if p["type"] == "text")
        pictures = [p["image_url"]["url"].split(",", 1)[1] for p in parts if p["type"] == "image_url"]
        out.append({"role": m["role"], "content": text, **({"images": pictures} if pictures else {})})
    return out


def timed(r):
    """Whether the last message says what the answer took."""
    return (r.done and r.done_reason == "stop" and r.total_duration > 0 and r.prompt_eval_count > 0 and r.eval_count > 0
            and 0 < r.prompt_eval_duration <= r.total_duration and r.eval_duration >= 0 and r.load_duration == 0)


@suite.case("models: list, show, one that does not exist")
def _():
    names = [m.model for m in client.list().models]
    check({ROUTED, INSTRUCT, THINKING} <= set(names), names)
    shown = client.show(ROUTED)
    check({"completion", "vision", "tools", "thinking"} <= set(shown.capabilities), shown)
    family = shown.modelinfo["general.architecture"]
    check(shown.modelinfo[family + ".context_length"] > 0, shown)
    for ask in (client.show, lambda m: client.chat(m, [{"role": "user", "content": "hi"}])):
        try:
            ask("no-such-model")
            check(False, "accepted")
        except ollama.ResponseError as e:
            check(e.status_code == 404 and "no-such-model" in e.error, e)


@suite.case("chat: text, usage and durations, options")
def _():
    r = client.chat(INSTRUCT, [{"role": "user", "content": "Hello"}], options={**EXACT, "num_predict": 200, "num_ctx": 4096, "seed": 1})
    check(r.message.role == "assistant" and r.message.content and r.model == INSTRUCT and timed(r), r)
    r = client.chat(INSTRUCT, [{"role": "user", "content": "Hello"}], options={**EXACT, "num_predict": 1})
    check(r.done_reason == "length" and r.eval_count == 1, r)


@suite.case("chat: stream")
def _():
    parts = list(client.chat(INSTRUCT, [{"role": "user", "content": "Hello"}], options=EXACT, stream=True))
    whole = client.chat(INSTRUCT, [{"role": "user", "content": "Hello"}], options=EXACT)
    check("".join(p.message.content for p in parts) == whole.message.content and len(parts) > 1, parts)
    check(timed(parts[-1]) and not any(p.done for p in parts[:-1]), parts[-1])


@suite.case("chat: image as base64, bytes and path")
def _():
    messages = shown("number")
    path = ROOT / "examples" / "number.png"
    for picture in (messages[-1]["images"][0], path.read_bytes(), str(path)):
        messages[-1]["images"] = [picture]
        r = client.chat(INSTRUCT, messages, options=EXACT)
        check("720" in r.message.content, r)


@suite.case("chat: think on, off and how much; thoughts apart from the answer")
def _():
    r = client.chat(ROUTED, shown("sum"), think=True, options=EXACT)
    check(r.model == THINKING and r.message.thinking and "132" in r.message.content and "think>" not in r.message.content, r)
    thought, said = "", ""
    for p in client.chat(THINKING, shown("sum"), think="high", options=EXACT, stream=True):
        thought, said = thought + (p.message.thinking or ""), said + p.message.content
    check("+" in thought and "132" in said, thought, said)
    r = client.chat(ROUTED, [{"role": "user", "content": "Hello"}], think=False, options=EXACT)
    check(not r.message.thinking and r.message.content, r)


@suite.case("chat: tool call, its result, streamed tool call, a function as a tool")
def _():
    messages = shown("tool")
    r = client.chat(INSTRUCT, messages, tools=[CALCULATOR_TOOL], options={**EXACT, "repeat_penalty": 1, "presence_penalty": 0})
    call = r.message.tool_calls[0].function
    check(call.name == "calculator" and call.arguments["expression"], r)
    messages += [r.message, {"role": "tool", "tool_name": call.name, "content": "336020"}]
    r = client.chat(INSTRUCT, messages, tools=[CALCULATOR_TOOL], options=EXACT)
    check(r.message.content, r)
    parts = list(client.chat(INSTRUCT, shown("tool"), tools=[CALCULATOR_TOOL], stream=True,
                             options={**EXACT, "repeat_penalty": 1, "presence_penalty": 0}))
    calls = [c for p in parts for c in p.message.tool_calls or []]
    check(len(calls) == 1 and "expression" in calls[0].function.arguments, parts)

    def calculator(expression: str) -> str:
        """A calculator.

        Args:
            expression: what to compute
        """
        return expression

    r = client.chat(INSTRUCT, shown("tool"), tools=[calculator], options=EXACT)
    check(timed(r), r)


@suite.case("chat: format json and a schema")
def _():
    ask = {"messages": [{"role": "user", "content": "List the shapes as JSON.", "images": [ROOT / "examples" / "describe.png"]}],
           "options": {**EXACT, "num_predict": 100, "repeat_penalty": 1, "presence_penalty": 0}}
    # The pair knows lists only: bound to an object, it does not find the end.
    r = client.chat(INSTRUCT, format="json", **ask)
    check(r.message.content.startswith("{") and (r.done_reason == "length" or json.loads(r.message.content)), r)
    text = {"type": "string"}
    shape = {"type": "object", "properties": {"shape": text, "colour": text}, "required": ["shape", "colour"], "additionalProperties": False}
    r = client.chat(INSTRUCT, format={"type": "array", "items": shape}, **ask)
    check([s["colour"] for s in json.loads(r.message.content)] == ["orange", "brown", "yellow", "purple", "blue"], r)


@suite.case("chat: a faulty request is told in Ollama's form")
def _():
    for members in ({"options": {"temperature": 9}}, {"format": "xml"}, {"messages": [{"role": "user", "content": "x", "images": ["AAAA"]}]}):
        body = {"model": INSTRUCT, "messages": [{"role": "user", "content": "x"}], **members}
        r = client._client.post("/api/chat", json=body)
        check(r.status_code == 400 and r.json() == {"error": r.json()["error"], "request_id": r.headers["X-Request-Id"]}, r.text)


@suite.case("version, and a chat without messages, which loads a model")
def _():
    version = client._client.get("/api/version").json()["version"]
    check(all(part.isdigit() for part in version.split(".")), version)
    r = client.chat(ROUTED)
    check(r.done and r.done_reason == "load", r)


@suite.case("chat: the asynchronous client")
def _():
    async def said():
        text = ""
        async for p in await ollama.AsyncClient(host=URL).chat(INSTRUCT, [{"role": "user", "content": "Hello"}], options=EXACT, stream=True):
            text += p.message.content
        return text
    check(asyncio.run(said()))


suite.end()
