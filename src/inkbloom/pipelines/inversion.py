"""The noise of a given picture: what a deterministic sampler would have to start from to paint it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image as PILImage
from safetensors.torch import save_file

from inkbloom.core.errors import RequestError
from inkbloom.core.types import Latent
from inkbloom.pipelines.editing.canvas import prepare_canvas
from inkbloom.pipelines.editing.sources import NOISE_KEY, NoiseSource, PictureSource
from inkbloom.pipelines.quality import psnr
from inkbloom.pipelines.request import GenerationRequest, ResolvedRequest
from inkbloom.pipelines.stable_diffusion import Result, StableDiffusion
from inkbloom.sampling.inversion import InversionRule

SAMPLERS: dict[str, InversionRule] = {"DDIM": "ddim", "Euler": "euler"}
"""Those that can be inverted, and how."""


@dataclass(frozen=True, kw_only=True)
class Inversion:
    noise: Latent
    """(1, c, h, w), in place of a seed's."""
    request: ResolvedRequest
    """What paints the picture again once the noise is its `init_noise`."""
    picture: PILImage.Image
    """The given one, in the size that was inverted."""
    decoded: PILImage.Image
    """The same through the autoencoder and back: no inversion can come nearer than this."""

    def save(self, path: Path) -> None:
        """Write the noise as .safetensors, with the request as metadata."""
        tensors = {NOISE_KEY: self.noise.contiguous().cpu()}
        save_file(tensors, path, metadata={"request": self.request.model_dump_json()})


def invert(
    model: StableDiffusion, picture: PILImage.Image, request: GenerationRequest, *, rounds: int = 2
) -> Inversion:
    """Find the noise of a picture under a prompt.

    Where the request leaves it open, the sampler is DDIM and guidance is off (1), since what is guided is far from
    straight. `rounds` are corrections of each step, one more call each (`sampling.inversion.invert`). `RequestError`
    for a sampler that cannot be inverted.
    """
    given = {"init_image": PictureSource.of(picture), "mask_image": None, "init_noise": None, "strength": 1.0}
    given |= {"sampler": request.sampler or "DDIM", "num_images": 1, "variation_strength": 0.0}
    given["guidance_scale"] = 1.0 if request.guidance_scale is None else request.guidance_scale
    request = model.resolve(request.model_copy(update=given))
    if request.sampler not in SAMPLERS:
        raise RequestError(f'Sampler "{request.sampler}" cannot be run backwards; use {" or ".join(SAMPLERS)}.')
    canvas = prepare_canvas(request)
    read = model.prompts.read(request)
    with torch.inference_mode(), model.adapters.applied(read.uses):
        (conditions,) = model.prompts.encode([read])
        noise, decoded = model.painter.invert(request, conditions, canvas, SAMPLERS[request.sampler], rounds)
    plain = read.request.model_copy(update={"init_image": None})
    return Inversion(noise=noise, request=plain, picture=canvas.picture, decoded=decoded)


def repaint(model: StableDiffusion, inversion: Inversion, noise: NoiseSource, **changed: Any) -> Result:
    """Paint from the noise of an inversion, written as `noise`, with some fields changed, such as the prompt."""
    again = {"init_noise": noise, "network_hashes": {}, "a1111_hashes": {}, **changed}
    return model.generate(inversion.request.model_copy(update=again))


def errors(inversion: Inversion, painted: PILImage.Image) -> tuple[float, float]:
    """PSNR in decibels of the picture painted again, and of the autoencoder alone, both to the given one."""
    return psnr(painted, inversion.picture), psnr(inversion.decoded, inversion.picture)
