"""The U-Net that predicts noise (or velocity) in the latent space (Rombach et al. 2022; Ho et al. 2020).

A level works at one resolution; each next one at half of it. On the way down every block's output is kept, on the way
up each block takes the last one kept: the skip connections. The spec says the whole architecture as a literal list of
levels.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.core.types import Conditioning, Latent
from inkbloom.nn.blocks import Downsample, ResnetBlock, Upsample
from inkbloom.nn.embeddings import sinusoidal_embedding
from inkbloom.nn.steering import UNSTEERED, Steering
from inkbloom.nn.transformer import SpatialTransformer

NORM_EPS = 1e-5


@dataclass(frozen=True, kw_only=True)
class UNetLevel:
    channels: int
    num_blocks: int
    """Residual blocks on the way down; the way up has one more."""
    transformer_depth: int
    """Transformer blocks after each residual block; 0 = none."""
    num_heads: int


@dataclass(frozen=True, kw_only=True)
class UNetSpec:
    levels: tuple[UNetLevel, ...]
    mid_transformer_depth: int = 1
    context_dim: int
    in_channels: int = 4
    out_channels: int = 4
    norm_groups: int = 32
    linear_projection: bool = False

    @property
    def time_dim(self) -> int:
        return 4 * self.levels[0].channels

    @property
    def downscale(self) -> int:
        """Latent height and width should be multiples of this; others work, with a border cut."""
        return 2 ** (len(self.levels) - 1)


SD1_UNET = UNetSpec(
    levels=(
        UNetLevel(channels=320, num_blocks=2, transformer_depth=1, num_heads=8),
        UNetLevel(channels=640, num_blocks=2, transformer_depth=1, num_heads=8),
        UNetLevel(channels=1280, num_blocks=2, transformer_depth=1, num_heads=8),
        UNetLevel(channels=1280, num_blocks=2, transformer_depth=0, num_heads=8),
    ),
    context_dim=768,
)


class WayDown(nn.Module):
    """The half of a U-Net that a ControlNet copies: time, the levels on the way down, and the middle."""

    def __init__(self, spec: UNetSpec) -> None:
        super().__init__()
        self.spec = spec
        first = spec.levels[0].channels
        self.time_in = nn.Linear(first, spec.time_dim)
        self.time_out = nn.Linear(spec.time_dim, spec.time_dim)
        self.conv_in = nn.Conv2d(spec.in_channels, first, 3, padding=1)

        # The channels of every kept feature map, in the order in which the way down makes them.
        self.kept_channels = [first]
        self.down = nn.ModuleList()
        for i, level in enumerate(spec.levels):
            is_last = i == len(spec.levels) - 1
            self.down.append(DownLevel(spec, level, self.kept_channels[-1], is_last=is_last))
            self.kept_channels += [level.channels] * (level.num_blocks + (not is_last))

        self.mid = MidBlock(spec)

    def embed_time(self, t: Tensor, dtype: torch.dtype) -> Tensor:
        time = sinusoidal_embedding(t, self.time_in.in_features).to(dtype)
        return self.time_out(F.silu(self.time_in(time)))

    def descend(self, x: Tensor, time: Tensor, context: Tensor, steering: Steering) -> tuple[Tensor, list[Tensor]]:
        """From what `conv_in` made of the latent to the middle block's output, and all that was kept before it."""
        kept = [x]
        for i, level in enumerate(self.down):
            x = level(x, time, context, kept, steering, steering.levels[i] if steering.levels else None)
        return self.mid(x, time, context, steering), kept


class UNet(WayDown):
    def __init__(self, spec: UNetSpec) -> None:
        super().__init__(spec)
        first, last = spec.levels[0].channels, spec.levels[-1].channels
        unused = list(self.kept_channels)
        self.up = nn.ModuleList()
        channels = last
        for i, level in reversed(list(enumerate(spec.levels))):
            skips = [unused.pop() for _ in range(level.num_blocks + 1)]
            self.up.append(UpLevel(spec, level, channels, skips, is_last=i == 0))
            channels = level.channels

        self.norm_out = nn.GroupNorm(spec.norm_groups, first, eps=NORM_EPS)
        self.conv_out = nn.Conv2d(first, spec.out_channels, 3, padding=1)

    def forward(self, x: Latent, t: Tensor, context: Conditioning, steering: Steering = UNSTEERED) -> Latent:
        """Predict from `x` (variance-preserving frame, unit variance) at time steps `t` (batch,) in [0, 999]."""
        # Time
        time = self.embed_time(t, x.dtype)

        # Down, and middle
        x, kept = self.descend(self.conv_in(x), time, context, steering)

        # Control
        if steering.middle is not None:
            x = x + steering.middle
        if steering.skips:
            kept = [skip + added for skip, added in zip(kept, steering.skips, strict=True)]

        # Up
        for level in self.up:
            x = level(x, time, context, kept, steering)

        # Out
        return self.conv_out(F.silu(self.norm_out(x)))


def _resnet(spec: UNetSpec, in_channels: int, out_channels: int) -> ResnetBlock:
    return ResnetBlock(in_channels, out_channels, norm_groups=spec.norm_groups, eps=NORM_EPS, time_dim=spec.time_dim)


def _transformer(spec: UNetSpec, level: UNetLevel, depth: int) -> SpatialTransformer:
    return SpatialTransformer(
        level.channels,
        level.num_heads,
        depth=depth,
        context_dim=spec.context_dim,
        norm_groups=spec.norm_groups,
        linear_projection=spec.linear_projection,
    )


class DownLevel(nn.Module):
    def __init__(self, spec: UNetSpec, level: UNetLevel, in_channels: int, *, is_last: bool) -> None:
        super().__init__()
        widths = [in_channels] + [level.channels] * level.num_blocks
        self.resnets = nn.ModuleList(_resnet(spec, a, b) for a, b in pairwise(widths))
        depth = level.transformer_depth
        self.transformers = nn.ModuleList(_transformer(spec, level, depth) for _ in self.resnets if depth)
        self.downsample = None if is_last else Downsample(level.channels, pad_all=True)

    def forward(
        self, x: Tensor, time: Tensor, context: Tensor, kept: list[Tensor], steering: Steering, added: Tensor | None
    ) -> Tensor:
        for i, resnet in enumerate(self.resnets):
            x = resnet(x, time)
            if self.transformers:
                x = self.transformers[i](x, context, steering)
            if added is not None and i == len(self.resnets) - 1:
                x = x + added
            kept.append(x)
        if self.downsample is not None:
            x = self.downsample(x)
            kept.append(x)
        return x


class MidBlock(nn.Module):
    def __init__(self, spec: UNetSpec) -> None:
        super().__init__()
        level = spec.levels[-1]
        self.resnet1 = _resnet(spec, level.channels, level.channels)
        self.transformer = _transformer(spec, level, spec.mid_transformer_depth)
        self.resnet2 = _resnet(spec, level.channels, level.channels)

    def forward(self, x: Tensor, time: Tensor, context: Tensor, steering: Steering) -> Tensor:
        x = self.resnet1(x, time)
        x = self.transformer(x, context, steering)
        return self.resnet2(x, time)


class UpLevel(nn.Module):
    def __init__(
        self, spec: UNetSpec, level: UNetLevel, in_channels: int, skip_channels: list[int], *, is_last: bool
    ) -> None:
        super().__init__()
        widths = [in_channels] + [level.channels] * level.num_blocks
        self.resnets = nn.ModuleList(
            _resnet(spec, width + skip, level.channels) for width, skip in zip(widths, skip_channels, strict=True)
        )
        depth = level.transformer_depth
        self.transformers = nn.ModuleList(_transformer(spec, level, depth) for _ in self.resnets if depth)
        self.upsample = None if is_last else Upsample(level.channels)

    def forward(self, x: Tensor, time: Tensor, context: Tensor, kept: list[Tensor], steering: Steering) -> Tensor:
        for i, resnet in enumerate(self.resnets):
            x = resnet(torch.cat([x, kept.pop()], dim=1), time)
            if self.transformers:
                x = self.transformers[i](x, context, steering)
        if self.upsample is not None:
            x = self.upsample(x, kept[-1].shape[2:])
        return x
