"""The values of a plot's axis as text, in A1111's syntax.

    Euler a, "DPM++ 2M", DDIM       a list; a value with a comma stands in quotation marks
    1-5                             1, 2, 3, 4, 5
    1-10 (+2), 10-5 (-3)            1, 3, 5, 7, 9; 10, 7
    0-1 (+0.25)                     0, 0.25, 0.5, 0.75, 1
    1-10 [5]                        five, evenly spread, ends included; whole numbers are cut off: 1, 3, 5, 7, 10

A range never goes past its end. A1111's does so by up to one step for fractions, and stops short where it counts down
by 1; and "10-5" means nothing there, but counts down here.
"""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from typing import TypeVar

from inkbloom.core.errors import RequestError

MOST = 10_000
"""So many values an axis may have, and so many pictures a plot."""

Number = TypeVar("Number", int, float)

_FRACTION = r"[+-]?\s*\d+(?:\.\d*)?|[+-]?\s*\.\d+"
_RANGE = re.compile(
    rf"\s*(?P<start>{_FRACTION})\s*-\s*(?P<end>{_FRACTION})"
    rf"(?:\s*\(\s*(?P<step>[+-](?:\d+(?:\.\d*)?|\.\d+))\s*\)|\s*\[\s*(?P<count>\d+)\s*\])?\s*"
)


def split_values(text: str) -> list[str]:
    """The values of a list, without white space around them; empty ones are left out."""
    if text.count('"') % 2:
        raise RequestError(f"The values {text!r} cannot be read: a quotation mark is not closed.")
    rows = csv.reader([text], skipinitialspace=True)
    return [value.strip() for row in rows for value in row if value.strip()]


def read_numbers(text: str, kind: type[Number]) -> list[Number]:
    """The numbers of a list of numbers and ranges. `RequestError` for what is neither, or has more than `MOST`."""
    found: list[Number] = []
    for value in split_values(text):
        found += [kind(number) for number in _expand(value, whole=kind is int)]
        if len(found) > MOST:
            raise RequestError(f"{text!r} has more than {MOST:,} values.")
    return found


def _expand(value: str, *, whole: bool) -> list[Decimal]:
    single = re.fullmatch(_FRACTION, value)
    parts = None if single else _RANGE.fullmatch(value)
    if not single and not parts:
        example = "10-30 (+10) or 1-10 [5]" if whole else "0-1 (+0.25) or 0-1 [5]"
        noun = "whole number" if whole else "number"
        raise RequestError(f'"{value}" is no {noun}, nor a range such as {example}.')
    texts = [value] if parts is None else [part for part in parts.group("start", "end", "step") if part]
    numbers = [Decimal(text.replace(" ", "")) for text in texts]
    if whole and any(number % 1 for number in numbers):
        raise RequestError(f'"{value}" must be whole: this axis takes no fractions.')
    if parts is None:
        return numbers
    start, end = numbers[:2]
    if parts["count"]:
        count = int(parts["count"])
        if not 0 < count <= MOST:
            raise RequestError(f'"{value}" asks for {count} values; from 1 to {MOST:,} can be had.')
        spread = [start + (end - start) * i / max(count - 1, 1) for i in range(count)]
        return [number.to_integral_value("ROUND_DOWN") for number in spread] if whole else spread
    step = numbers[2] if parts["step"] else Decimal(1 if end >= start else -1)
    if step == 0 or (end - start) * step < 0:
        raise RequestError(f'"{value}" never comes to its end; the step must lead from {start} to {end}.')
    count = int((end - start) / step) + 1
    if count > MOST:
        raise RequestError(f'"{value}" has {count:,} values; at most {MOST:,} can be had.')
    return [start + step * i for i in range(count)]
