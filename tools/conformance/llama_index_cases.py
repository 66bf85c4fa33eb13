"""LlamaIndex's client of OpenAI-compatible servers against a running daemon. It needs an older openai package than the others."""
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ThinkingBlock
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

from cases import INSTRUCT, ROOT, THINKING, URL, Suite, check

suite = Suite("LlamaIndex")


def llm(model, **more):
    return OpenAILike(model=model, api_base=URL + "/v1", api_key="none", is_chat_model=True, is_function_calling_model=True, temperature=0, max_retries=0, **more)


def ask(picture, text):
    return [ChatMessage(role="user", blocks=[ImageBlock(image=(ROOT / "examples" / f"{picture}.png").read_bytes()), TextBlock(text=text)])]


@suite.case("text")
def _():
    check(llm(INSTRUCT).chat([ChatMessage(role="system", content="You are helpful."), ChatMessage(role="user", content="Hello, who are you?")]).message.content)
    check(llm(INSTRUCT).complete("Hello, who are you?").text)


@suite.case("stream")
def _():
    check("".join(r.delta or "" for r in llm(INSTRUCT).stream_chat([ChatMessage(role="user", content="Hello, who are you?")])))


@suite.case("image")
def _():
    r = llm(INSTRUCT).chat(ask("number", "What is the number in the picture?"))
    check("720" in r.message.content, r)


@suite.case("tools: required, called, answered")
def _():
    seen = []

    def calculator(expression: str) -> str:
        """Evaluates an arithmetic expression."""
        seen.append(expression)
        return "336020"

    r = llm(INSTRUCT).predict_and_call([FunctionTool.from_defaults(calculator)], "How much is 530 * 634?", tool_required=True)
    check(seen and "336020" in str(r), r)


@suite.case("structured output")
def _():
    class Answer(BaseModel):
        sum: int

    for llm_ in (llm(INSTRUCT, should_use_structured_outputs=True), llm(INSTRUCT)):
        r = llm_.as_structured_llm(Answer).chat([ChatMessage(role="user", content="How much is 3 + 4?")])
        check(isinstance(r.raw, Answer), r)


@suite.case("reasoning")
def _():
    thought, last = "", None
    for last in llm(THINKING).stream_chat(ask("sum", "What is the sum of the numbers?")):
        thought += last.additional_kwargs.get("thinking_delta") or ""
    check("+" in thought and "132" in last.message.content, thought, last)
    check(any(isinstance(b, ThinkingBlock) and "+" in b.content for b in last.message.blocks), last)


suite.end()
