"""TAESD (Bohan 2023): a tiny autoencoder of plain convolutions for a family's scaled latents, good for previews.

Block: relu(x + conv relu conv relu conv (x)), all of one width, no norms, no attention. The layers stand in one list,
as in its files, whose keys are their numbers.
"""

from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from inkbloom.core.types import Image, Latent

_LARGEST = 3.0
"""Latents are pressed into (-3, 3) before they are decoded, as 3 tanh(z / 3)."""


@dataclass(frozen=True, kw_only=True)
class TinySpec:
    """One half; the defaults are the decoder of SD 1."""

    channels: int = 64
    blocks: tuple[int, ...] = (3, 3, 3, 1)
    """Of each resolution, in the order in which they are gone through; 2 to 1 between neighbours."""
    latent_channels: int = 4


TAESD_DECODER = TinySpec()
TAESD_ENCODER = TinySpec(blocks=(1, 3, 3, 3))


class TinyBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        first, second, third = (_conv(channels, channels) for _ in range(3))
        self.conv = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.conv(x))


class TinyDecoder(nn.Module):
    def __init__(self, spec: TinySpec) -> None:
        super().__init__()
        self.spec = spec
        width = spec.channels
        first, *others = ([TinyBlock(width) for _ in range(count)] for count in spec.blocks)
        enlarged = ([nn.Upsample(scale_factor=2), _conv(width, width, bias=False), *blocks] for blocks in others)
        self.layers = nn.Sequential(
            _conv(spec.latent_channels, width), nn.ReLU(), *first, *chain(*enlarged), _conv(width, 3)
        )

    def forward(self, latent: Latent) -> Image:
        """The image, roughly in [-1, 1] (not clamped), for scaled latents."""
        return 2 * self.layers(torch.tanh(latent / _LARGEST) * _LARGEST) - 1


class TinyEncoder(nn.Module):
    def __init__(self, spec: TinySpec) -> None:
        super().__init__()
        self.spec = spec
        width = spec.channels
        first, *others = ([TinyBlock(width) for _ in range(count)] for count in spec.blocks)
        reduced = ([_conv(width, width, stride=2, bias=False), *blocks] for blocks in others)
        self.layers = nn.Sequential(_conv(3, width), *first, *chain(*reduced), _conv(width, spec.latent_channels))

    def forward(self, image: Image) -> Latent:
        """The scaled latent for an image in [-1, 1] whose sides divide by 2 for each but one of `spec.blocks`."""
        return self.layers((image + 1) / 2)


def _conv(in_channels: int, out_channels: int, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=bias)
