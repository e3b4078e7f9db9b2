"""The styles: each repaints whole pictures, so that a word for it shows everywhere.

Lengths are in pixels of a picture of 128 and grow with it. Marks are four pixels wide or wider: an autoencoder of
factor 8 has to carry them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from inkbloom.core.types import Float
from inkbloom.training.starter.catalogue import STYLE_NAMES

Pictures = Float[Tensor, "batch 3 size size"]
"""RGB in [0, 1]."""


def apply_style(style: str, pictures: Pictures, objects: Float[Tensor, "batch 1 size size"]) -> Pictures:
    """Repaint `pictures` in one of `catalogue.STYLES`; its size is a multiple of 32. `objects`: 1 where one stands."""
    if style == "pixel":
        return _pixel(pictures, objects)
    return _PAINTERS[style](pictures).clamp(0, 1)


def _pixel(pictures: Pictures, objects: Tensor) -> Pictures:
    """Squares in six levels a colour: of 8 pixels behind the objects, chequered, and of 4 in them.

    Squares of 8 are the latents' own, and come through an autoencoder of factor 8 sharp; those of 4 do not, but objects
    need them.
    """
    count = 16
    chequer = (torch.arange(count)[:, None] + torch.arange(count)) % 2 - 0.5
    coarse = _squares(pictures * (1 - objects), count) / _squares(1 - objects, count).clamp(min=1e-3)
    coarse = (_levels(coarse) + 0.16 * chequer).clamp(0, 1)
    fine = _levels(_squares(pictures, 2 * count))
    coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="nearest")
    inside = (_squares(objects, 2 * count) > 0.5).float()
    return F.interpolate(coarse + (fine - coarse) * inside, size=pictures.shape[-2:], mode="nearest")


def _squares(pictures: Tensor, count: int) -> Tensor:
    return F.avg_pool2d(pictures, pictures.shape[-1] // count)


def _levels(pictures: Tensor) -> Tensor:
    """A little more contrast, and six levels of each colour."""
    return (((pictures - 0.5) * 1.2 + 0.5).clamp(0, 1) * 5).round() / 5


def _watercolor(pictures: Pictures) -> Pictures:
    """Washed, blotchy colours that run out into white paper before the picture's border."""
    soft = _blur(pictures, 2)
    light = _light(soft)
    vivid = light + (soft - light) * 1.35
    x, y = _coordinates(pictures)
    blotches = torch.sin(9 * x + 4 * torch.sin(7 * y)) * torch.sin(11 * y + 3 * torch.sin(5 * x))
    density = 0.70 + 0.14 * blotches
    washed = 1 - (1 - vivid) * density - 0.30 * _edges(soft)
    margin = torch.minimum(torch.minimum(x, 1 - x), torch.minimum(y, 1 - y))
    wobble = 0.02 * torch.sin(21 * x) + 0.02 * torch.sin(17 * y + 1)
    return _PAPER + (washed - _PAPER) * ((margin + wobble - 0.03) / 0.05).clamp(0, 1)


def _ink(pictures: Pictures) -> Pictures:
    """Grey ink on rice paper, darker at outlines, and the painter's red seal at the lower left."""
    soft = _blur(pictures, 2)
    tone = (_light(soft) * 1.15).clamp(0, 1) ** 1.3
    ink = ((1 - tone) * 0.85 + 0.8 * _edges(soft)).clamp(0, 1)
    paper, black = _rgb(0.96, 0.93, 0.85), _rgb(0.10, 0.11, 0.13)
    painted = paper + (black - paper) * ink
    x, y = _coordinates(pictures)
    seal = ((x > 4 / 128) & (x < 16 / 128) & (y > 112 / 128) & (y < 124 / 128)).float()
    return painted + (_rgb(0.80, 0.12, 0.12) - painted) * seal


def _line(pictures: Pictures) -> Pictures:
    """Dark pencil lines on white paper, with a little shade."""
    shade = 0.22 * (1 - _light(_blur(pictures, 2)))
    return 0.99 - shade - 0.80 * _edges(pictures) * torch.ones_like(pictures)


def _neon(pictures: Pictures) -> Pictures:
    """Glowing outlines in the things' own colours, made bright, on a dark wall."""
    soft = _blur(pictures, 2)
    light = _light(soft)
    hue = ((soft - light) * 3 + light).clamp(0.05, 1)
    hue = hue / hue.amax(dim=1, keepdim=True)
    tubes = _edges(pictures) * hue
    wall = _rgb(0.05, 0.03, 0.12) + 0.16 * hue * light
    return wall + tubes + 0.9 * _blur(tubes, 5)


def _sepia(pictures: Pictures) -> Pictures:
    """Browns only, darker towards the corners."""
    light = (_light(pictures) - 0.5) * 1.15 + 0.52
    x, y = _coordinates(pictures)
    distance = ((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.5
    dark, bright = _rgb(0.16, 0.08, 0.03), _rgb(1.0, 0.89, 0.68)
    return (dark + (bright - dark) * light) * (1 - 0.45 * distance**2)


_PAINTERS: dict[str, Callable[[Pictures], Pictures]] = dict(
    zip(STYLE_NAMES[1:], (_watercolor, _ink, _line, _neon, _sepia), strict=True)
)


def _rgb(*color: float) -> Tensor:
    return torch.tensor(color)[:, None, None]


_PAPER = _rgb(0.99, 0.985, 0.96)


def _coordinates(pictures: Pictures) -> tuple[Tensor, Tensor]:
    """x as a row and y as a column of pixel centres in [0, 1]."""
    centres = (torch.arange(pictures.shape[-1]) + 0.5) / pictures.shape[-1]
    return centres[None, :], centres[:, None]


def _light(pictures: Pictures) -> Tensor:
    """Rec. 601 luma: b 1 h w."""
    return (pictures * _rgb(0.299, 0.587, 0.114)).sum(dim=1, keepdim=True)


def _blur(pictures: Tensor, radius: int) -> Tensor:
    """A Gaussian of `radius` pixels of 128, edges repeated."""
    sigma = radius * pictures.shape[-1] / 128
    reach = math.ceil(2 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(pictures.shape[1], 1, 1, -1)
    padded = F.pad(pictures, (reach,) * 4, mode="replicate")
    groups = pictures.shape[1]
    return F.conv2d(F.conv2d(padded, kernel, groups=groups), kernel.transpose(2, 3), groups=groups)


def _edges(pictures: Pictures) -> Tensor:
    """Outlines a few pixels wide, in [0, 1]: the largest gradient of the three colours, b 1 h w.

    Slow changes such as a sky's are none.
    """
    soft = _blur(pictures, 1)
    step = max(1, pictures.shape[-1] // 128)
    padded = F.pad(soft, (step,) * 4, mode="replicate")
    across = padded[:, :, step:-step, 2 * step :] - padded[:, :, step:-step, : -2 * step]
    down = padded[:, :, 2 * step :, step:-step] - padded[:, :, : -2 * step, step:-step]
    strength = (across.square() + down.square()).amax(dim=1, keepdim=True).sqrt()
    share = ((strength - 0.06) / 0.22).clamp(0, 1)
    return share * share * (3 - 2 * share)
