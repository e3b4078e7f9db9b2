"""The prompt matrix: "base|option|option" painted with every subset of the options.

The first half of the options (the larger, where it is odd) spreads over the columns, the others over the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Literal

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.batches.axes import NOTHING, Axis, Change, Value
from inkbloom.pipelines.batches.values import MOST

Which = Literal["prompt", "negative_prompt"]
_MOST_OPTIONS = MOST.bit_length() - 1


def read_matrix(
    text: str, *, which: Which = "prompt", at_start: bool = False, joined_by: str = ", "
) -> tuple[str, Axis, Axis]:
    """The base of the prompt, and the axes of columns and rows, which add the options behind (or before) it.

    Options are joined in the order in which they stand. `RequestError` where there is no "|" or too many.
    """
    base, *options = (part.strip() for part in text.split("|"))
    options = [option for option in options if option]
    if not options:
        raise RequestError(f'A matrix needs a prompt such as "a castle|by night|in the snow"; "{text}" has no options.')
    if len(options) > _MOST_OPTIONS:
        raise RequestError(
            f"{len(options)} options make {2 ** len(options):,} pictures; at most {_MOST_OPTIONS} options are painted."
        )
    half = -(-len(options) // 2)
    columns, rows = options[:half], options[half:]
    if at_start:  # the columns act first, so that what the rows add would stand before it
        columns, rows = options[len(options) - half :], options[: len(options) - half]

    def axis(some: Sequence[str]) -> Axis:
        if not some:
            return NOTHING
        # The first option changes fastest, as the bits of a counter
        subsets = [
            [option for option, on in zip(some, reversed(bits), strict=True) if on]
            for bits in product((False, True), repeat=len(some))
        ]
        values = [
            Value(label=" + ".join(s) or "(none)", change=_adding(s, which, at_start, joined_by)) for s in subsets
        ]
        return Axis(name="Prompt matrix", values=tuple(values))

    return base, axis(columns), axis(rows)


def _adding(options: Sequence[str], which: Which, at_start: bool, joined_by: str) -> Change:
    def change(job):
        before = getattr(job.request, which)
        parts = [*options, before] if at_start else [before, *options]
        return job.change(**{which: joined_by.join(part for part in parts if part)})

    return change
