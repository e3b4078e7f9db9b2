"""Pictures as latents: encoded once, kept on disk under what they depend on.

A file holds the encoder's mean and log variance in float32, so that training from the cache is training without it, to
the bit. Its name is a hash of the picture's content, the autoencoder's weights, and how the picture was scaled, cropped
and mirrored: what changes one of them is encoded anew, and nothing has to be cleared by hand.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from inkbloom.checkpoints.writing import write_whole
from inkbloom.core.errors import TrainingError
from inkbloom.core.types import Image
from inkbloom.models.autoencoder import AutoencoderKL, LatentDistribution
from inkbloom.training.data.decoding import Framing

_VERSION = 1
"""Goes up when pictures are decoded or scaled in another way."""


class LatentEncoder:
    def __init__(self, autoencoder: AutoencoderKL, latent_scale: float, folder: Path | None = None) -> None:
        """Encodes on the autoencoder's device in its precision; without a `folder` nothing is kept."""
        self.autoencoder = autoencoder.eval().requires_grad_(False)
        self.latent_scale = latent_scale
        self._weights = weights_hash(autoencoder)
        self._folder = None if folder is None else folder / self._weights[:16]
        self._encoding = threading.Lock()

    @property
    def caches(self) -> bool:
        return self._folder is not None

    def distribution(self, sha256: str, framing: Framing, pixels: Callable[[], Image], name: str) -> LatentDistribution:
        """The raw latents of one picture, by the cache or by its `pixels`; float32 on the CPU.

        A file that is damaged is made again. `TrainingError` names the picture whose latents are not finite.
        """
        file = self._file(sha256, framing)
        if file is not None and (kept := _read(file)) is not None:
            return kept
        image = pixels()
        with self._encoding:
            if file is not None and (kept := _read(file)) is not None:
                return kept  # by another thread meanwhile: a batch can have a picture twice
            made = self._encode(image, name)
            if file is not None:
                tensors = {"mean": made.mean, "log_variance": made.log_variance}
                write_whole(file, lambda place: save_file(tensors, place))
            return made

    def has(self, sha256: str, framing: Framing) -> bool:
        """Whether the cache has a file for it."""
        file = self._file(sha256, framing)
        return file is not None and file.exists()

    def _file(self, sha256: str, framing: Framing) -> Path | None:
        if self._folder is None:
            return None
        fit = framing.fit
        parts = (_VERSION, sha256, fit.resized, fit.bucket, framing.left, framing.top, framing.mirrored)
        key = hashlib.sha256(repr(parts).encode()).hexdigest()
        return self._folder / key[:2] / f"{key}.safetensors"

    @torch.no_grad()
    def _encode(self, image: Image, name: str) -> LatentDistribution:
        # One by one, so that a picture's latents do not depend on which others are in its batch.
        weight = self.autoencoder.quant_conv.weight
        raw = self.autoencoder.encode(image.to(weight.device, weight.dtype))
        mean, log_variance = (tensor.float().cpu().contiguous() for tensor in (raw.mean, raw.log_variance))
        if not (mean.isfinite().all() and log_variance.isfinite().all()):
            hint = "" if weight.dtype is torch.float32 else f"; try float32, as it overflows in {weight.dtype}"
            raise TrainingError(f'The autoencoder gives numbers that are not finite for "{name}"{hint}.')
        return LatentDistribution(mean, log_variance)


def weights_hash(autoencoder: AutoencoderKL) -> str:
    """SHA-256 over the encoder's side of the weights, by name: the decoder's do not change latents."""
    digest = hashlib.sha256()
    for name, tensor in sorted(autoencoder.state_dict().items()):
        if name.startswith(("encoder.", "quant_conv.")):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read(file: Path) -> LatentDistribution | None:
    """None where there is no such file, or none that can be used."""
    try:
        with safe_open(file, "pt") as tensors:
            return LatentDistribution(tensors.get_tensor("mean"), tensors.get_tensor("log_variance"))
    except (OSError, SafetensorError):
        return None
