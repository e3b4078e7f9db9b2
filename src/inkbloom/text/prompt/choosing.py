"""What the brackets of a template choose: at random, one combination after the other, or in turn."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from inkbloom.core.errors import RequestError

Sampler: TypeAlias = Literal["~", "!", "@"]
"""How one bracket chooses: at random, all of them one after the other, or in turn."""


class Odometer:
    """Gives the choices of one prompt after the other, the last wheel turning fastest."""

    def __init__(self) -> None:
        self._wheels: list[tuple[int, int]] = []  # where each stands, and its size
        self._seen = 0

    def __call__(self, total: int) -> int:
        place = self._wheels[self._seen][0] if self._seen < len(self._wheels) else 0
        # Options drawn at random may hold other brackets than last time
        place = min(place, total - 1)
        self._wheels[self._seen : self._seen + 1] = [(place, total)]
        self._seen += 1
        return place

    def advance(self) -> bool:
        """Go on to the next prompt; False after the last."""
        del self._wheels[self._seen :]
        self._seen = 0
        while self._wheels and self._wheels[-1][0] + 1 == self._wheels[-1][1]:
            self._wheels.pop()
        if self._wheels:
            place, total = self._wheels[-1]
            self._wheels[-1] = place + 1, total
        return bool(self._wheels)


class Choices:
    """What the brackets of one prompt choose."""

    def __init__(self, default: Sampler, number: int, next_place: Callable[[int], int]) -> None:
        """`next_place(n)` is the place, below n, that a bracket with `!` takes of n."""
        self._default, self._number, self._next_place = default, number, next_place
        self._rng = random.Random(number)

    def __call__(self, sampler: Sampler | None, weights: Sequence[float], low: int, high: int) -> list[int]:
        """`low` to `high` different places among options with these weights."""
        chosen_by = sampler or self._default
        if chosen_by == "~":
            return _draw(self._rng, weights, low, high)
        total = _count_arrangements(len(weights), low, high)
        place = self._next_place(total) if chosen_by == "!" else self._number % total
        return _arrangement(place, len(weights), low)


def _draw(rng: random.Random, weights: Sequence[float], low: int, high: int) -> list[int]:
    """`low` to `high` different places, one after the other, each with a chance in proportion to its weight.

    `Random.random` is the one method whose numbers Python promises not to change.
    """
    left = list(range(len(weights)))
    drawn = []
    for _ in range(low + int(rng.random() * (high - low + 1))):
        total = sum(weights[place] for place in left)
        if total == 0:
            raise RequestError("The options of a template have the weight 0, and nothing else is left to choose.")
        point = rng.random() * total
        for place in left:
            point -= weights[place]
            if point < 0:
                break
        else:  # rounding
            place = max(left, key=lambda place: weights[place])
        drawn.append(place)
        left.remove(place)
    return drawn


def _count_arrangements(size: int, low: int, high: int) -> int:
    """How many choices of `low` to `high` different places out of `size` there are, in every order."""
    total = ways = math.perm(size, low)
    for count in range(low, high):
        ways *= size - count
        total += ways
    return total


def _arrangement(place: int, size: int, low: int) -> list[int]:
    """The choice at `place` of all those, the shorter ones first, each length in lexicographic order."""
    count, ways = low, math.perm(size, low)
    while place >= ways:
        place -= ways
        ways *= size - count
        count += 1
    left, chosen = list(range(size)), []
    for taken in range(count):
        ways //= size - taken
        which, place = divmod(place, ways)
        chosen.append(left.pop(which))
    return chosen
