"""Aspect-ratio buckets, by kohya's rules: the shapes that pictures are trained in, and which picture goes where.

A bucket is a size with about the area of the resolution. A picture goes to the bucket with the nearest aspect ratio
(width / height), is scaled to cover it, and cropped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from inkbloom.core.errors import RequestError
from inkbloom.families.spec import ModelSpec
from inkbloom.models.autoencoder import AutoencoderSpec
from inkbloom.training.data.settings import DataSettings

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, kw_only=True)
class ModelSizes:
    """What sizes of pictures a model takes, in pixels."""

    default: int
    """The side of what it was made for."""
    downscale: int
    """By which its first network shrinks pictures: sides must be multiples."""
    step: int
    """Of which sides should be multiples: then no network on the way has to cut a border."""

    @classmethod
    def of(cls, spec: ModelSpec) -> ModelSizes:
        downscale = spec.autoencoder.downscale
        return cls(default=spec.default_size, downscale=downscale, step=downscale * spec.unet.downscale)

    @classmethod
    def of_autoencoder(cls, spec: AutoencoderSpec, default: int) -> ModelSizes:
        """Where an autoencoder is trained alone, at `default` unless the settings say otherwise."""
        return cls(default=default, downscale=spec.downscale, step=spec.downscale)


@dataclass(frozen=True)
class Fit:
    """How a picture gets into its bucket."""

    bucket: Size
    resized: Size
    """What the picture is scaled to: covers the bucket."""

    @property
    def cropped(self) -> float:
        """The part of the picture that is lost, from 0 to 1."""
        return 1.0 - self.bucket[0] * self.bucket[1] / (self.resized[0] * self.resized[1])


def bucket_sizes(resolution: Size, shortest: int, longest: int, step: int) -> list[Size]:
    """All buckets, sorted.

    The square whose side is the root of the area, rounded down to `step`; and for every width from `shortest` to
    `longest` the largest height within the area and `longest`, if it is at least `shortest`; and these turned around.
    """
    area = resolution[0] * resolution[1]
    square = int(math.sqrt(area) // step) * step
    sizes = {(square, square)}
    for width in range(shortest, longest + 1, step):
        height = min(longest, area // width // step * step)
        if height >= shortest:
            sizes |= {(width, height), (height, width)}
    return sorted(sizes)


class Buckets:
    """The buckets of a run. `RequestError` for sizes that the model cannot take, with ones that it can."""

    def __init__(self, settings: DataSettings, sizes: ModelSizes) -> None:
        width = settings.resolution or sizes.default
        self.resolution = (width, settings.resolution_height or width)
        self.step = settings.bucket_step or sizes.step
        self.no_upscale = settings.no_upscale
        names = ("resolution", "resolution_height", "bucket_step")
        for name, value in zip(names, (*self.resolution, self.step), strict=True):
            _check_multiple(name, value, sizes.downscale, "by which the model shrinks pictures")
        if not settings.buckets:
            if settings.no_upscale:
                raise RequestError("no_upscale makes buckets of the pictures' own sizes; it needs buckets = true.")
            self.sizes = [self.resolution]
            return
        side = math.isqrt(width * self.resolution[1])
        shortest = settings.min_bucket or max(side // 2 // self.step * self.step, self.step)
        longest = settings.max_bucket or max(side * 2 // self.step * self.step, shortest)
        for name, value in (("min_bucket", shortest), ("max_bucket", longest)):
            _check_multiple(name, value, self.step, "the bucket_step")
        if not shortest <= min(self.resolution) or not max(self.resolution) <= longest:
            raise RequestError(
                f"Buckets go from min_bucket {shortest} to max_bucket {longest}; the resolution "
                f"{self.resolution[0]} x {self.resolution[1]} must lie within."
            )
        self.sizes = bucket_sizes(self.resolution, shortest, longest, self.step)

    def fit(self, width: int, height: int) -> Fit:
        """Where a picture of this size goes; `RequestError` where nothing of it would be left."""
        if self.no_upscale:
            return self._fit_shrunk(width, height)
        aspect = width / height
        if (width, height) in self.sizes:
            bucket = (width, height)
        else:
            bucket = min(self.sizes, key=lambda size: abs(size[0] / size[1] - aspect))
        scale = bucket[1] / height if aspect > bucket[0] / bucket[1] else bucket[0] / width
        return Fit(bucket, (int(width * scale + 0.5), int(height * scale + 0.5)))

    def _fit_shrunk(self, width: int, height: int) -> Fit:
        """Shrink to the area where it is larger, one side to a multiple of the step: that which keeps the shape better.

        The bucket is the largest multiples within.
        """
        area, aspect = self.resolution[0] * self.resolution[1], width / height
        resized = (width, height)
        if width * height > area:
            ideal_width = math.sqrt(area * aspect)
            by_width, by_height = self._rounded(ideal_width), self._rounded(area / ideal_width)
            other_height, other_width = self._rounded(by_width / aspect), self._rounded(by_height * aspect)
            if 0 in (by_width, by_height, other_height, other_width):
                raise _too_thin(width, height, self.step)
            if abs(by_width / other_height - aspect) < abs(other_width / by_height - aspect):
                resized = (by_width, int(by_width / aspect + 0.5))
            else:
                resized = (int(by_height * aspect + 0.5), by_height)
        bucket = (resized[0] // self.step * self.step, resized[1] // self.step * self.step)
        if 0 in bucket:
            raise _too_thin(width, height, self.step)
        return Fit(bucket, resized)

    def _rounded(self, side: float) -> int:
        return int(side + 0.5) // self.step * self.step


def _too_thin(width: int, height: int, step: int) -> RequestError:
    return RequestError(
        f"{width} x {height} pixels are too few for a bucket without enlarging: each side needs {step}."
    )


def _check_multiple(name: str, value: int, multiple: int, why: str) -> None:
    if value % multiple:
        below, above = value // multiple * multiple, (value // multiple + 1) * multiple
        near = f"{below} or {above}" if below else str(above)
        raise RequestError(f"{name} is {value}; it must be a multiple of {multiple}, {why}, such as {near}.")
