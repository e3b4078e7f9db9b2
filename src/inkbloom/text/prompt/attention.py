"""A1111's emphasis brackets: a text becomes segments with weights.

(x)         times 1.1          \\( \\) \\[ \\] \\\\   the character itself
[x]         divided by 1.1     BREAK           what follows begins a new chunk
(x:1.3)     times 1.3
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from inkbloom.core.errors import RequestError

MAX_DEPTH = 256
"""So many brackets of a kind may be open at once; each of them costs a pass over what it holds."""

_ROUND, _SQUARE = 1.1, 1 / 1.1
_TOKEN = re.compile(r"\\[()\[\]\\]?|[(\[]|:\s*(?P<weight>[+-]?[.\d]+)\s*\)|[)\]]|[^\\()\[\]:]+|:")
# White space before it is looked for from its start alone: from each place on would take quadratic time.
_BREAK = re.compile(r"(?:(?<!\s)\s+)?\bBREAK\b\s*")
_BREAK_WEIGHT = -1.0


@dataclass(frozen=True)
class Segment:
    text: str
    weight: float = 1.0
    starts_chunk: bool = False
    """A `BREAK` stands before it."""


def parse_attention(text: str) -> tuple[Segment, ...]:
    """The segments of a text; weights of nested brackets multiply, neighbours of equal weight are joined.

    As in A1111 an unclosed bracket closes at the end of the text, a closing one without a partner is text, a backslash
    before any other character vanishes, and a `BREAK` inside brackets is no break: it is the word, with minus the
    weight of its brackets. `RequestError` for a weight that is no finite number, and for more than `MAX_DEPTH` open
    brackets.
    """
    texts: list[str] = []
    # Multiplied innermost bracket first, as A1111 does, so that the same neighbours turn out equal.
    weights = np.ones(len(text) + 1)
    open_brackets: dict[str, list[int]] = {"(": [], "[": []}

    def close(bracket: str, factor: float) -> None:
        weights[open_brackets[bracket].pop() : len(texts)] *= factor

    with np.errstate(over="ignore", invalid="ignore"):
        for match in _TOKEN.finditer(text):
            token = match[0]
            if token[0] == "\\":
                texts.append(token[1:])
            elif token in open_brackets:
                open_brackets[token].append(len(texts))
                if len(open_brackets[token]) > MAX_DEPTH:
                    raise RequestError(f'More than {MAX_DEPTH} brackets "{token}" are open at once in the prompt.')
            elif match["weight"] is not None and open_brackets["("]:
                close("(", _weight(match["weight"]))
            elif token == ")" and open_brackets["("]:
                close("(", _ROUND)
            elif token == "]" and open_brackets["["]:
                close("[", _SQUARE)
            else:
                first, *others = _BREAK.split(token)
                texts.append(first)
                for other in others:
                    weights[len(texts)] = _BREAK_WEIGHT
                    texts += ["BREAK", other]
        for bracket, factor in (("(", _ROUND), ("[", _SQUARE)):
            # From the outermost on; a weight is the same whichever comes first, but not to the last bit.
            for start in open_brackets[bracket]:
                weights[start : len(texts)] *= factor
    return _join(texts, weights[: len(texts)].tolist())


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RequestError(f'The weight in ":{text})" is not a number; write for example (word:1.2).') from None


def _join(texts: list[str], weights: list[float]) -> tuple[Segment, ...]:
    joined: list[tuple[list[str], float]] = []
    for text, weight in zip(texts, weights, strict=True):
        if not math.isfinite(weight):
            raise RequestError(f'The weight of "{text[:40]}" is not finite; use smaller numbers or fewer brackets.')
        if joined and joined[-1][1] == weight:
            joined[-1][0].append(text)
        else:
            joined.append(([text], weight))
    segments = []
    starts_chunk = False
    for parts, weight in joined:
        text = "".join(parts)
        if text == "BREAK" and weight == _BREAK_WEIGHT:
            starts_chunk = True
            continue
        segments.append(Segment(text, weight, starts_chunk))
        starts_chunk = False
    return tuple(segments) or (Segment(""),)
