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


def overlap(a, b):
    """Intersection over union of two boxes."""
    across = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = sum(max(0, c[2] - c[0]) * max(0, c[3] - c[1]) for c in (a, b)) - across
    return across / area if area else 0.0


def places(text, key, n):
    """The coordinates of each place that the answer names, None where it is not a list of places in the right form."""
    try:
        items = json.loads(text)
    except ValueError:
        return None
    items = items if isinstance(items, list) else [items]
    found = [i.get(key) if isinstance(i, dict) else None for i in items]
    fits = all(isinstance(f, list) and len(f) == n and all(isinstance(v, (int, float)) for v in f) for f in found)
    return found if fits else None


def right_boxes(expect, text, least=0.7):
    """Whether each thing, and nothing else, is boxed with at least that overlap."""
    found = places(text, "bbox_2d", 4)
    if found is None or len(found) != len(expect):
        return False
    left = list(found)
    for item in expect:
        best = max(left, key=lambda f: overlap(f, item["bbox_2d"]))
        if overlap(best, item["bbox_2d"]) < least:
            return False
        left.remove(best)
    return True


def right_point(check, text):
    """Whether the point lies in the middle half of the thing's box."""
    found = places(text, "point_2d", 2)
    if found is None or len(found) != 1:
        return False
    x1, y1, x2, y2 = check["box"]
    x, y = found[0]
    return abs(x - (x1 + x2) / 2) <= (x2 - x1) / 4 and abs(y - (y1 + y2) / 2) <= (y2 - y1) / 4


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
    if kind == "boxes":
        return right_boxes(expect, text)
    if kind == "point":
        return right_point(check, text)
    if kind == "call":
        return len(calls) == 1 and calls[0]["name"] == "calculator" and json.loads(calls[0]["arguments"]).get("expression") == expect
    raise ValueError(kind)
