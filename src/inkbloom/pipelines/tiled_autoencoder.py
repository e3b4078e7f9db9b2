"""An autoencoder's work on a picture of any size, in windows.

All that is large in it, the levels of higher resolution, sees only its surroundings and runs in overlapping windows.
The middle, whose attention sees the whole picture, runs on all of it: there the maps are an eighth as high and wide. So
what is left between this and the whole network's result comes from two things: group norms, whose statistics are
measured beforehand on a picture that is thinned out where it is large (`nn.statistics`), and what is cut off at the
edges of windows, which blending hides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch.nn import functional as F

from inkbloom.core.tiles import Tiling, blended
from inkbloom.core.types import Float, Image, Latent, Tensor
from inkbloom.models.autoencoder import AutoencoderKL, LatentDistribution
from inkbloom.nn.statistics import SharedStatistics

MEASURED = 2
"""Statistics of group norms are measured on the picture thinned out to at most so many windows a side: exactly, where
it is no larger."""

Maps = Float[Tensor, "batch channels height width"]


def decode_tiled(network: AutoencoderKL, raw: Latent, tiling: Tiling) -> Image:
    """As `network.decode`, float32; `tiling` is in pixels, its step a latent point's."""
    down = network.spec.downscale
    points = replace(tiling, size=tiling.size // down, overlap=tiling.overlap // down, step=1)

    def one(latent: Latent) -> Image:
        maps = network.decoder.begin(network.post_quant_conv(latent))
        return _in_windows(maps, network.decoder.grow, points, up=down)

    return torch.cat([one(latent) for latent in raw.split(1)])


def encode_tiled(network: AutoencoderKL, image: Image, tiling: Tiling) -> LatentDistribution:
    """As `network.encode`, with its middle in the image's precision."""

    def one(image: Image) -> Tensor:
        maps = _in_windows(image, network.encoder.shrink, tiling, down=network.spec.downscale)
        return network.quant_conv(network.encoder.finish(maps.to(image.dtype)))

    mean, log_variance = torch.cat([one(each) for each in image.split(1)]).chunk(2, dim=1)
    return LatentDistribution(mean, log_variance.clamp(-30.0, 20.0))


def _in_windows(maps: Maps, work: Callable[[Maps], Maps], tiling: Tiling, *, up: int = 1, down: int = 1) -> Maps:
    """`work` of one picture's maps, its group norms by statistics of all of it, thinned out."""
    most = MEASURED * tiling.size // tiling.step
    size = [min(side, most * tiling.step) for side in maps.shape[2:]]
    statistics = SharedStatistics()
    with statistics.measuring():
        work(F.interpolate(maps, size=size, mode="nearest-exact"))

    def normed(window: Maps) -> Maps:
        with statistics.applying():
            return work(window)

    return blended(maps, normed, tiling, up=up, down=down)
