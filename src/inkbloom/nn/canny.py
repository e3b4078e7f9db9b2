"""Canny's edge detector (Canny 1986), with the arithmetic of OpenCV's, on whose edges the public ControlNets learned.

It lies on this floor because both training, which draws edges of its pictures, and painting need it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from inkbloom.core.types import Int

_TAN = round(2**15 * (2**0.5 - 1))
"""tan(22.5 degrees), the border between the sectors of gradient directions, in fixed point with 15 digits."""


def canny(
    pictures: Int[Tensor, "batch channels height width"], low: float = 100, high: float = 200
) -> Int[Tensor, "batch 1 height width"]:
    """Edges of 8-bit pictures, uint8, 255 where there is one: equal to `cv2.Canny(picture, low, high)`, pixel for
    pixel.

    Sobel's gradients, of the channel in which they are strongest; |dx| + |dy| for their length; thinning to the
    maxima across the edge; then everything above `low` that hangs together with something above `high`. There is no
    blur: a noisy picture should be blurred before.
    """
    low, high = sorted((int(low // 1), int(high // 1)))
    dx, dy, length = _gradients(pictures.to(torch.int32))
    maxima = (length > low) & _is_ridge(dx, dy, length)
    return 255 * _connected(maxima & (length > high), maxima).to(torch.uint8)[:, None]


def _gradients(pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """dx, dy and |dx| + |dy|, (batch, height, width), by Sobel's filters; edge pixels are drawn out."""
    padded = F.pad(pictures.float(), (1, 1, 1, 1), mode="replicate").to(torch.int32)  # whole numbers up to 255
    columns = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    rows = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    dx = columns[..., 2:] - columns[..., :-2]
    dy = rows[..., 2:, :] - rows[..., :-2, :]
    length, strongest = (dx.abs() + dy.abs()).max(dim=1, keepdim=True)
    return dx.gather(1, strongest)[:, 0], dy.gather(1, strongest)[:, 0], length[:, 0]


def _is_ridge(dx: Tensor, dy: Tensor, length: Tensor) -> Tensor:
    """Whether the gradient is longest here among the two neighbours that lie in its direction, of eight."""
    padded = F.pad(length, (1, 1, 1, 1))
    height, width = length.shape[1:]

    def at(down: int, right: int) -> Tensor:
        return padded[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]

    x, y = dx.abs().long(), dy.abs().long() << 15
    flat, steep = y < x * _TAN, y > x * (_TAN + (1 << 16))
    level = (length > at(0, -1)) & (length >= at(0, 1))
    upright = (length > at(-1, 0)) & (length >= at(1, 0))
    falling = (length > at(-1, -1)) & (length > at(1, 1))
    rising = (length > at(-1, 1)) & (length > at(1, -1))
    slanted = torch.where((dx ^ dy) < 0, rising, falling)
    return torch.where(flat, level, torch.where(steep, upright, slanted))


def _connected(strong: Tensor, weak: Tensor) -> Tensor:
    """All of `weak` that a way over eight neighbours joins to `strong`."""
    found = strong
    while True:
        grown = (F.max_pool2d(found[:, None].float(), 3, stride=1, padding=1)[:, 0] > 0) & weak
        if torch.equal(grown, found):
            return found
        found = grown
