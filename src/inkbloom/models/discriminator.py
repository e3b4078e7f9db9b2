"""The adversary of the autoencoder's training: a PatchGAN discriminator (Isola et al. 2017, section 3.2.2)."""

import torch
from torch import Tensor, nn

from inkbloom.core.types import Float, Image

_GROUP_WIDTH = 16
"""Channels that are normed together."""


class PatchDiscriminator(nn.Module):
    """How real each patch of a picture looks: above 0 real, below 0 made; one number for patches that overlap.

    `num_layers` strided convolutions of 4 x 4, each twice as wide as the one before (at most eight times `width`),
    then two with stride 1. With three, a number sees 70 x 70 pixels and there is one for every 8.

    Group norm stands where the paper has batch norm, so that a picture's numbers do not depend on its batch: neither
    accumulation nor the number of processes changes what is learned, and there are no running statistics to resume.
    """

    def __init__(self, *, width: int = 64, num_layers: int = 3) -> None:
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(num_layers + 1)]
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for i in range(1, num_layers + 1):
            stride = 2 if i < num_layers else 1
            layers += [
                nn.Conv2d(widths[i - 1], widths[i], 4, stride=stride, padding=1, bias=False),
                nn.GroupNorm(max(1, widths[i] // _GROUP_WIDTH), widths[i]),
                nn.LeakyReLU(0.2),
            ]
        layers.append(nn.Conv2d(widths[-1], 1, 4, padding=1))
        self.layers = nn.Sequential(*layers)
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):  # as in the paper; PyTorch's own start is several times wider
                nn.init.normal_(layer.weight, std=0.02)

    def forward(self, image: Image) -> Float[Tensor, "batch 1 patches_high patches_wide"]:
        """One logit a patch, for an image in [-1, 1] whose sides are at least `smallest_side`."""
        return self.layers(image)


def smallest_side(num_layers: int) -> int:
    """The least side of a picture that leaves one patch."""
    return 3 * 2**num_layers


def hinge_loss(real: Tensor, made: Tensor) -> Tensor:
    """The discriminator's loss for each picture (batch,): half of mean max(0, 1 - real) + mean max(0, 1 + made)."""
    loss = torch.relu(1.0 - real).mean(dim=(1, 2, 3)) + torch.relu(1.0 + made).mean(dim=(1, 2, 3))
    return 0.5 * loss
