"""From the pictures of a first pass to the latents that the second begins from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image as PILImage
from torch.nn import functional as F

from inkbloom.core.types import Latent
from inkbloom.pipelines.autoencoder import Autoencoder
from inkbloom.pipelines.upscaling.settings import LATENT_UPSCALERS, HiresPass
from inkbloom.pipelines.upscaling.upscalers import Enlarger, enlarge


def resize_latents(latents: Latent, upscaler: str, enlarged: tuple[int, int], size: tuple[int, int]) -> Latent:
    """Scaled latents at `enlarged` (height, width), then their middle of `size`, as A1111's latent upscalers do it."""
    mode, antialias = LATENT_UPSCALERS[upscaler]
    latents = F.interpolate(latents, size=enlarged, mode=mode, antialias=antialias)
    top, left = ((large - small) // 2 for large, small in zip(enlarged, size, strict=True))
    return latents[:, :, top : top + size[0], left : left + size[1]]


def second_latents(
    hires: HiresPass,
    latents: Latent,
    images: Sequence[PILImage.Image],
    autoencoder: Autoencoder,
    upscaler: Enlarger | None,
) -> Latent:
    """What the second pass begins from, of the first one's scaled latents and its pictures.

    `upscaler` is that of pixels, which enlarges the pictures, so that they are encoded anew; None: `hires` names one of
    the latents.
    """
    width, height = (autoencoder.downscale * side for side in (latents.shape[3], latents.shape[2]))
    enlarged, size = hires.enlarged(width, height), hires.size(width, height)
    if upscaler is None:
        points = [(down // autoencoder.downscale, across // autoencoder.downscale) for across, down in (enlarged, size)]
        return resize_latents(latents, hires.upscaler, points[0], points[1])
    left, top = (enlarged[0] - size[0]) // 2, (enlarged[1] - size[1]) // 2
    box = left, top, left + size[0], top + size[1]
    return torch.cat([autoencoder.encode(enlarge(image, *enlarged, upscaler).crop(box)) for image in images])
