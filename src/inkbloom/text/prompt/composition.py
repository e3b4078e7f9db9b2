"""`AND`: several prompts at once, each with a weight (Liu et al. 2022, "Compositional visual generation", Eq. 11).

The guided estimate is uncond + sum_i w_i * scale * (cond_i - uncond).
"""

from __future__ import annotations

import re

from inkbloom.core.errors import RequestError

_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r"\s*[-+]?(?:\d+\.?|\d*\.\d+)\s*")


def split_parts(text: str) -> list[tuple[str, float]]:
    """The parts between `AND` (in capitals, a word of its own), and their weights, 1 where none is written.

    A part ends with `: NUMBER`, or has no weight; that holds for a text without `AND` as well, so "a clock at 10:30" is
    "a clock at 10" with the weight 30, as in A1111. White space at the end of a part does not count. `RequestError` for
    a weight beyond the floating-point numbers.
    """
    return [_split_weight(part.rstrip()) for part in _AND.split(text)]


def _split_weight(part: str) -> tuple[str, float]:
    text, colon, number = part.rpartition(":")
    if not colon or not _WEIGHT.fullmatch(number):
        return part, 1.0
    weight = float(number)
    if abs(weight) == float("inf"):
        raise RequestError(f"The weight of a part that is joined by AND is too large: it has {len(number)} digits.")
    return text.rstrip(), weight
