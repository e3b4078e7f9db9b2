"""The places behind the objects, painted from formulas: soft gradients and a few big shapes.

Lengths and places are shares of the picture's side, from the top left; colours are RGB in [0, 1]. Eight random numbers
for each picture move things slightly. Nothing is finer than about four pixels of 128: an autoencoder of factor 8 cannot
carry it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from inkbloom.core.types import Float
from inkbloom.training.starter.catalogue import COLORS

NUM_VARIATIONS = 8
RGB = tuple[float, float, float]

_WHITE = (1.0, 1.0, 1.0)


@dataclass
class _Canvas:
    """The pictures under the brush, and what a painter needs. Masks are in [0, 1], of shape (b or 1) h w."""

    rgb: Tensor  # b 3 h w
    x: Tensor  # 1 1 w
    """Pixel centres."""
    y: Tensor  # 1 h 1
    edge: float
    """Width of a shape's soft edge."""
    u: Tensor  # b 8
    """The pictures' own random numbers, in [0, 1]."""

    def vary(self, index: int, low: float, high: float) -> Tensor:
        """The pictures' own value between `low` and `high`: b 1 1."""
        return (low + (high - low) * self.u[:, index])[:, None, None]

    def fill(self, *stops: tuple[float, RGB]) -> None:
        """Paint a gradient over everything."""
        self.rgb.copy_(self.gradient(*stops))

    def cover(self, color: RGB | Tensor, mask: Tensor) -> None:
        """Paint `color` where `mask` is 1."""
        paint = torch.tensor(color)[:, None, None] if isinstance(color, tuple) else color
        self.rgb.lerp_(paint.expand_as(self.rgb), mask[:, None].expand_as(self.rgb))

    def gradient(self, *stops: tuple[float, RGB]) -> Tensor:
        """Colours that change with the height only: `stops` are (y, colour) from top to bottom; 3 h 1."""
        heights = self.y.flatten()
        result = torch.tensor(stops[0][1])[:, None].expand(3, len(heights))
        for (top, _), (bottom, color) in pairwise(stops):
            share = ((heights - top) / (bottom - top)).clamp(0, 1)
            share = share * share * (3 - 2 * share)
            result = result + (torch.tensor(color)[:, None] - result) * share
        return result[:, :, None]

    def inside(self, distance: Tensor) -> Tensor:
        """The mask of a shape by its signed distance, positive inside."""
        return (distance / self.edge + 0.5).clamp(0, 1)

    def disc(self, x: Tensor | float, y: Tensor | float, radius: Tensor | float) -> Tensor:
        return self.inside(radius - ((self.x - x) ** 2 + (self.y - y) ** 2).sqrt())

    def glow(self, x: Tensor | float, y: Tensor | float, radius: Tensor | float) -> Tensor:
        """A soft spot: 1 at its centre, 0 from `radius` on."""
        share = (1 - ((self.x - x) ** 2 + (self.y - y) ** 2) / radius**2).clamp(0, 1)
        return share * share

    def below(self, height: Tensor | float) -> Tensor:
        return self.inside(self.y - height)

    def wave(self, height: float, swing: float, turns: float, phase: Tensor | float) -> Tensor:
        """A sine across the picture: b 1 w."""
        return height + swing * torch.sin(2 * math.pi * turns * self.x + phase)

    def far_hill(self, color: RGB | Tensor, height: float, swing: float, index: int) -> None:
        self.cover(color, self.below(self.wave(height, swing, 0.8, self.vary(index, 1.5, 2.5))))

    def near_hill(self, color: RGB | Tensor, height: float, swing: float, index: int) -> None:
        self.cover(color, self.below(self.wave(height, swing, 0.7, self.vary(index, 4.0, 5.0))))


def _cloud(c: _Canvas, x: Tensor, y: float) -> None:
    mask = torch.maximum(c.disc(x - 0.07, y + 0.02, 0.05), c.disc(x + 0.07, y + 0.02, 0.055))
    mask = torch.maximum(mask, c.disc(x, y, 0.075))
    c.cover((0.98, 0.99, 1.0), mask * 0.92)


def _stars(c: _Canvas, places: Sequence[tuple[float, float]], color: RGB, radius: float) -> None:
    shift = c.vary(0, -0.02, 0.02)
    mask = torch.zeros(())
    for x, y in places:
        mask = torch.maximum(mask, c.glow(x + shift, y, radius))
    c.cover(color, mask)


def _day(c: _Canvas) -> None:
    c.fill((0, (0.30, 0.64, 0.95)), (0.65, (0.76, 0.91, 1.0)))
    sun_x = c.vary(0, 0.82, 0.88)
    c.cover((1.0, 0.95, 0.70), c.glow(sun_x, 0.15, 0.24) * 0.7)
    c.cover((1.0, 0.85, 0.25), c.disc(sun_x, 0.15, 0.085))
    _cloud(c, c.vary(1, 0.17, 0.27), 0.17)
    c.far_hill((0.55, 0.80, 0.47), 0.60, 0.035, 2)
    c.near_hill(c.gradient((0.64, (0.46, 0.77, 0.31)), (1, (0.28, 0.60, 0.20))), 0.67, 0.025, 3)


_NIGHT_STARS = (
    (0.08, 0.10),
    (0.24, 0.22),
    (0.38, 0.07),
    (0.54, 0.17),
    (0.66, 0.06),
    (0.10, 0.38),
    (0.92, 0.40),
    (0.30, 0.42),
)
_SPACE_STARS = (
    (0.10, 0.12),
    (0.34, 0.08),
    (0.55, 0.16),
    (0.07, 0.45),
    (0.93, 0.52),
    (0.12, 0.80),
    (0.90, 0.84),
    (0.40, 0.93),
)


def _night(c: _Canvas) -> None:
    c.fill((0, (0.04, 0.06, 0.24)), (0.8, (0.20, 0.28, 0.56)))
    _stars(c, _NIGHT_STARS, (1.0, 0.96, 0.72), 0.036)
    moon_x = c.vary(1, 0.80, 0.86)
    c.cover((0.75, 0.80, 1.0), c.glow(moon_x, 0.17, 0.22) * 0.35)
    moon = c.disc(moon_x, 0.17, 0.09) * (1 - c.disc(moon_x - 0.05, 0.145, 0.08))
    c.cover((1.0, 0.92, 0.60), moon)
    c.far_hill((0.09, 0.15, 0.32), 0.74, 0.03, 2)
    c.near_hill((0.06, 0.11, 0.20), 0.81, 0.02, 3)


def _sunset(c: _Canvas) -> None:
    c.fill((0, (0.42, 0.22, 0.52)), (0.35, (0.92, 0.40, 0.38)), (0.68, (1.0, 0.76, 0.36)))
    sun_x = c.vary(0, 0.74, 0.82)
    c.cover((1.0, 0.86, 0.50), c.glow(sun_x, 0.55, 0.32) * 0.7)
    c.cover((1.0, 0.95, 0.66), c.disc(sun_x, 0.56, 0.12))
    c.far_hill((0.60, 0.28, 0.36), 0.63, 0.03, 1)
    c.near_hill(c.gradient((0.70, (0.42, 0.18, 0.28)), (1, (0.24, 0.10, 0.20))), 0.73, 0.02, 2)


_FLAKES = (
    (0.07, 0.12),
    (0.22, 0.30),
    (0.35, 0.10),
    (0.50, 0.24),
    (0.64, 0.09),
    (0.78, 0.28),
    (0.93, 0.14),
    (0.09, 0.50),
    (0.92, 0.48),
)


def _snow(c: _Canvas) -> None:
    c.fill((0, (0.50, 0.64, 0.80)), (0.65, (0.78, 0.86, 0.93)))
    c.far_hill((0.86, 0.91, 0.97), 0.60, 0.04, 1)
    c.near_hill(c.gradient((0.66, (0.98, 0.99, 1.0)), (1, (0.86, 0.92, 0.98))), 0.69, 0.025, 2)
    _stars(c, _FLAKES, _WHITE, 0.042)


def _beach(c: _Canvas) -> None:
    c.fill((0, (0.36, 0.74, 0.98)), (0.42, (0.82, 0.94, 1.0)))
    c.cover((1.0, 0.90, 0.35), c.disc(c.vary(0, 0.13, 0.19), 0.14, 0.08))
    _cloud(c, c.vary(1, 0.72, 0.82), 0.15)
    c.cover(c.gradient((0.42, (0.05, 0.50, 0.74)), (0.66, (0.28, 0.80, 0.85))), c.below(0.42))
    phase = c.vary(2, 1.0, 2.0)
    c.cover((0.95, 0.99, 1.0), c.below(c.wave(0.61, 0.02, 1.0, phase)))
    c.cover(c.gradient((0.64, (0.97, 0.88, 0.64)), (1, (0.90, 0.76, 0.48))), c.below(c.wave(0.645, 0.02, 1.0, phase)))


def _sea(c: _Canvas) -> None:
    c.fill((0, (0.30, 0.78, 0.90)), (0.9, (0.02, 0.24, 0.56)))
    for base, index in ((0.25, 0), (0.72, 1)):
        lean = c.x - c.vary(index, base - 0.04, base + 0.04) + 0.35 * (c.y - 0.2)
        beam = (1 - (lean / (0.05 + 0.08 * c.y)) ** 2).clamp(0, 1) * (1 - c.y / 0.75).clamp(0, 1)
        c.cover((0.75, 0.97, 1.0), beam * 0.45)
    for x, y, radius in (
        (0.12, 0.42, 0.035),
        (0.17, 0.28, 0.024),
        (0.88, 0.52, 0.035),
        (0.84, 0.36, 0.026),
        (0.90, 0.20, 0.02),
    ):
        c.cover((0.72, 0.93, 1.0), c.disc(x + c.vary(2, -0.015, 0.015), y, radius) * 0.65)
    c.far_hill((0.10, 0.38, 0.55), 0.84, 0.03, 3)
    c.near_hill((0.62, 0.66, 0.52), 0.90, 0.015, 4)


def _space(c: _Canvas) -> None:
    c.fill((0, (0.03, 0.02, 0.08)), (1, (0.10, 0.03, 0.17)))
    c.cover((0.52, 0.16, 0.55), c.glow(c.vary(1, 0.22, 0.30), 0.40, 0.50) * 0.55)
    _stars(c, _SPACE_STARS, (0.95, 0.97, 1.0), 0.034)
    x, y = c.vary(2, 0.75, 0.80), 0.19
    slant = (c.y - y) + 0.35 * (c.x - x)
    ring = c.inside(0.022 - (((c.x - x) ** 2 + (slant / 0.28) ** 2).sqrt() - 0.165).abs())
    c.cover((0.95, 0.80, 0.55), ring * 0.9)
    planet = c.disc(x, y, 0.11)
    c.cover((0.86, 0.46, 0.25), planet)
    c.cover((0.97, 0.68, 0.40), planet * c.glow(x - 0.04, y - 0.05, 0.14))
    c.cover((0.95, 0.80, 0.55), ring * c.inside(slant) * 0.9)


def _mountains(c: _Canvas) -> None:
    c.fill((0, (0.42, 0.70, 0.94)), (0.6, (0.90, 0.95, 0.98)))
    shift = c.vary(0, -0.03, 0.03)
    peaks = (
        (0.50, 0.26, 1.0, (0.62, 0.68, 0.80)),
        (0.16, 0.14, 1.1, (0.46, 0.52, 0.66)),
        (0.86, 0.10, 1.1, (0.42, 0.48, 0.62)),
    )
    for x, top, slope, color in peaks:
        flank = top + slope * (c.x - x - shift).abs()
        inside = c.below(flank)
        c.cover(color, inside)
        c.cover((0.97, 0.98, 1.0), inside * (1 - c.below(top + 0.13 + 0.03 * torch.sin(40 * (c.x - x - shift)))))
    c.far_hill((0.36, 0.60, 0.40), 0.58, 0.03, 1)
    c.cover(c.gradient((0.62, (0.48, 0.72, 0.36)), (1, (0.34, 0.58, 0.26))), c.below(0.64))
    depth = ((c.y - 0.60) / 0.40).clamp(0, 1)
    middle = 0.70 + 0.10 * torch.sin(4.5 * depth + c.vary(2, -0.3, 0.3)) - 0.22 * depth
    river = c.inside(0.015 + 0.12 * depth - (c.x - middle).abs()) * c.below(0.60)
    c.cover(c.gradient((0.6, (0.62, 0.85, 0.96)), (1, (0.22, 0.58, 0.88))), river)


def _forest(c: _Canvas) -> None:
    c.fill((0, (0.62, 0.82, 0.58)), (0.7, (0.86, 0.94, 0.70)))
    c.far_hill((0.42, 0.66, 0.40), 0.60, 0.02, 0)
    for x, width, color in (
        (0.33, 0.030, (0.44, 0.50, 0.36)),
        (0.66, 0.030, (0.44, 0.50, 0.36)),
        (0.10, 0.050, (0.36, 0.26, 0.18)),
        (0.90, 0.055, (0.36, 0.26, 0.18)),
    ):
        shifted = x + c.vary(1, -0.02, 0.02)
        c.cover(color, c.inside(width - (c.x - shifted).abs()) * (1 - c.below(0.76)))
    phase = c.vary(2, 0.0, 1.5)
    c.cover((0.20, 0.46, 0.22), 1 - c.below(0.20 + 0.05 * torch.sin(15 * c.x + phase) + 0.03 * torch.sin(37 * c.x)))
    c.cover((0.10, 0.32, 0.15), 1 - c.below(0.10 + 0.04 * torch.sin(19 * c.x - phase) + 0.02 * torch.sin(43 * c.x)))
    c.near_hill(c.gradient((0.70, (0.30, 0.50, 0.24)), (1, (0.16, 0.32, 0.14))), 0.74, 0.015, 3)


def _desert(c: _Canvas) -> None:
    c.fill((0, (0.95, 0.62, 0.30)), (0.55, (1.0, 0.90, 0.66)))
    sun_x = c.vary(0, 0.20, 0.28)
    c.cover((1.0, 0.98, 0.85), c.glow(sun_x, 0.20, 0.26) * 0.8)
    c.cover((1.0, 0.99, 0.92), c.disc(sun_x, 0.20, 0.10))
    c.cover((0.86, 0.56, 0.32), c.below(c.wave(0.52, 0.05, 1.1, c.vary(1, 3.5, 4.5))))
    c.cover((0.93, 0.68, 0.38), c.below(c.wave(0.64, 0.06, 0.8, c.vary(2, 0.5, 1.5))))
    c.cover((0.98, 0.79, 0.48), c.below(c.wave(0.80, 0.05, 0.9, c.vary(3, 3.0, 4.0))))


_TOWERS = (  # left, width, top, colour
    (0.00, 0.15, 0.34, (0.27, 0.25, 0.47)),
    (0.17, 0.13, 0.18, (0.22, 0.20, 0.41)),
    (0.33, 0.17, 0.42, (0.30, 0.27, 0.50)),
    (0.52, 0.13, 0.28, (0.24, 0.22, 0.44)),
    (0.67, 0.15, 0.12, (0.20, 0.18, 0.38)),
    (0.85, 0.15, 0.32, (0.27, 0.25, 0.47)),
)


def _city(c: _Canvas) -> None:
    c.fill((0, (0.36, 0.33, 0.62)), (0.75, (0.93, 0.62, 0.58)))
    shift = c.vary(0, -0.02, 0.02)
    for left, width, top, color in _TOWERS:
        from_middle = (c.x - (left + width / 2 + shift)).abs()
        tower = c.inside(width / 2 - from_middle) * c.below(top)
        c.cover(color, tower)
        # Two columns of lit windows, eight pixels of 128 apart: what an autoencoder of factor 8 still carries.
        columns = c.inside(0.017 - (from_middle - 0.034).abs())
        rows = c.inside(0.02 - ((c.y - top - 0.05) % 0.0875 - 0.03).abs())
        c.cover((1.0, 0.86, 0.48), tower * columns * rows * c.below(top + 0.04) * (1 - c.below(0.72)))
    c.cover(c.gradient((0.74, (0.34, 0.33, 0.42)), (1, (0.24, 0.23, 0.32))), c.below(0.76))
    c.cover((0.62, 0.60, 0.62), c.below(0.76) * (1 - c.below(0.785)))


_PAINTERS: dict[str, Callable[[_Canvas], None]] = {
    "day": _day,
    "night": _night,
    "sunset": _sunset,
    "snow": _snow,
    "beach": _beach,
    "sea": _sea,
    "space": _space,
    "mountains": _mountains,
    "forest": _forest,
    "desert": _desert,
    "city": _city,
}
_RGB_OF = {color.name: color.rgb for color in COLORS}


def paint(place: str, color: str | None, u: Float[Tensor, "batch 8"], size: int) -> Float[Tensor, "batch 3 size size"]:
    """Paint `len(u)` pictures of one place, RGB in [0, 1].

    `color` is the plain place's colour and None for all others; `u` in [0, 1] moves clouds, hills and waves slightly.
    """
    rgb = torch.zeros(len(u), 3, size, size)
    if color is not None:
        return rgb.copy_(torch.tensor(_RGB_OF[color])[:, None, None])
    centres = (torch.arange(size) + 0.5) / size
    _PAINTERS[place](_Canvas(rgb, centres[None, None, :], centres[None, :, None], 1.5 / size, u))
    return rgb
