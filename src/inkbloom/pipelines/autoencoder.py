"""Pictures to scaled latents and back: the autoencoder network with its family's scale, careful with memory and NaN."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from PIL import Image as PILImage

from inkbloom.core.errors import CheckpointError, MemoryNeededError, RequestError
from inkbloom.core.tiles import Tiling
from inkbloom.core.types import Image, Latent
from inkbloom.models.autoencoder import AutoencoderKL, AutoencoderSpec
from inkbloom.nn.seamless import wrapped_axes
from inkbloom.pipelines.memory import (
    available_bytes,
    decode_bytes,
    encode_bytes,
    is_out_of_memory,
    middle_bytes,
    require,
)
from inkbloom.pipelines.pictures import from_pictures
from inkbloom.pipelines.tiled_autoencoder import MEASURED, decode_tiled, encode_tiled

PIXELS_AT_ONCE = 4 * 512 * 512
"""Pictures are decoded in chunks of about so many pixels; larger chunks are not faster."""
TILE = 512
"""Pixels of a tile's side, where pictures do not fit whole; neighbours overlap by a quarter."""


class _OneByOneError(Exception):
    """Several pictures at once ran out of memory."""


class Autoencoder:
    """`encode` and `decode` for one loaded autoencoder. Latents are scaled: their variance is near 1."""

    def __init__(self, network: AutoencoderKL, latent_scale: float, *, tile: int | None = None) -> None:
        """`tile` is the side in pixels of the squares that larger pictures are worked on in, always; None: squares of
        `TILE` pixels, where memory does not suffice for the whole. `RequestError` unless it divides by 8 latent points.
        """
        self.network = network
        self.latent_scale = latent_scale
        self.tile = tile
        step = 8 * self.downscale
        if tile is not None and (tile < step or tile % step):
            raise RequestError(f"The autoencoder's tile is {tile} pixels; it must be a multiple of {step}.")

    @property
    def downscale(self) -> int:
        """Pixels a latent point stands for, in height and in width."""
        return self.network.spec.downscale

    @property
    def _parameter(self) -> torch.Tensor:
        return self.network.quant_conv.weight

    @torch.no_grad()
    def encode(self, picture: PILImage.Image | Image, *, noise: Latent | None = None) -> Latent:
        """The scaled latent of a picture, or of a batch of images in [-1, 1]; float32.

        The mean of the encoder's distribution, or with standard normal `noise` a sample of it. `RequestError` unless
        both sides divide by `downscale`; `MemoryNeededError` where the picture is too large, in tiles too.
        """
        image = from_pictures([picture]) if isinstance(picture, PILImage.Image) else picture
        height, width = image.shape[2:]
        if height % self.downscale or width % self.downscale:
            raise RequestError(f"A picture of {width} x {height} pixels: both sides must divide by {self.downscale}.")

        def work(network: AutoencoderKL, windows: Tiling | None) -> Latent:
            parameter = network.quant_conv.weight
            pixels = image.to(parameter.device, parameter.dtype)
            distribution = network.encode(pixels) if windows is None else encode_tiled(network, pixels, windows)
            raw = distribution.mean if noise is None else distribution.sample(noise.to(parameter))
            return raw.float() * self.latent_scale

        return self._finite(self._carefully(work, encode_bytes, width, height, "Encoding a picture of"), "encoder")

    @torch.no_grad()
    def decode(self, latent: Latent) -> Image:
        """The images in [-1, 1] of scaled latents, float32.

        Where half precision gives NaN, the network changes to float32 for good and decodes again. When memory runs out,
        the pictures are decoded one by one, then in tiles, then on the CPU; `MemoryNeededError` where that fails too.
        """
        height, width = (self.downscale * side for side in latent.shape[2:])
        chunk = max(1, PIXELS_AT_ONCE // (height * width))
        images = torch.cat([self._decode_chunk(part) for part in latent.split(chunk)])
        return self._finite(images, "decoder").clamp(-1.0, 1.0)

    def _decode_chunk(self, latent: Latent) -> Image:
        height, width = (self.downscale * side for side in latent.shape[2:])

        def work(network: AutoencoderKL, windows: Tiling | None) -> Image:
            raw = latent.to(network.quant_conv.weight) / self.latent_scale
            images = network.decode(raw) if windows is None else decode_tiled(network, raw, windows)
            return images.float().to(latent.device)

        try:
            return self._carefully(work, decode_bytes, width, height, "Decoding", alone=len(latent) == 1)
        except _OneByOneError:
            pass  # outside the handler, so that the failed call's tensors are free
        return torch.cat([self._decode_chunk(one) for one in latent.split(1)])

    def require_decode(self, width: int, height: int) -> None:
        """`MemoryNeededError` where decoding one picture of so many pixels surely does not fit, in tiles neither."""
        spec, dtype = self.network.spec, self._parameter.dtype
        largest = MEASURED * (self.tile or TILE)
        size = min(width, largest), min(height, largest)
        needed = max(decode_bytes(spec, *size, dtype), middle_bytes(spec, width, height, dtype))
        require(needed, available_bytes(self._parameter.device), f"Decoding {width} x {height} pixels")

    def _carefully(
        self,
        work: Callable[[AutoencoderKL, Tiling | None], torch.Tensor],
        estimate: Callable[[AutoencoderSpec, int, int, torch.dtype], int],
        width: int,
        height: int,
        what: str,
        *,
        alone: bool = True,
    ) -> torch.Tensor:
        """`work` whole where it may fit, then in tiles, then on the CPU; again in float32 where half gave NaN."""
        device, dtype = self._parameter.device, self._parameter.dtype
        available = available_bytes(device)
        fits = available is None or estimate(self.network.spec, width, height, dtype) <= available
        windows = self._windows()
        ways: list[tuple[bool, Tiling | None]] = [(False, windows)]
        if device.type != "cpu":
            ways.append((True, windows))
        if (self.tile is None and fits) or max(width, height) <= windows.size:
            ways.insert(0, (False, None))
        for on_cpu, tiling in ways:
            network = copy.deepcopy(self.network).float().cpu() if on_cpu else self.network
            try:
                made = work(network, tiling)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            else:
                if made.isfinite().all() or network.quant_conv.weight.dtype is torch.float32:
                    return made
                self.network.float()
                return self._carefully(work, estimate, width, height, what, alone=alone)
            if not alone:
                raise _OneByOneError
        raise MemoryNeededError(f"{what} {width} x {height} pixels ran out of memory; choose a smaller size.")

    def _windows(self) -> Tiling:
        """In pixels."""
        size = self.tile or TILE
        return Tiling(size=size, overlap=size // 4, step=self.downscale, wrap=wrapped_axes())

    def compression(self) -> float:
        """How many times fewer numbers a latent has than its picture."""
        return 3 * self.downscale**2 / self.network.spec.latent_channels

    @staticmethod
    def _finite(values: torch.Tensor, part: str) -> torch.Tensor:
        if not values.isfinite().all():
            raise CheckpointError(f"The {part} gives numbers that are not finite, in float32 too; is its file damaged?")
        return values
