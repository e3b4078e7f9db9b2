"""Pictures (PIL, 8 bits) and images (tensors in [-1, 1]): from one to the other, from files, and several in a grid."""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PILImage
from PIL import ImageOps, UnidentifiedImageError

from inkbloom.core.errors import RequestError
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
    """A picture file, not yet decoded. Whatever goes wrong within becomes a `RequestError` of one line.

    It says that the file is missing, no picture, damaged, or so large that Pillow takes it for an attack.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of slips in EXIF that Pillow reads over
            warnings.simplefilter("error", PILImage.DecompressionBombWarning)
            with PILImage.open(path) as file:
                yield file
    except RequestError:
        raise
    except FileNotFoundError:
        raise RequestError(f'There is no picture "{path}".') from None
    except IsADirectoryError:
        raise RequestError(f'"{path}" is a folder, not a picture.') from None
    except UnidentifiedImageError:
        raise RequestError(f'"{path}" is not a picture in a format that Pillow reads (PNG, JPEG, WebP, ...).') from None
    except (PILImage.DecompressionBombWarning, PILImage.DecompressionBombError):
        limit = f"{PILImage.MAX_IMAGE_PIXELS or 0:,}"
        raise RequestError(f'"{path}" has too many pixels; at most {limit} are read.') from None
    except Exception as error:  # Pillow's readers raise whatever they stumble over in a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RequestError(f'"{path}" cannot be read as a picture: {reason.rstrip(".")}.') from None


def open_picture(path: Path) -> PILImage.Image:
    """A picture file as 8-bit RGB, upright; `RequestError` as in `opened`.

    EXIF rotation is applied; 16-bit greys are scaled down; transparent places become white.
    """
    with opened(path) as file:
        return _as_rgb(ImageOps.exif_transpose(file))


def _as_rgb(picture: PILImage.Image) -> PILImage.Image:
    if picture.mode.startswith("I"):  # 16-bit greys; Pillow's own conversion clips them
        levels = np.asarray(picture).astype(np.int64).clip(0, 65535)
        return PILImage.fromarray((levels / 257).round().astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = PILImage.new("RGBA", picture.size, "white")
        return PILImage.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


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
