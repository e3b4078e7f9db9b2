"""X/Y/Z plots: one request under every combination of the values of up to three axes."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.batches.axes import NOTHING, Axis
from inkbloom.pipelines.batches.jobs import Job
from inkbloom.pipelines.batches.values import MOST

AxisName = Literal["x", "y", "z"]
AXIS_NAMES: tuple[AxisName, ...] = ("x", "y", "z")


@dataclass(frozen=True, kw_only=True)
class Plot:
    """The base job under the values of x (columns), y (rows) and z (one grid after the other)."""

    base: Job
    x: Axis = NOTHING
    y: Axis = NOTHING
    z: Axis = NOTHING
    vary_seeds: Collection[AxisName] = ()
    """Along these axes each cell takes the next seed; along the others the seed stays."""

    @property
    def axes(self) -> tuple[Axis, Axis, Axis]:
        return self.x, self.y, self.z

    def jobs(self) -> list[Job]:
        """A job for each cell: x counts fastest, then y, then z. The base's seed must be drawn already.

        The axes act in the order x, y, z; styles last, on the prompt that the others made. `RequestError` names the
        cell; it is also raised for more than `values.MOST` cells.
        """
        sizes = [len(axis.values) for axis in self.axes]
        if math.prod(sizes) > MOST:
            raise RequestError(
                f"A plot of {' x '.join(map(str, sizes))} cells is too large; at most {MOST:,} are painted."
            )
        return [self._cell((x, y, z)) for z in range(sizes[2]) for y in range(sizes[1]) for x in range(sizes[0])]

    def _cell(self, place: tuple[int, int, int]) -> Job:
        chosen = [(axis, axis.values[i]) for axis, i in zip(self.axes, place, strict=True)]
        origin = ", ".join(f"{axis.name}: {value.label}" for axis, value in chosen if axis.name != "Nothing")
        job = replace(self.base, origin=origin or "the picture", place=place)
        try:
            for _, value in sorted(chosen, key=lambda pair: pair[0].last):
                job = value.change(job)
            return job.change(seed=(job.request.seed or 0) + self._seed_step(place), num_images=1)
        except RequestError as error:
            raise RequestError(f"{origin}: {error}") from None

    def _seed_step(self, place: Sequence[int]) -> int:
        """How much is added to the seed: the cells along the varied axes are counted through."""
        step, number = 1, 0
        for name, axis, i in zip(AXIS_NAMES, self.axes, place, strict=True):
            if name in self.vary_seeds:
                number += step * i
                step *= len(axis.values)
        return number
