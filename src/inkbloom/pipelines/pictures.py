"""Pictures (PIL, 8 bits) and images (tensors in [-1, 1]): from one to the other, from files, and several in a grid."""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PILImage
from PIL import ImageOps

from inkbloom.core.errors import RequestError
from inkbloom.core.pictures import as_rgb, reading
from inkbloom.core.types import Image, Latent

GRID_PADDING = 2
"""Pixels of black around and between the pictures of a grid, as torchvision's `make_grid` has them."""


def from_pictures(pictures: Sequence[PILImage.Image]) -> Image:
    """A batch of images in [-1, 1], float32, of RGB pictures of one size."""
    arrays = np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])
    return torch.from_numpy(arrays).movedim(-1, 1).float() / 127.5 - 1.0  # b c h w


def to_pictures(images: Image) -> list[PILImage.Image]:
    """Each image as an RGB picture, rounded to the nearest of 256 levels; values outside [-1, 1] are clamped."""
    levels = ((images.float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return [PILImage.fromarray(array) for array in levels.movedim(1, -1).cpu().numpy()]  # b h w c


@contextmanager
def opened(path: Path) -> Iterator[PILImage.Image]:
    """A picture file, not yet decoded, without Pillow's warnings. `RequestError` as in `core.pictures.reading`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of slips in EXIF that Pillow reads over
        warnings.simplefilter("error", PILImage.DecompressionBombWarning)
        with reading(path) as file:
            yield file


def open_picture(path: Path) -> PILImage.Image:
    """A picture file as 8-bit RGB, upright; `RequestError` as in `opened`.

    EXIF rotation is applied; 16-bit greys are scaled down; transparent places become white.
    """
    with opened(path) as file:
        return as_rgb(ImageOps.exif_transpose(file))


def crop_to_multiple(picture: PILImage.Image, multiple: int) -> PILImage.Image:
    """The middle of the picture, each side cut to the next lower multiple; `RequestError` where none is left."""
    width, height = (side // multiple * multiple for side in picture.size)
    if not width or not height:
        raise RequestError(
            f"A picture of {picture.width} x {picture.height} pixels is too small; each side needs at least {multiple}."
        )
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def make_grid(pictures: Sequence[PILImage.Image], columns: int) -> PILImage.Image:
    """The pictures, all of one size, row by row in a grid laid out as torchvision's `make_grid(nrow=columns)`.

    One picture alone is returned as it is.
    """
    if len(pictures) == 1:
        return pictures[0]
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    width, height = (side + GRID_PADDING for side in pictures[0].size)
    grid = PILImage.new("RGB", (columns * width + GRID_PADDING, rows * height + GRID_PADDING))
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        grid.paste(picture, (column * width + GRID_PADDING, row * height + GRID_PADDING))
    return grid


def latent_channels(latent: Latent, scale: int) -> PILImage.Image:
    """The channels of one latent (1, c, h, w), two a row, as greys; each point becomes a square of `scale` pixels.

    0 is the middle grey, the largest magnitude black or white.
    """
    channels = latent[0].float().cpu()
    levels = 127.5 + 127.5 * channels / channels.abs().max().clamp(min=1e-8)
    tiles = [PILImage.fromarray(channel.round().clamp(0, 255).to(torch.uint8).numpy()) for channel in levels]
    size = (scale * channels.shape[2], scale * channels.shape[1])
    return make_grid([tile.resize(size, PILImage.Resampling.NEAREST).convert("RGB") for tile in tiles], 2)
