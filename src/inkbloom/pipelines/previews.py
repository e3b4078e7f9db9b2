"""A picture while it is painted, at a price that one may choose.

    none    no picture
    matrix  a colour for each latent point: a blurred little picture, for nothing
    tiny    a small decoder (`models.tiny_autoencoder`): nearly the picture, for a part of what full costs
    full    the autoencoder itself

previewer = Previewer.of(model, "matrix")
model.generate("a cat", on_progress=lambda progress: show(previewer(progress)))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from PIL import Image as PILImage
from torch.nn import functional as F

from inkbloom.checkpoints.library import Library
from inkbloom.checkpoints.tiny_autoencoders import load_tiny_decoder
from inkbloom.core.errors import CheckpointError, RequestError, nearest
from inkbloom.core.types import Image, Latent
from inkbloom.families import sd1, starter
from inkbloom.families.previews import PreviewFacts
from inkbloom.pipelines.device import Compute
from inkbloom.pipelines.pictures import to_pictures
from inkbloom.pipelines.stable_diffusion import Progress, StableDiffusion

PreviewMethod = Literal["none", "matrix", "tiny", "full"]

_FACTS = {"sd1": sd1.PREVIEW, "starter": starter.PREVIEW}


@dataclass(frozen=True)
class Previewer:
    """Makes pictures of what a progress callback is told."""

    decode: Callable[[Latent], Image] | None
    """From scaled latents to images in [-1, 1]; None makes no pictures."""

    @classmethod
    def of(cls, model: StableDiffusion, method: PreviewMethod, library: Library | None = None) -> Previewer:
        """The previewer for a model's latents; without `library` files are looked for in the model's own.

        `RequestError` for an unknown method, and where nothing is known of the model's latents but their autoencoder;
        `CheckpointError` where the tiny decoder is not found or cannot be read.
        """
        match method:
            case "none":
                return cls(None)
            case "matrix":
                return cls(_Colors(_facts(model, method), model.autoencoder.downscale))
            case "tiny":
                return cls(_tiny(_facts(model, method), library or model.library, model.compute))
            case "full":
                return cls(model.autoencoder.decode)
        raise RequestError(f'Unknown preview "{method}".{nearest(method, get_args(PreviewMethod))}')

    @torch.inference_mode()
    def __call__(self, progress: Progress) -> list[PILImage.Image]:
        """A picture of full size for each of the batch's, as the model believes it will be; none for method "none"."""
        return [] if self.decode is None else to_pictures(self.decode(progress.denoised))


class _Colors:
    """The matrix, and each point as large as it stands for."""

    def __init__(self, facts: PreviewFacts, downscale: int) -> None:
        self._colors, self._bias = torch.tensor(facts.colors), torch.tensor(facts.bias)
        self._downscale = downscale

    def __call__(self, latent: Latent) -> Image:
        colors = latent.float().cpu().movedim(1, -1) @ self._colors + self._bias  # b h w c
        return F.interpolate(colors.movedim(-1, 1), scale_factor=self._downscale, mode="bilinear")


def _tiny(facts: PreviewFacts, library: Library | None, compute: Compute) -> Callable[[Latent], Image]:
    path = facts.tiny_decoder
    if not isinstance(path, Path):
        if library is None:
            raise CheckpointError(
                f'Preview "tiny" needs the file {path}.safetensors or .pth in the folder vae_approx of a library of '
                'models; no library was given. Preview "matrix" needs no file.'
            )
        path = library.find(path, "vae_approx")
    decoder = load_tiny_decoder(path).to(compute.device, compute.dtype)
    return lambda latent: decoder(latent.to(compute.device, compute.dtype))


def _facts(model: StableDiffusion, method: PreviewMethod) -> PreviewFacts:
    facts = _FACTS.get(model.spec.family)
    if facts is None or facts.latent_scale != model.spec.latent_scale:
        raise RequestError(
            f'Preview "{method}" is not known for the latents of model "{model.name}"; choose "full" or "none".'
        )
    return facts
