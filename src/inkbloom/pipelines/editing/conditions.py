"""What models see of a picture beside its noised latent: those for inpainting (9 channels) and instructions (8)."""

from dataclasses import dataclass
from typing import Literal

import torch

from inkbloom.core.types import Conditioning, Float, Latent, Tensor
from inkbloom.families.spec import ModelSpec
from inkbloom.nn.steering import UNSTEERED, Steering
from inkbloom.pipelines.autoencoder import Autoencoder
from inkbloom.pipelines.editing.canvas import Canvas
from inkbloom.pipelines.pictures import from_pictures
from inkbloom.pipelines.request import ResolvedRequest
from inkbloom.sampling.control import SteerableModel
from inkbloom.sampling.editing import latent_mask

Purpose = Literal["prompt", "inpaint", "instruct"]


@dataclass(frozen=True)
class WithChannels:
    """A U-Net that is given further channels behind those of the latent."""

    network: SteerableModel
    channels: Float[Tensor, "1 channels latent_height latent_width"]

    def __call__(
        self, x: Latent, t: Float[Tensor, "batch"], conditioning: Conditioning, steering: Steering = UNSTEERED, /
    ) -> Latent:
        more = self.channels.to(x).expand(len(x), -1, -1, -1)
        return self.network(torch.cat([x, more], dim=1), t, conditioning, steering)


def purpose(spec: ModelSpec) -> Purpose | None:
    """What the U-Net's input channels say it is for; None where that is unknown."""
    latents = spec.autoencoder.latent_channels
    known: dict[int, Purpose] = {latents: "prompt", 2 * latents + 1: "inpaint", 2 * latents: "instruct"}
    return known.get(spec.unet.in_channels)


def inpaint_channels(
    autoencoder: Autoencoder, request: ResolvedRequest, canvas: Canvas | None
) -> Float[Tensor, "1 channels latent_height latent_width"]:
    """The mask on the latent grid (1 = repaint), then the latent of the picture with a grey hole there.

    Without a picture all of it is hole; without a mask too, so that the model paints as others do. `mask_strength`
    below 1 lets the old picture shine through the hole.
    """
    height, width = request.height, request.width
    mask = canvas.latent_mask_pixels() if canvas is not None else None
    if canvas is None or mask is None:
        picture, mask = torch.zeros(1, 3, height, width), torch.ones(1, 1, height, width)
    else:
        picture, mask = from_pictures([canvas.picture]), (mask > 0.5).float()
    latent = autoencoder.encode(picture * (1 - mask * request.mask_strength))
    return torch.cat([latent_mask(mask, autoencoder.downscale).to(latent), latent], dim=1)


def instruct_channels(autoencoder: Autoencoder, canvas: Canvas) -> Latent:
    """The picture's latent, unscaled, as Instruct-pix2pix has it."""
    return autoencoder.encode(canvas.picture) / autoencoder.latent_scale
