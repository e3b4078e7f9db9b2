"""From picture files to tensors: scaled to cover their bucket, cropped, mirrored where asked; masks and hints alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image as PILImage
from PIL import ImageOps
from torch import Tensor
from torch.nn import functional as F

from inkbloom.core.pictures import as_rgb
from inkbloom.core.types import Float
from inkbloom.training.data.buckets import Fit, Size
from inkbloom.training.data.examples import Blob, is_sideways, orientation

_REDUCING_GAP = 3.0
"""JPEGs are decoded, and others shrunk, in whole factors down to so many times the size, then resampled (Lanczos)."""

_TURNS = {
    2: PILImage.Transpose.FLIP_LEFT_RIGHT,
    3: PILImage.Transpose.ROTATE_180,
    4: PILImage.Transpose.FLIP_TOP_BOTTOM,
    5: PILImage.Transpose.TRANSPOSE,
    6: PILImage.Transpose.ROTATE_270,
    7: PILImage.Transpose.TRANSVERSE,
    8: PILImage.Transpose.ROTATE_90,
}
"""What brings a picture of this EXIF orientation upright. (Pillow's own function looks again after decoding, and may
then find what the header did not say.)"""


@dataclass(frozen=True)
class Framing:
    """What is seen of a picture."""

    fit: Fit
    left: int
    top: int
    """Of the bucket in the scaled picture."""
    mirrored: bool = False

    @classmethod
    def centred(cls, fit: Fit, *, mirrored: bool = False) -> Framing:
        left, top = ((resized - side) // 2 for resized, side in zip(fit.resized, fit.bucket, strict=True))
        return cls(fit, left, top, mirrored)

    def apply(self, picture: PILImage.Image) -> Tensor:
        """uint8 (c, h, w) in the bucket's size."""
        # Only what is kept is scaled: whole, a strip of 1 x 4000 pixels would have to become 512 x 2,048,000.
        across, down = picture.width / self.fit.resized[0], picture.height / self.fit.resized[1]
        width, height = self.fit.bucket
        seen = (self.left * across, self.top * down, (self.left + width) * across, (self.top + height) * down)
        seen = (*seen[:2], min(seen[2], picture.width), min(seen[3], picture.height))  # against rounding
        picture = picture.resize((width, height), PILImage.Resampling.LANCZOS, seen, reducing_gap=_REDUCING_GAP)
        if self.mirrored:
            picture = ImageOps.mirror(picture)
        array = np.array(picture)
        return torch.from_numpy(array if array.ndim == 3 else array[..., None]).movedim(-1, 0)  # c h w


def decode(blob: Blob, at_least: Size | None = None) -> PILImage.Image:
    """The picture, upright, in its own mode; `RequestError` as in `core.pictures.reading`.

    A JPEG may come smaller, but some times larger than `at_least` (width, height), in a fraction of the time.
    """
    with blob.opened() as file:
        if at_least is not None:
            width, height = (int(side * _REDUCING_GAP) for side in at_least)
            file.draft(None, (height, width) if is_sideways(file) else (width, height))
        turn = _TURNS.get(orientation(file))
        return file.copy() if turn is None else file.transpose(turn)


def pixels(blob: Blob, framing: Framing) -> Float[Tensor, "1 3 height width"]:
    """The picture in [-1, 1]; transparent places are white."""
    return framing.apply(as_rgb(decode(blob, framing.fit.resized)))[None].float() / 127.5 - 1.0


def hint(blob: Blob, framing: Framing) -> Float[Tensor, "1 3 height width"]:
    """A control picture in [0, 1], stretched to the size of its picture."""
    return framing.apply(as_rgb(decode(blob, framing.fit.resized)))[None].float() / 255.0


def mask(blob: Blob, framing: Framing, downscale: int) -> Float[Tensor, "1 1 latent_height latent_width"]:
    """A mask's greys as 0 to 1, the mean over the pixels of each latent place."""
    return _to_latent_grid(framing.apply(as_rgb(decode(blob)).convert("L")), downscale)


def alpha_mask(blob: Blob, framing: Framing, downscale: int) -> Float[Tensor, "1 1 latent_height latent_width"]:
    """A picture's own opacity as its mask: 1 everywhere where it has no transparency."""
    picture = decode(blob)
    if not picture.has_transparency_data:
        return torch.ones(1, 1, framing.fit.bucket[1] // downscale, framing.fit.bucket[0] // downscale)
    return _to_latent_grid(framing.apply(picture.convert("RGBA").getchannel("A")), downscale)


def _to_latent_grid(levels: Tensor, downscale: int) -> Tensor:
    return F.avg_pool2d(levels[None].float() / 255.0, downscale)
