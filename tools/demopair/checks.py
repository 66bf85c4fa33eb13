"""Says whether an answer is right. A check is the dict that questions.py gives beside each answer."""
import json
import re


def mentions(text, among):
    """The names of `among` that the text holds, the longest taken first so that "top left" is not also "top" and "left"."""
    found, text = set(), text.lower()
    for name in sorted(among, key=len, reverse=True):
        pattern = re.escape(name.lower())
        if name.isascii():
            pattern = rf"\b{pattern}\b"
        text, n = re.subn(pattern, " ", text)
        if n:
            found.add(name)
    return found


def right(check, text, calls=()):
    kind, expect = check["kind"], check.get("expect")
    if kind == "choice":
        return mentions(text, check["among"]) == {expect}
    if kind == "number":
        numbers = re.findall(r"-?\d+", text.split("=")[-1])
        return bool(numbers) and int(numbers[-1]) == expect
    if kind == "time":
        numbers = re.findall(r"\d+(?:\.\d+)?", text)
        return bool(numbers) and abs(float(numbers[-1]) - expect) <= check["within"]
    if kind == "all":
        return all(e.lower() in text.lower() for e in expect)
    if kind == "json":
        try:
            items = json.loads(text)
        except ValueError:
            return False
        return isinstance(items, list) and sorted(map(json.dumps, items)) == sorted(map(json.dumps, expect))
    if kind == "call":
        return len(calls) == 1 and calls[0]["name"] == "calculator" and json.loads(calls[0]["arguments"]).get("expression") == expect
    raise ValueError(kind)
