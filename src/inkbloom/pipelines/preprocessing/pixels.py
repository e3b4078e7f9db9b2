"""What the preprocessors do: 8-bit RGB arrays (height, width, 3) to arrays of the same shape."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PILImage
from torch.nn import functional as F

from inkbloom.nn.canny import canny

Pixels = NDArray[np.uint8]

_LARGE_WAVES = 256
"""Pixels between the random numbers that shuffling interpolates."""


def edges(pixels: Pixels, low: float, high: float) -> Pixels:
    found = canny(torch.from_numpy(pixels.copy()).movedim(-1, 0)[None], low, high)  # 1 c h w
    return _grey(found[0, 0].numpy())


def invert(pixels: Pixels) -> Pixels:
    return 255 - pixels


def blur(pixels: Pixels, sigma: float) -> Pixels:
    return _rounded(_gaussian(pixels, sigma))


def scribble(pixels: Pixels, threshold: float) -> Pixels:
    """Lines where a fine blur is darker than a coarse one in some channel (XDoG; Winnemoeller et al. 2012), bold."""
    difference = (_gaussian(pixels, 5.0) - _gaussian(pixels, 0.5)).min(axis=2)
    darkness = 255 - (255 - difference).clip(0, 255).astype(np.uint8).astype(int)
    return _grey(np.where(2 * darkness > threshold, 255, 0))


def threshold(pixels: Pixels, level: float) -> Pixels:
    """White where all channels are above `level`, black elsewhere."""
    return _grey(np.where(pixels.min(axis=2) > level, 255, 0))


def two_levels(pixels: Pixels) -> Pixels:
    """Black and white, parted at the level between which the two differ most (Otsu 1979); one level stays as it is.

    For what had two levels before it was resized: a line that is thin against a pixel is grey then, however faint.
    """
    grey = pixels.mean(axis=2).round().astype(int)
    counts = np.bincount(grey.ravel(), minlength=256).astype(float)
    below, sums = counts.cumsum(), (counts * np.arange(256)).cumsum()
    above = below[-1] - below
    parted = (below > 0) & (above > 0)
    if not parted.any():
        return pixels
    between = (sums[-1] * below / below[-1] - sums)[parted] ** 2 / (below * above)[parted]
    return _grey(np.where(grey > np.flatnonzero(parted)[between.argmax()], 255, 0))


def shuffle(pixels: Pixels, seed: float) -> Pixels:
    """Each pixel from a random place, neighbours from near ones: the colours stay, what is shown is lost."""
    generator = torch.Generator().manual_seed(int(seed))
    height, width = pixels.shape[:2]
    places = []
    for _ in range(2):
        waves = torch.rand(1, 1, height // _LARGE_WAVES + 2, width // _LARGE_WAVES + 2, generator=generator)
        size = (height + 2 * _LARGE_WAVES, width + 2 * _LARGE_WAVES)
        smooth = F.interpolate(waves, size=size, mode="bicubic")[0, 0, _LARGE_WAVES:, _LARGE_WAVES:][:height, :width]
        places.append(2 * (smooth - smooth.min()) / (smooth.max() - smooth.min()).clamp(min=1e-6) - 1)
    image = torch.from_numpy(pixels.copy()).movedim(-1, 0)[None].float()  # 1 c h w
    moved = F.grid_sample(image, torch.stack(places, dim=-1)[None], mode="bilinear", align_corners=True)
    return _rounded(moved[0].movedim(0, -1).numpy())  # h w c


def tile(pixels: Pixels, rate: float) -> Pixels:
    """The picture made smaller by `rate`, and as large again: its detail is to be invented anew."""
    picture = PILImage.fromarray(pixels)
    small = (max(1, round(picture.width / rate)), max(1, round(picture.height / rate)))
    if small == picture.size:
        return pixels
    return np.asarray(picture.resize(small, PILImage.Resampling.BOX).resize(picture.size, PILImage.Resampling.LANCZOS))


def luminance(pixels: Pixels, gamma: float) -> Pixels:
    """L* of CIE 1976 L*a*b* as grey: what colours have in common for the eye."""
    value = pixels / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array([0.2126729, 0.7151522, 0.0721750])
    lightness = np.where(y > 216 / 24389, 116 * np.cbrt(y) - 16, y * 24389 / 27)
    return _grey(_rounded(255 * (lightness / 100).clip(0, 1) ** gamma))


def intensity(pixels: Pixels, gamma: float) -> Pixels:
    """The strongest channel as grey: the V of HSV."""
    return _grey(_rounded(255 * (pixels.max(axis=2) / 255) ** gamma))


def _gaussian(pixels: Pixels, sigma: float) -> NDArray[np.float64]:
    """A Gaussian blur in floating point, the kernel cut off at 4 sigma; pictures are mirrored at their edges."""
    values = torch.from_numpy(pixels.astype(np.float64)).movedim(-1, 0)[:, None]  # c 1 h w
    radius = max(1, round(4 * sigma))
    kernel = torch.exp(-(torch.arange(-radius, radius + 1, dtype=torch.float64) ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    for _ in range(2):
        length = values.shape[3]
        # Mirrored again and again, where the picture is smaller than the kernel
        places = torch.arange(-radius, length + radius).remainder(max(1, 2 * (length - 1)))
        places = torch.where(places < length, places, 2 * (length - 1) - places)
        values = F.conv2d(values[..., places], kernel[None, None, None]).transpose(2, 3)
    return values[:, 0].movedim(0, -1).numpy()  # h w c


def _rounded(values: NDArray) -> Pixels:
    return values.round().clip(0, 255).astype(np.uint8)


def _grey(values: NDArray) -> Pixels:
    return np.repeat(values.astype(np.uint8)[..., None], 3, axis=2)
