"""Does it fit? Refuse beforehand what surely does not, and recognise the moment when memory ran out.

The estimates are lower bounds from the largest feature maps that exist at the same time; attention counts nothing,
because its fused kernels never hold the matrix of all pairs. What passes may still run out: `is_out_of_memory` tells.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from inkbloom.core.errors import MemoryNeededError
from inkbloom.models.autoencoder import AutoencoderSpec
from inkbloom.models.unet import UNetSpec

if TYPE_CHECKING:
    from inkbloom.families.spec import ModelSpec
    from inkbloom.pipelines.request import ResolvedRequest

BLOCK_MAPS = 3
"""Feature maps alive inside a residual block: its input, the normed input, and that after SiLU."""

FEED_FORWARD_MAPS = 18
"""Alive in a transformer block's feed-forward, in its widths: input 1, normed 1, widened 8, GELU 4, product 4."""

_TILE = 1024
"""Pixels a side; larger pictures are decoded in tiles, if need be."""

_MEMORY_MAX = Path("/sys/fs/cgroup/memory.max")
_MEMINFO = Path("/proc/meminfo")


def decode_bytes(spec: AutoencoderSpec, width: int, height: int, dtype: torch.dtype) -> int:
    """The least memory to decode one picture of so many pixels."""
    # The last level starts with the channels of the one before.
    channels = max(spec.level_channels[:2])
    return BLOCK_MAPS * channels * width * height * dtype.itemsize


def encode_bytes(spec: AutoencoderSpec, width: int, height: int, dtype: torch.dtype) -> int:
    """The least memory to encode one picture of so many pixels."""
    return BLOCK_MAPS * spec.level_channels[0] * width * height * dtype.itemsize


def middle_bytes(spec: AutoencoderSpec, width: int, height: int, dtype: torch.dtype) -> int:
    """The least memory for the part of the autoencoder that sees the whole picture, at the latents' resolution."""
    points = (width // spec.downscale) * (height // spec.downscale)
    return BLOCK_MAPS * spec.level_channels[-1] * points * dtype.itemsize


def unet_bytes(spec: UNetSpec, latent_width: int, latent_height: int, batch: int, dtype: torch.dtype) -> int:
    """The least memory for one U-Net call, where `batch` counts the guided and unguided halves alike."""
    first = spec.levels[0]
    working = (FEED_FORWARD_MAPS if first.transformer_depth else BLOCK_MAPS) * first.channels
    return batch * working * latent_width * latent_height * dtype.itemsize


def steering_bytes(spec: UNetSpec, latent_width: int, latent_height: int, batch: int, dtype: torch.dtype) -> int:
    """The least memory for what a ControlNet hands to the U-Net: beside every feature map that is kept, another one."""
    points = batch * latent_width * latent_height
    total = spec.levels[0].channels * points
    for i, level in enumerate(spec.levels):
        # Below the last level none is left for a next one
        halved = level.channels * points // 4 ** (i + 1) if i < len(spec.levels) - 1 else 0
        total += level.num_blocks * level.channels * points // 4**i + halved
    return total * dtype.itemsize


def painting_bytes(spec: "ModelSpec", request: "ResolvedRequest", dtype: torch.dtype = torch.float32) -> int:
    """The least memory for the largest moment of painting: a call of the U-Net, or the decoding of a picture.

    Known before the model is loaded; the weights come on top.
    """
    width, height = request.width, request.height
    if request.hires is not None:
        width, height = request.hires.size(width, height)
    down = spec.autoencoder.downscale
    latent_width, latent_height = width // down, height // down
    together = min(request.batch_size, request.num_images) * (1 + (request.guidance_scale != 1))
    if request.tiled_diffusion is not None:
        window = (request.tiled_diffusion.size or spec.default_size) // down
        latent_width, latent_height = min(latent_width, window), min(latent_height, window)
        together *= request.tiled_diffusion.at_once
    return max(
        unet_bytes(spec.unet, latent_width, latent_height, together, dtype),
        decode_bytes(spec.autoencoder, min(width, _TILE), min(height, _TILE), torch.float32),
    )


def available_bytes(device: torch.device) -> int | None:
    """Free memory of the device in bytes; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    if _MEMINFO.exists():
        fields = dict(line.split(":") for line in _MEMINFO.read_text().splitlines())
        free = 1024 * int(fields["MemAvailable"].split()[0])
        limit = _MEMORY_MAX.read_text().strip() if _MEMORY_MAX.exists() else "max"
        return free if limit == "max" else min(free, int(limit))
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def require(needed: int, available: int | None, what: str) -> None:
    """`MemoryNeededError` unless `needed` bytes are available; an unknown amount passes."""
    if available is not None and needed > available:
        raise MemoryNeededError(
            f"{what} needs at least {_gib(needed)} of memory, but {_gib(available)} are free; "
            "choose a smaller size or fewer pictures at once."
        )


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch failed for want of memory: its own error on GPUs, a message of the allocator on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
