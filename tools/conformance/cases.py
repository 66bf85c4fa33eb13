"""What the suites share: the pictures with known answers, and how results are told."""
import base64
import json
import os
import pathlib
import sys
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
URL = os.environ.get("CONFORMANCE_URL", "http://127.0.0.1:8080")
INSTRUCT, THINKING, ROUTED = "qwen3-vl-instruct", "qwen3-vl-thinking", "qwen3-vl"
CALCULATOR = {"name": "calculator", "description": "Evaluates an arithmetic expression.",
              "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"], "additionalProperties": False}}


def example(name):
    """The messages of examples/NAME.json, whose answers the tests of the daemon know."""
    return json.loads((ROOT / "examples" / f"{name}.json").read_text())["messages"]


def picture(name):
    return "data:image/png;base64," + base64.b64encode((ROOT / "examples" / f"{name}.png").read_bytes()).decode()


class Suite:
    """Runs cases and prints a row of the table for each."""

    def __init__(self, client):
        self.client, self.failed = client, 0

    def case(self, name):
        def run(f):
            try:
                f()
                print(f"| {self.client} | {name} | pass |", flush=True)
            except Exception as e:  # a case must not end the others
                self.failed += 1
                print(f"| {self.client} | {name} | FAIL: {type(e).__name__}: {str(e)[:150]!r} |", flush=True)
                traceback.print_exc(limit=3, file=sys.stderr)
        return run

    def end(self):
        sys.exit(1 if self.failed else 0)


def check(ok, *what):
    if not ok:
        raise AssertionError(repr(what))
