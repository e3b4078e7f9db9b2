"""Masks in pixels: what is repainted (255), what is kept (0), and how the painted part goes back into the picture.

A mask is an 8-bit grey picture ("L") of the picture's size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image as PILImage
from PIL import ImageChops, ImageFilter

from inkbloom.core.errors import RequestError

_RING = 48
"""How far from the mask, in pixels, the picture tells what the autoencoder does to its colours."""


def prepare_mask(
    mask: PILImage.Image, size: tuple[int, int], *, invert: bool = False, soft: bool = False
) -> PILImage.Image:
    """The mask as grey values: halves decide unless it is `soft`; inverted where asked.

    `RequestError` for a mask of another size than the picture's, and for one that is empty.
    """
    if mask.size != size:
        raise RequestError(
            f"The mask has {mask.width} x {mask.height} pixels, the picture {size[0]} x {size[1]}; they must agree."
        )
    values = mask.convert("L")
    if not soft:
        values = PILImage.fromarray(np.where(np.asarray(values) >= 128, 255, 0).astype(np.uint8))
    if invert:
        values = ImageChops.invert(values)
    if values.getbbox() is None:
        raise RequestError(f"The mask is empty: no pixel is {'black' if invert else 'white'}, so nothing is repainted.")
    return values


def gaussian(picture: PILImage.Image, sigma: float) -> PILImage.Image:
    """A Gaussian blur by a kernel that ends at 2.5 `sigma` (pixels), as A1111's; beyond it nothing changes.

    Edges are drawn out.
    """
    radius = int(2.5 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    values = np.asarray(picture, dtype=np.float64)
    for axis in (0, 1):
        padded = np.pad(values, [(radius, radius) if i == axis else (0, 0) for i in range(values.ndim)], mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=axis)
        values = windows @ kernel
    return PILImage.fromarray(values.round().clip(0, 255).astype(np.uint8), picture.mode)


@dataclass(frozen=True)
class Area:
    """A part of a picture, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        return self.left, self.top, self.right, self.bottom

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top


def masked_area(mask: PILImage.Image, padding: int, aspect: float) -> Area:
    """The box around the mask's nonzero pixels with `padding` pixels on each side, widened to `aspect` (width to
    height) as far as the picture has room."""
    box = mask.getbbox()
    assert box is not None, "an empty mask is refused before"
    left, top = (max(0, side - padding) for side in box[:2])
    right, bottom = min(mask.width, box[2] + padding), min(mask.height, box[3] + padding)
    width, height = right - left, bottom - top
    if width < height * aspect:
        left, right = _widened(left, right, round(height * aspect), mask.width)
    else:
        top, bottom = _widened(top, bottom, round(width / aspect), mask.height)
    return Area(left, top, right, bottom)


def _widened(low: int, high: int, wanted: int, limit: int) -> tuple[int, int]:
    """An interval of the wanted length around [low, high), inside [0, limit)."""
    wanted = min(max(wanted, high - low), limit)
    low = min(max(0, low - (wanted - (high - low)) // 2), limit - wanted)
    return low, low + wanted


def composite(original: PILImage.Image, painted: PILImage.Image, mask: PILImage.Image) -> PILImage.Image:
    """`painted` where the mask is 255, `original` bit for bit where it is 0, mixed between."""
    weight = np.asarray(mask, dtype=np.float64)[..., None] / 255
    old, new = (np.asarray(picture, dtype=np.float64) for picture in (original, painted))
    return PILImage.fromarray((old + weight * (new - old)).round().clip(0, 255).astype(np.uint8))


def match_colors(
    painted: PILImage.Image, original: PILImage.Image, decoded: PILImage.Image, mask: PILImage.Image
) -> PILImage.Image:
    """`painted` with the colours that `original` has, so that no seam shows around the mask.

    `decoded` is `original` through the autoencoder and back: what the way does to colours around the mask is fitted as
    a gain and an offset for each channel (least squares) and undone in all of `painted`.
    """
    near = _surroundings(np.asarray(mask) > 0)
    old, through, new = (np.asarray(picture, dtype=np.float64) for picture in (original, decoded, painted))
    matched = np.empty_like(new)
    for channel in range(3):
        x, y = through[near, channel], old[near, channel]
        spread = x.var()
        # A flat surrounding says nothing of the gain
        gain = np.clip(((x - x.mean()) * (y - y.mean())).mean() / spread, 0.8, 1.25) if spread > 4 else 1.0
        matched[..., channel] = y.mean() + gain * (new[..., channel] - x.mean())
    return PILImage.fromarray(matched.round().clip(0, 255).astype(np.uint8))


def _surroundings(masked: np.ndarray) -> np.ndarray:
    """What lies within `_RING` pixels of the mask, up and down as well as left and right."""
    for axis in (0, 1):
        sums = np.pad(np.cumsum(masked, axis=axis), [(1, 0) if i == axis else (0, 0) for i in range(2)])
        places, length = np.arange(masked.shape[axis]), masked.shape[axis]
        last, first = np.minimum(places + _RING + 1, length), np.maximum(places - _RING, 0)
        masked = sums.take(last, axis) > sums.take(first, axis)
    return masked


_FILL_BLURS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))
"""(radius in pixels, how often laid over), from far to near, as A1111's "fill"."""


def fill(picture: PILImage.Image, mask: PILImage.Image) -> PILImage.Image:
    """The picture with the masked part painted over by the colours around it: ever sharper blurs of what is kept."""
    kept = picture.convert("RGBA")
    kept.putalpha(ImageChops.invert(mask.convert("L")))
    pixels = np.asarray(kept, dtype=np.float64)
    alpha = pixels[..., 3:] / 255
    premultiplied = PILImage.fromarray(np.concatenate([pixels[..., :3] * alpha, pixels[..., 3:]], -1).astype(np.uint8))
    canvas = np.zeros((picture.height, picture.width, 4))
    for radius, times in _FILL_BLURS:
        layer = premultiplied.filter(ImageFilter.GaussianBlur(radius)) if radius else premultiplied
        values = np.asarray(layer, dtype=np.float64)
        for _ in range(times):
            canvas = values + canvas * (1 - values[..., 3:] / 255)
    colors = canvas[..., :3] / np.maximum(canvas[..., 3:] / 255, 1e-6)
    return PILImage.fromarray(colors.round().clip(0, 255).astype(np.uint8))
