"""ComfyUI's emphasis: a text becomes segments with weights, and `embedding:NAME` in them is found.

    (x)        times 1.1, whatever is around it
    (x:1.3)    1.3, in place of any weight around it
    \\( \\)      the character itself

Square brackets, `AND`, `BREAK`, `#` and `<...>` mean nothing here.
"""

from __future__ import annotations

import math
import re

from inkbloom.core.errors import RequestError
from inkbloom.text.prompt.attention import MAX_DEPTH, Segment

_ROUND = 1.1
_BRACKET = re.compile(r"\\[()]|[()]")
_ESCAPED = re.compile(r"\\([()])")
_EMBEDDING = re.compile(r"(?<=\s)(?=embedding:)")
_NAME = re.compile(r"embedding:\s*([^\s<\[]+)")


def parse_comfy(text: str) -> tuple[Segment, ...]:
    """The segments of a text; neighbours of equal weight stay apart, as ComfyUI cuts them into tokens one by one.

    As in ComfyUI, a bracket without a partner is text, and a closing one takes the next opening one for its partner.
    `RequestError` for a weight that is not finite, and for more than `MAX_DEPTH` brackets in each other.
    """
    segments: list[Segment] = []
    _collect(text, 1.0, 0, segments)
    return tuple(segments) or (Segment(""),)


def split_embeddings(text: str) -> list[tuple[str | None, str]]:
    """The text cut at each `embedding:NAME`, as pairs of the name, or None, and the text after it.

    A name is looked for at the start and after white space, and ends at white space, "<" or "["; without one,
    "embedding:" is text.
    """
    return [_split_name(piece) for piece in _EMBEDDING.split(text) if piece]


def _collect(text: str, weight: float, depth: int, segments: list[Segment]) -> None:
    if depth > MAX_DEPTH:
        raise RequestError(f'More than {MAX_DEPTH} brackets "(" are open at once in the prompt.')
    for item in _top_level(text):
        if len(item) >= 2 and item[0] == "(" and item[-1] == ")" and item[-2] != "\\":
            _collect(*_weigh(item[1:-1], weight), depth + 1, segments)
        else:
            segments.append(Segment(_ESCAPED.sub(r"\1", item), weight))


def _top_level(text: str) -> list[str]:
    """The text cut around its outermost brackets; each with what is in it is an item that begins with "("."""
    items = []
    start = depth = 0
    for match in _BRACKET.finditer(text):
        if match[0] == "(":
            if depth == 0:
                items.append(text[start : match.start()])
                start = match.start()
            depth += 1
        elif match[0] == ")":
            depth -= 1
            if depth == 0:
                items.append(text[start : match.end()])
                start = match.end()
    return [item for item in (*items, text[start:]) if item]


def _weigh(text: str, outer: float) -> tuple[str, float]:
    """What is inside a bracket without its number, and its weight."""
    inner, colon, number = text.rpartition(":")
    if colon and inner:
        try:
            weight = float(number)
        except ValueError:
            return text, outer * _ROUND
        if not math.isfinite(weight):
            raise RequestError(f'The weight in ":{number})" is not finite; write for example (word:1.2).')
        return inner, weight
    return text, outer * _ROUND


def _split_name(piece: str) -> tuple[str | None, str]:
    found = _NAME.match(piece)
    return (found[1], piece[found.end() :]) if found else (None, piece)
