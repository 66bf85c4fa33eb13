"""Haystack and pydantic-ai against a running daemon."""
import asyncio
import os

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

from haystack.components.generators.chat import OpenAIChatGenerator, OpenAIResponsesChatGenerator
from haystack.dataclasses import ChatMessage, ImageContent
from haystack.tools import create_tool_from_function
from haystack.utils import Secret
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, NativeOutput, ToolOutput
from pydantic_ai.messages import ThinkingPart
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from cases import INSTRUCT, ROOT, THINKING, URL, Suite, check

suite = Suite("Haystack")
SUM, NUMBER = "What is the sum of the numbers?", "What is the number in the picture?"


class Answer(BaseModel):
    sum: int


def calculator(expression: str) -> str:
    """Evaluates an arithmetic expression."""
    return "336020"


def haystack(model, streaming=None, kind=OpenAIChatGenerator, **more):
    return kind(api_key=Secret.from_token("none"), api_base_url=URL + "/v1", model=model, max_retries=0, streaming_callback=streaming, generation_kwargs=more)


def seen(name, text):
    return [ChatMessage.from_user(content_parts=[ImageContent.from_file_path(str(ROOT / "examples" / f"{name}.png")), text])]


@suite.case("text")
def _():
    r = haystack(INSTRUCT).run([ChatMessage.from_system("You are helpful."), ChatMessage.from_user("Hello, who are you?")])["replies"][0]
    check(r.text and r.meta["finish_reason"] == "stop", r)


@suite.case("stream")
def _():
    parts = []
    r = haystack(INSTRUCT, streaming=lambda c: parts.append(c.content)).run([ChatMessage.from_user("Hello, who are you?")])["replies"][0]
    check(r.text and "".join(p or "" for p in parts) == r.text, parts, r)


@suite.case("image")
def _():
    check("720" in haystack(INSTRUCT, temperature=0).run(seen("number", NUMBER))["replies"][0].text)


@suite.case("tools: required, called, answered")
def _():
    tool = create_tool_from_function(calculator)
    ask = [ChatMessage.from_user("How much is 530 * 634?")]
    called = haystack(INSTRUCT, tool_choice="required").run(ask, tools=[tool])["replies"][0]
    call = called.tool_calls[0]
    check(call.tool_name == "calculator" and call.arguments["expression"], called)
    result = ChatMessage.from_tool(tool.invoke(**call.arguments), origin=call)
    check(haystack(INSTRUCT, tool_choice="none").run([*ask, called, result], tools=[tool])["replies"][0].text)


@suite.case("structured output")
def _():
    for kind, member in ((OpenAIChatGenerator, "response_format"), (OpenAIResponsesChatGenerator, "text_format")):
        r = haystack(INSTRUCT, kind=kind, **{member: Answer}).run([ChatMessage.from_user("How much is 3 + 4?")])["replies"][0]
        Answer.model_validate_json(r.text)


@suite.case("reasoning (Responses)")
def _():
    r = haystack(THINKING, kind=OpenAIResponsesChatGenerator, reasoning={"summary": "auto"}).run(seen("sum", SUM))["replies"][0]
    check("+" in r.reasoning.reasoning_text and "132" in r.text, r)


def shown(name, text):
    return [BinaryContent((ROOT / "examples" / f"{name}.png").read_bytes(), media_type="image/png"), text]


def thoughts(result):
    return "".join(p.content for m in result.all_messages() for p in m.parts if isinstance(p, ThinkingPart))


BRIEF = {"temperature": 0, "max_tokens": 400}
OPENAI = OpenAIProvider(base_url=URL + "/v1", api_key="none")
for name, model in (
    ("pydantic-ai (chat)", lambda id: OpenAIChatModel(id, provider=OPENAI)),
    ("pydantic-ai (Responses)", lambda id: OpenAIResponsesModel(id, provider=OPENAI)),
    ("pydantic-ai (Anthropic)", lambda id: AnthropicModel(id, provider=AnthropicProvider(base_url=URL, api_key="none"))),
):
    suite.client = name

    @suite.case("text")
    def _():
        r = Agent(model(INSTRUCT), system_prompt="You are helpful.", instructions="Answer briefly.").run_sync("Hello, who are you?")
        check(r.output and r.usage.input_tokens > 0, r)

    @suite.case("stream")
    def _():
        async def run():
            async with Agent(model(INSTRUCT)).run_stream("Hello, who are you?") as s:
                return "".join([t async for t in s.stream_text(delta=True)])
        check(asyncio.run(run()))

    @suite.case("image")
    def _():
        check("720" in Agent(model(INSTRUCT), model_settings={"temperature": 0}).run_sync(shown("number", NUMBER)).output)

    @suite.case("tools")
    def _():
        asked = []

        def calculator(expression: str) -> str:
            """A calculator."""
            asked.append(expression)
            return "336020"
        r = Agent(model(INSTRUCT), tools=[calculator], model_settings=BRIEF).run_sync("How much is 530 * 634?")
        check(asked and r.output, asked, r)

    @suite.case("answer as a forced tool call")
    def _():
        r = Agent(model(INSTRUCT), output_type=ToolOutput(Answer), model_settings=BRIEF).run_sync("How much is 3 + 4?")
        check(isinstance(r.output.sum, int), r)

    if "Anthropic" not in name:
        @suite.case("structured output")
        def _():
            r = Agent(model(INSTRUCT), output_type=NativeOutput(Answer)).run_sync("How much is 3 + 4?")
            check(isinstance(r.output.sum, int), r)

    @suite.case("reasoning")
    def _():
        settings = {"openai_reasoning_summary": "auto", "anthropic_thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}
        r = Agent(model(THINKING), model_settings=settings).run_sync(shown("sum", SUM))
        check("132" in r.output and "+" in thoughts(r), r.output, thoughts(r))


suite.end()
