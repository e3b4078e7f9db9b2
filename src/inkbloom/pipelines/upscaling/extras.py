"""A1111's "Extras": finished pictures enlarged, by one upscaler or a mixture of two, and their faces restored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image as PILImage

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.upscaling.upscalers import Enlarger, enlarge

MOST_PIXELS = 200_000_000
"""No larger picture is made."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """How large a picture becomes: `scale` times as large, or to cover `width` x `height`.

    `RequestError` for both or half a size, and for numbers out of range.
    """

    scale: float | None = None
    """None: 4, where there is no size."""
    width: int | None = None
    height: int | None = None
    crop: bool = False
    """To exactly the size: the middle is kept."""
    max_side: int = 0
    """The longer side becomes no longer than so many pixels by the scale; 0: as long as it will."""

    def __post_init__(self) -> None:
        if (self.width is None) != (self.height is None):
            raise RequestError("--width and --height belong together; give both, or --scale.")
        if self.width is not None and self.scale is not None:
            raise RequestError("--scale and --width with --height both say a size; give one of them.")
        if self.crop and self.width is None:
            raise RequestError("--crop cuts to --width and --height; give them too.")
        if self.max_side and self.width is not None:
            raise RequestError("--max-side limits --scale; leave it out beside --width and --height.")
        if self.scale is not None and not 0.1 <= self.scale <= 16:
            raise RequestError(f"--scale {self.scale:g} is out of range; allowed are 0.1 to 16.")
        for name, side in (("width", self.width), ("height", self.height), ("max-side", self.max_side or None)):
            if side is not None and not 1 <= side <= 30_000:
                raise RequestError(f"--{name} {side} is out of range; allowed are 1 to 30000.")

    def enlarged(self, width: int, height: int) -> tuple[int, int]:
        """Width and height before cropping. `RequestError` for more than `MOST_PIXELS`."""
        if self.width is not None and self.height is not None:
            factor = max(self.width / width, self.height / height)
        else:
            factor = 4.0 if self.scale is None else self.scale
            if self.max_side:
                factor = min(factor, self.max_side / max(width, height))
        across, down = max(1, round(width * factor)), max(1, round(height * factor))
        if across * down > MOST_PIXELS:
            raise RequestError(
                f"{width} x {height} pixels would become {across} x {down}; at most {MOST_PIXELS:,} are made."
            )
        return across, down

    def cropped(self, picture: PILImage.Image) -> PILImage.Image:
        if not self.crop or self.width is None or self.height is None:
            return picture
        left, top = (picture.width - self.width) // 2, (picture.height - self.height) // 2
        return picture.crop((left, top, left + self.width, top + self.height))


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What is done to each picture. `RequestError` for a visibility outside 0 to 1."""

    target: Target
    upscaler: Enlarger
    second: Enlarger | None = None
    second_visibility: float = 0.0
    faces: Callable[[PILImage.Image], PILImage.Image] | None = None
    """Restores a picture of one face, in its size."""
    face_visibility: float = 1.0

    def __post_init__(self) -> None:
        for name, value in (("visibility2", self.second_visibility), ("face-visibility", self.face_visibility)):
            if not 0 <= value <= 1:
                raise RequestError(f"--{name} {value:g} is out of range; allowed are 0 to 1.")

    def __call__(self, picture: PILImage.Image) -> PILImage.Image:
        """`RequestError` where the result would be too large, `MemoryNeededError` where memory runs out."""
        size = self.target.enlarged(*picture.size)
        made = enlarge(picture, *size, self.upscaler)
        if self.second is not None and self.second_visibility:
            made = PILImage.blend(made, enlarge(picture, *size, self.second), self.second_visibility)
        if self.faces is not None and self.face_visibility:
            made = PILImage.blend(made, self.faces(made), self.face_visibility)
        return self.target.cropped(made)
