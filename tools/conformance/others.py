"""Anthropic's SDK, LangChain and LiteLLM against a running daemon with the built-in pair."""
import anthropic
import litellm
import pydantic
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from cases import CALCULATOR, INSTRUCT, THINKING, URL, Suite, check, example, picture

suite = Suite("anthropic-python")
claude = anthropic.Anthropic(base_url=URL, api_key="none", max_retries=0)
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": picture("sum").partition(",")[2]}}
ASK = [{"role": "user", "content": [IMAGE, {"type": "text", "text": "What is the sum of the numbers?"}]}]


@suite.case("messages: image, thinking, stream")
def _():
    with claude.messages.stream(model=THINKING, max_tokens=300, messages=ASK, extra_body={"temperature": 0}) as s:
        for _ in s:
            pass
        m = s.get_final_message()
    check([b.type for b in m.content] == ["thinking", "text"] and "132" in m.content[1].text, m)


@suite.case("messages: forced tool, count_tokens")
def _():
    m = claude.messages.create(model=INSTRUCT, max_tokens=100, messages=[{"role": "user", "content": "What is 530 * 634?"}], tool_choice={"type": "any"},
                               tools=[{"name": "calculator", "description": CALCULATOR["description"], "input_schema": CALCULATOR["parameters"]}])
    check(m.stop_reason == "tool_use" and m.content[0].input["expression"], m)
    check(claude.messages.count_tokens(model=INSTRUCT, messages=ASK).input_tokens > 10)


@suite.case("tool runner")
def _():
    seen = []

    @anthropic.beta_tool
    def calculator(expression: str) -> str:
        """Evaluates an arithmetic expression.

        Args:
            expression: What to evaluate.
        """
        seen.append(expression)
        return "336020"

    for stream in (False, True):
        seen.clear()
        runner = claude.beta.messages.tool_runner(model=INSTRUCT, max_tokens=100, max_iterations=3, extra_body={"temperature": 0}, tools=[calculator], stream=stream,
                                                  messages=[{"role": "user", "content": "How much is 530 * 634?"}])
        check(runner.until_done().content and seen, stream)


@suite.case("structured output")
def _():
    class Answer(pydantic.BaseModel):
        sum: int

    m = claude.messages.parse(model=INSTRUCT, max_tokens=100, messages=[{"role": "user", "content": "How much is 3 + 4?"}], output_format=Answer)
    check(isinstance(m.parsed_output.sum, int), m)


suite.client = "LangChain"


@tool
def calculator(expression: str) -> str:
    """Evaluates an arithmetic expression."""
    return expression


@suite.case("ChatOpenAI: invoke, stream, tools, image")
def _():
    llm = ChatOpenAI(base_url=URL + "/v1", api_key="none", model=INSTRUCT, temperature=0, max_retries=0)
    check(llm.invoke("Hello").content)
    check("".join(c.content for c in llm.stream("Hello")))
    check(llm.bind_tools([calculator], tool_choice="calculator").invoke("What is 530 * 634?").tool_calls[0]["args"]["expression"])
    check("720" in llm.invoke([HumanMessage(content=example("number")[0]["content"])]).content)


@suite.case("ChatOpenAI over the Responses API")
def _():
    llm = ChatOpenAI(base_url=URL + "/v1", api_key="none", model=THINKING, use_responses_api=True, max_retries=0)
    check(llm.invoke("What is 3 + 4?").text)


suite.client = "LiteLLM"


@suite.case("completion, stream")
def _():
    how = dict(model="openai/" + INSTRUCT, api_base=URL + "/v1", api_key="none", messages=example("number"), temperature=0, num_retries=0)
    check("720" in litellm.completion(**how).choices[0].message.content)
    check("720" in "".join(c.choices[0].delta.content or "" for c in litellm.completion(**how, stream=True)))


suite.end()
