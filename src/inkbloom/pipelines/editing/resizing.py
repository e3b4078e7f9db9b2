"""Bringing a picture to the size that is painted, by A1111's resize modes, or by padding where it almost fits."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image as PILImage

ResizeMode = Literal["stretch", "crop", "fill", "latent"]
"""A1111's "Just resize", "Crop and resize", "Resize and fill", "Just resize (latent upscale)"."""

LANCZOS = PILImage.Resampling.LANCZOS


def resize(picture: PILImage.Image, width: int, height: int, mode: ResizeMode = "stretch") -> PILImage.Image:
    """The picture at `width` x `height`; one that has the size already is returned as it is.

    stretch ignores the aspect ratio; crop covers the size and cuts the middle; fill shows all of the picture and draws
    its edge rows or columns out over the rest. ("latent" resizes latents; a picture under it stays as it is.)
    """
    if picture.size == (width, height) or mode == "latent":
        return picture
    if mode == "stretch":
        return picture.resize((width, height), LANCZOS)
    choose = max if mode == "crop" else min
    scale = choose(width / picture.width, height / picture.height)
    scaled = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), LANCZOS)
    left, top = (width - scaled.width) // 2, (height - scaled.height) // 2
    if mode == "crop":
        return scaled.crop((-left, -top, width - left, height - top))
    return pad(scaled, left, top, width - left - scaled.width, height - top - scaled.height)


def pad(picture: PILImage.Image, left: int, top: int, right: int, bottom: int) -> PILImage.Image:
    """The picture with its edge pixels drawn out by so many pixels on each side."""
    if not (left or top or right or bottom):
        return picture
    pixels = np.asarray(picture)
    widths = ((top, bottom), (left, right)) + ((0, 0),) * (pixels.ndim - 2)
    return PILImage.fromarray(np.pad(pixels, widths, mode="edge"), picture.mode)


def pad_to_multiple(picture: PILImage.Image, multiple: int, least: int) -> PILImage.Image:
    """The picture drawn out to the right and down until both sides divide by `multiple` and are at least `least`."""
    width, height = (max(least, -(-side // multiple) * multiple) for side in picture.size)
    return pad(picture, 0, 0, width - picture.width, height - picture.height)
