"""Large things worked on in windows that overlap, and put together so that no seam is seen."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from inkbloom.core.errors import RequestError
from inkbloom.core.types import Float, Tensor

Grid = Float[Tensor, "batch channels height width"]
Work = Callable[[Grid], Grid]
Weights = Callable[[int, int], Float[Tensor, "length"]]
"""How much each place of a window's side counts, given the side's length and the overlap."""

_VARIANCE = 0.01


def ramp(length: int, overlap: int) -> Float[Tensor, "length"]:
    """Rises from almost 0 to 1 over the overlap, and falls again: neighbours pass over into each other linearly."""
    place = torch.arange(length) + 0.5
    return (torch.minimum(place, length - place) / max(overlap, 1)).clamp(max=1.0)


def even(length: int, overlap: int) -> Float[Tensor, "length"]:
    """All the same: overlapping windows are averaged (Bar-Tal et al. 2023, Eq. 5)."""
    return torch.ones(length)


def bell(length: int, overlap: int) -> Float[Tensor, "length"]:
    """A Gaussian around the middle, of variance 0.01 in units of the window (Jiménez 2023, section 4.2)."""
    place = (torch.arange(length) - (length - 1) / 2) / length
    return torch.exp(-place.square() / (2 * _VARIANCE))


def starts(length: int, size: int, overlap: int, step: int = 1) -> list[int]:
    """Where windows of `size` begin that cover `length` evenly, overlapping by `overlap` at least (but for rounding).

    All are multiples of `step`, as `length` and `size` are; one window where `size` reaches over all.
    """
    if length <= size:
        return [0]
    count = math.ceil((length - overlap) / (size - overlap))
    return [round(i * (length - size) / (count - 1) / step) * step for i in range(count)]


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How to cut: windows of `size` x `size`, or smaller where the whole is. `RequestError` for an impossible overlap.

    Windows begin at multiples of `step`. Axes that `wrap` go on at the other end.
    """

    size: int
    overlap: int
    step: int = 1
    weights: Weights = ramp
    wrap: tuple[bool, bool] = (False, False)
    """Down, and across."""

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.size:
            raise RequestError(
                f"Tiles of {self.size} cannot overlap by {self.overlap}; allowed are 0 to {self.size - 1}."
            )

    def windows(self, height: int, width: int) -> list[tuple[slice, slice]]:
        """Rows and columns of each window, all of one size, from the top left to the bottom right."""
        rows, columns = (
            [slice(start, start + min(self.size, side)) for start in starts(side, self.size, self.overlap, self.step)]
            for side in (height, width)
        )
        return [(down, across) for down in rows for across in columns]


def blended(x: Grid, work: Work, tiling: Tiling, *, up: int = 1, down: int = 1, at_once: int = 1) -> Grid:
    """`work` of all windows of x, weighted where they overlap; float32.

    `work` gives `up` / `down` places for each place of its window; it is given `at_once` windows together, those of
    the whole batch one after the other. `tiling.step` is a multiple of `down`.
    """
    margins = [min(tiling.overlap, side) if wraps else 0 for wraps, side in zip(tiling.wrap, x.shape[2:], strict=True)]
    if any(margins):
        x = F.pad(x, (margins[1], margins[1], margins[0], margins[0]), mode="circular")
    windows = tiling.windows(*x.shape[2:])
    height, width = (side * up // down for side in x.shape[2:])
    total: Tensor | None = None
    weight = torch.zeros(height, width, device=x.device)
    for first in range(0, len(windows), at_once):
        group = windows[first : first + at_once]
        made = work(torch.cat([x[:, :, rows, columns] for rows, columns in group])).float()
        if total is None:
            total = torch.zeros(len(x), made.shape[1], height, width, device=made.device)
        sides = [tiling.weights(side, tiling.overlap * up // down) for side in made.shape[2:]]
        mask = torch.outer(*sides).to(made.device)
        for (rows, columns), one in zip(group, made.split(len(x)), strict=True):
            place = tuple(slice(s.start * up // down, s.stop * up // down) for s in (rows, columns))
            total[:, :, *place] += mask * one
            weight[place] += mask
    assert total is not None
    whole = total / weight
    inner = [slice(m * up // down, side - m * up // down) for m, side in zip(margins, (height, width), strict=True)]
    return whole[:, :, *inner]
