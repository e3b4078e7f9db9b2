"""T2I-Adapter: a small network that reads a picture once and steers a U-Net's way down (Mou et al. 2023, section 3.2).

The picture's pixels are folded into channels, down to the latent's resolution; then each level halves it, as the U-Net
does, and gives a feature map that is added to that level's output. Unlike a ControlNet it sees neither the noised
latent nor the time step, so that one call serves a whole run.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.core.types import Float
from inkbloom.models.unet import UNetSpec


@dataclass(frozen=True, kw_only=True)
class T2IAdapterSpec:
    level_channels: tuple[int, ...]
    """Those of the U-Net's levels."""
    num_blocks: int = 2
    """Residual blocks in each level."""
    hint_in_channels: int = 3
    light: bool = False
    """Work in a quarter of the channels, with two 3x3 convolutions in a block."""
    downscale: int = 8
    """Pixels to a latent point, along a side."""


def adapter_for(unet: UNetSpec, *, light: bool = False) -> T2IAdapterSpec:
    """The usual adapter for such a U-Net."""
    channels = tuple(level.channels for level in unet.levels)
    return T2IAdapterSpec(level_channels=channels, num_blocks=4 if light else 2, light=light)


class AdapterBlock(nn.Module):
    def __init__(self, channels: int, *, light: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1) if light else nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x)))


class AdapterLevel(nn.Module):
    def __init__(self, spec: T2IAdapterSpec, in_channels: int, channels: int, *, shrink: bool) -> None:
        super().__init__()
        self.shrink = shrink
        width = channels // 4 if spec.light else channels
        changes = spec.light or in_channels != channels
        self.conv_in = nn.Conv2d(in_channels, width, 1) if changes else nn.Identity()
        self.blocks = nn.ModuleList(AdapterBlock(width, light=spec.light) for _ in range(spec.num_blocks))
        self.conv_out = nn.Conv2d(width, channels, 1) if spec.light else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        if self.shrink:
            x = F.avg_pool2d(x, 2, ceil_mode=True)
        x = self.conv_in(x)
        for block in self.blocks:
            x = block(x)
        return self.conv_out(x)


class T2IAdapter(nn.Module):
    def __init__(self, spec: T2IAdapterSpec) -> None:
        super().__init__()
        self.spec = spec
        first, folded = spec.level_channels[0], spec.hint_in_channels * spec.downscale**2
        # The light one has its first convolution in its first level
        self.conv_in = nn.Identity() if spec.light else nn.Conv2d(folded, first, 3, padding=1)
        widths = (folded if spec.light else first, *spec.level_channels)
        self.levels = nn.ModuleList(
            AdapterLevel(spec, widths[i], channels, shrink=i > 0) for i, channels in enumerate(spec.level_channels)
        )

    def forward(self, hint: Float[Tensor, "batch hint_channels height width"]) -> tuple[Tensor, ...]:
        """The feature map for each level of the U-Net; `hint` is in [0, 1], its sides divide by `spec.downscale`."""
        x = self.conv_in(F.pixel_unshuffle(hint, self.spec.downscale))
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return tuple(features)
