"""The VQ autoencoder (van den Oord et al. 2017; Esser et al. 2021): each latent vector is one of a learned codebook.

Latents here are what the encoder makes, *before* they snap to the codebook, as in Rombach et al. 2022, section 3.1: the
diffusion works on those, and the decoder begins with the snapping.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inkbloom.core.types import Float, Image, Int, Latent
from inkbloom.models.autoencoder import AutoencoderSpec, Decoder, Encoder


@dataclass(frozen=True, kw_only=True)
class VQSpec(AutoencoderSpec):
    """`latent_channels` is the width of a code too."""

    codebook_size: int


@dataclass(frozen=True)
class Quantized:
    """Latents on the codebook, and how far they went."""

    latent: Latent
    """The nearest codes. Their gradient goes to what was quantized as if nothing had happened (straight-through)."""
    indices: Int[Tensor, "batch latent_height latent_width"]
    codebook_loss: Float[Tensor, "batch"]
    """Mean of (sg[z] - code)^2: pulls the codes to the latents."""
    commitment_loss: Float[Tensor, "batch"]
    """Mean of (z - sg[code])^2: pulls the latents to their codes."""


class VectorQuantizer(nn.Module):
    def __init__(self, codebook_size: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(codebook_size, width)
        nn.init.uniform_(self.embedding.weight, -1.0 / codebook_size, 1.0 / codebook_size)

    def forward(self, latent: Latent) -> Quantized:
        """Each vector's nearest code in Euclidean distance; computed in float32 whatever the latents' precision."""
        z = latent.movedim(1, -1).float()  # b h w c
        with torch.no_grad():
            indices = torch.cdist(z.flatten(0, 2), self.embedding.weight.float()).argmin(dim=1).view(z.shape[:3])
        codes = self.embedding(indices)
        codebook_loss = (z.detach() - codes).square().mean(dim=(1, 2, 3))
        commitment_loss = (z - codes.detach()).square().mean(dim=(1, 2, 3))
        straight = z + (codes - z).detach()
        return Quantized(straight.movedim(-1, 1), indices, codebook_loss, commitment_loss)  # b c h w


class VQModel(nn.Module):
    def __init__(self, spec: VQSpec) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = Encoder(spec, spec.latent_channels)
        self.decoder = Decoder(spec)
        self.quant_conv = nn.Conv2d(spec.latent_channels, spec.latent_channels, 1)
        self.post_quant_conv = nn.Conv2d(spec.latent_channels, spec.latent_channels, 1)
        self.quantize = VectorQuantizer(spec.codebook_size, spec.latent_channels)

    def encode(self, image: Image) -> Latent:
        """Latents, not yet quantized, for an image in [-1, 1] whose sides divide by `spec.downscale`."""
        return self.quant_conv(self.encoder(image))

    def decode(self, latent: Latent) -> Image:
        """The image, roughly in [-1, 1] (not clamped), for latents, which are quantized first."""
        return self.decode_codes(self.quantize(latent).latent)

    def decode_codes(self, codes: Latent) -> Image:
        """The image for latents that are quantized already."""
        return self.decoder(self.post_quant_conv(codes))


def perplexity(indices: Tensor, codebook_size: int) -> float:
    """exp of the entropy of how often the codes occur: as many as are used if all were used alike; at least 1."""
    shares = torch.bincount(indices.flatten(), minlength=codebook_size).double() / indices.numel()
    return torch.special.entr(shares).sum().exp().item()
