"""openai-python against a running daemon with the built-in pair."""
import json

import openai
from pydantic import BaseModel

from cases import CALCULATOR, INSTRUCT, ROUTED, THINKING, URL, Suite, check, example, picture

client = openai.OpenAI(base_url=URL + "/v1", api_key="none", max_retries=0)
suite = Suite("openai-python")
SUM = [{"role": "user", "content": [{"type": "input_image", "image_url": picture("sum"), "detail": "auto"},
                                    {"type": "input_text", "text": "What is the sum of the numbers?"}]}]


class Shapes(BaseModel):
    shapes: list[str]


@suite.case("models: list and retrieve")
def _():
    ids = [m.id for m in client.models.list()]
    check({ROUTED, INSTRUCT, THINKING} <= set(ids), ids)
    check(client.models.retrieve(ROUTED).id == ROUTED)


@suite.case("chat: text, image, usage")
def _():
    r = client.chat.completions.create(model=INSTRUCT, messages=example("number"), temperature=0)
    check("720" in r.choices[0].message.content and r.choices[0].finish_reason == "stop" and r.usage.prompt_tokens_details.image_tokens > 0, r)


@suite.case("chat: stream with reasoning and usage")
def _():
    thought, said, usage = "", "", None
    for c in client.chat.completions.create(model=THINKING, messages=example("sum"), temperature=0, stream=True, stream_options={"include_usage": True}):
        usage = c.usage or usage
        for choice in c.choices:
            thought += getattr(choice.delta, "reasoning_content", None) or ""
            said += choice.delta.content or ""
    check("+" in thought and "132" in said and usage.completion_tokens_details.reasoning_tokens > 0, thought, said, usage)


@suite.case("chat: the stream helper")
def _():
    with client.chat.completions.stream(model=INSTRUCT, messages=example("colour"), temperature=0) as s:
        for _ in s:
            pass
        check(s.get_final_completion().choices[0].message.content)


@suite.case("chat: required and named tool, streamed tool")
def _():
    tools = [{"type": "function", "function": CALCULATOR}]
    for choice in ("required", {"type": "function", "function": {"name": "calculator"}}):
        r = client.chat.completions.create(model=INSTRUCT, messages=example("tool"), tools=tools, tool_choice=choice, temperature=0)
        call = r.choices[0].message.tool_calls[0]
        check("expression" in json.loads(call.function.arguments) and r.choices[0].finish_reason == "tool_calls", r)
    with client.chat.completions.stream(model=INSTRUCT, messages=example("tool"), tools=tools, tool_choice="required", temperature=0) as s:
        for _ in s:
            pass
        m = s.get_final_completion().choices[0].message
        check(json.loads(m.tool_calls[0].function.arguments)["expression"], m)


@suite.case("chat: a tool's result goes back")
def _():
    messages = example("tool")
    tools = [{"type": "function", "function": CALCULATOR}]
    m = client.chat.completions.create(model=INSTRUCT, messages=messages, tools=tools, temperature=0).choices[0].message
    messages += [m, {"role": "tool", "tool_call_id": m.tool_calls[0].id, "content": "336020"}]
    check(client.chat.completions.create(model=INSTRUCT, messages=messages, tools=tools, temperature=0).choices[0].message.content)


@suite.case("chat: parse into a Pydantic model")
def _():
    r = client.chat.completions.parse(model=INSTRUCT, messages=example("describe"), response_format=Shapes, temperature=0, max_tokens=200)
    check(isinstance(r.choices[0].message.parsed, Shapes), r)


@suite.case("chat: log-probabilities, n, seed, stop, logit_bias")
def _():
    r = client.chat.completions.create(model=INSTRUCT, messages=example("colour"), n=2, seed=1, stop=["."], logprobs=True, top_logprobs=3, logit_bias={"5": -1})
    check(len(r.choices) == 2 and len(r.choices[0].logprobs.content[0].top_logprobs) == 3 and "." not in r.choices[0].message.content, r)


@suite.case("chat: reasoning_effort picks the weights")
def _():
    for effort, model in (("none", INSTRUCT), ("high", THINKING)):
        check(client.chat.completions.create(model=ROUTED, messages=example("sum"), reasoning_effort=effort).model == model, effort)


@suite.case("chat: max_completion_tokens ends in length")
def _():
    r = client.chat.completions.create(model=INSTRUCT, messages=example("describe"), max_completion_tokens=3)
    check(r.choices[0].finish_reason == "length" and r.usage.completion_tokens == 3, r)


@suite.case("errors have their class and name the field")
def _():
    for error, param, more in ((openai.BadRequestError, "temperature", {"temperature": 9}), (openai.NotFoundError, "model", {"model": "other"})):
        try:
            client.chat.completions.create(**{"model": INSTRUCT, "messages": example("colour"), **more})
            check(False, "accepted")
        except error as e:
            check(e.param == param, e)


@suite.case("completions")
def _():
    check(client.completions.create(model=INSTRUCT, prompt="hello", max_tokens=4).choices[0].text is not None)


@suite.case("responses: image, reasoning, text")
def _():
    r = client.responses.create(model=THINKING, input=SUM, temperature=0)
    check([o.type for o in r.output] == ["reasoning", "message"] and "132" in r.output_text and r.usage.output_tokens_details.reasoning_tokens > 0, r)


@suite.case("responses: the stream helper")
def _():
    with client.responses.stream(model=THINKING, input=SUM, temperature=0) as s:
        kinds = {e.type for e in s}
        check("132" in s.get_final_response().output_text and "response.reasoning_text.delta" in kinds, kinds)


@suite.case("responses: previous_response_id, retrieve, input items, delete")
def _():
    first = client.responses.create(model=INSTRUCT, input="Hello")
    second = client.responses.create(model=INSTRUCT, input="Who are you?", previous_response_id=first.id)
    check(second.usage.input_tokens > first.usage.input_tokens, second)
    check(client.responses.retrieve(first.id).output_text == first.output_text)
    check(len(list(client.responses.input_items.list(second.id))) == 1)
    client.responses.delete(first.id)
    try:
        client.responses.retrieve(first.id)
        check(False, "still there")
    except openai.NotFoundError:
        pass


@suite.case("responses: background, read on, cancel")
def _():
    got, seen = None, -1
    stream = client.responses.create(model=THINKING, input=SUM, background=True, stream=True, temperature=0)
    for e in stream:
        seen, got = e.sequence_number, getattr(e, "response", got)
        if seen > 8:
            break
    stream.close()
    rest = list(client.responses.retrieve(got.id, stream=True, starting_after=seen))
    check(rest[0].sequence_number == seen + 1 and "132" in rest[-1].response.output_text, rest)
    queued = client.responses.create(model=THINKING, input=SUM, background=True)
    check(client.responses.cancel(queued.id).status in ("cancelled", "completed"))


@suite.case("responses: parse, strict tool")
def _():
    r = client.responses.parse(model=INSTRUCT, text_format=Shapes, max_output_tokens=200, temperature=0, input=[{"role": "user", "content": [
        {"type": "input_image", "image_url": picture("describe"), "detail": "auto"}, {"type": "input_text", "text": "List the shapes as JSON."}]}])
    check(isinstance(r.output_parsed, Shapes), r)
    r = client.responses.create(model=INSTRUCT, input="What is 530 * 634?", tool_choice="required", tools=[{"type": "function", "strict": True, **CALCULATOR}])
    check(r.output[0].type == "function_call" and "expression" in json.loads(r.output[0].arguments), r)


@suite.case("responses: input tokens")
def _():
    check(client.responses.input_tokens.count(model=ROUTED, input=SUM).input_tokens > 10)


@suite.case("embeddings are refused clearly")
def _():
    try:
        client.embeddings.create(model=ROUTED, input="x")
        check(False, "accepted")
    except openai.BadRequestError as e:
        check("embedding" in e.message, e)


suite.end()
