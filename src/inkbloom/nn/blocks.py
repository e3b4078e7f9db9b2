"""The convolution blocks that U-Net, autoencoder and (later) ControlNet are built of."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ResnetBlock(nn.Module):
    """Two convolutions with group norm and SiLU around a residual path; `time_dim` adds a projected time embedding.

    (Ho et al. 2020, appendix B.) Feature maps are (batch, channels, height, width).
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, norm_groups: int, eps: float, time_dim: int | None = None
    ) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(norm_groups, in_channels, eps=eps)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time = nn.Linear(time_dim, out_channels) if time_dim else None
        self.norm2 = nn.GroupNorm(norm_groups, out_channels, eps=eps)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.skip = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x)))
        if self.time is not None and time is not None:
            hidden = hidden + self.time(F.silu(time))[:, :, None, None]
        hidden = self.conv2(F.silu(self.norm2(hidden)))
        return self.skip(x) + hidden


class Downsample(nn.Module):
    """Halve height and width by a strided convolution.

    The U-Net pads all sides; the autoencoder only right and bottom (`pad_all=False`), as the original did.
    """

    def __init__(self, channels: int, *, pad_all: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1 if pad_all else 0)
        self.pad_all = pad_all

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x if self.pad_all else F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double height and width (or match `size`, where a skip connection was odd) by nearest neighbour; convolve."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, size: torch.Size | None = None) -> Tensor:
        if size is None or size == (2 * x.shape[2], 2 * x.shape[3]):
            return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv(F.interpolate(x, size=size, mode="nearest"))
