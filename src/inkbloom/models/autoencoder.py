"""The KL autoencoder: pictures to latents an eighth as high and wide, and back (Kingma & Welling 2014; Esser et al.).

Here latents are *raw*: as the encoder makes them. The family's scale factor, which brings their variance near 1 for the
diffusion, is applied by `Autoencoder.encode`/`.decode` in the pipelines, not by the network.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.core.types import Image, Latent
from inkbloom.nn.attention import Attention
from inkbloom.nn.blocks import Downsample, ResnetBlock, Upsample

NORM_EPS = 1e-6


@dataclass(frozen=True, kw_only=True)
class AutoencoderSpec:
    level_channels: tuple[int, ...]
    """Widths from full resolution downwards; each next level halves height and width."""
    num_blocks: int
    """Residual blocks a level in the encoder; the decoder has one more."""
    latent_channels: int = 4
    norm_groups: int = 32

    @property
    def downscale(self) -> int:
        return 2 ** (len(self.level_channels) - 1)


SD1_AUTOENCODER = AutoencoderSpec(level_channels=(128, 256, 512, 512), num_blocks=2)


@dataclass(frozen=True)
class LatentDistribution:
    """The encoder's diagonal Gaussian over raw latents."""

    mean: Latent
    log_variance: Latent

    def sample(self, noise: Latent) -> Latent:
        """mean + standard deviation * `noise` (standard normal, in the mean's shape)."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def kl(self) -> Tensor:
        """KL divergence to the standard normal, in nats a picture (batch,)."""
        terms = self.mean.square() + self.log_variance.exp() - 1.0 - self.log_variance
        return 0.5 * terms.sum(dim=(1, 2, 3))


class AutoencoderKL(nn.Module):
    def __init__(self, spec: AutoencoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = Encoder(spec, 2 * spec.latent_channels)
        self.decoder = Decoder(spec)
        self.quant_conv = nn.Conv2d(2 * spec.latent_channels, 2 * spec.latent_channels, 1)
        self.post_quant_conv = nn.Conv2d(spec.latent_channels, spec.latent_channels, 1)

    def encode(self, image: Image) -> LatentDistribution:
        """The distribution of raw latents for an image in [-1, 1] whose sides divide by `spec.downscale`."""
        mean, log_variance = self.quant_conv(self.encoder(image)).chunk(2, dim=1)
        return LatentDistribution(mean, log_variance.clamp(-30.0, 20.0))

    def decode(self, latent: Latent) -> Image:
        """The image, roughly in [-1, 1] (not clamped), for raw latents."""
        return self.decoder(self.post_quant_conv(latent))


def _resnet(spec: AutoencoderSpec, in_channels: int, out_channels: int) -> ResnetBlock:
    return ResnetBlock(in_channels, out_channels, norm_groups=spec.norm_groups, eps=NORM_EPS)


class EncoderLevel(nn.Module):
    def __init__(self, spec: AutoencoderSpec, in_channels: int, channels: int, *, is_last: bool) -> None:
        super().__init__()
        widths = [in_channels] + [channels] * spec.num_blocks
        self.resnets = nn.ModuleList(_resnet(spec, a, b) for a, b in pairwise(widths))
        self.downsample = None if is_last else Downsample(channels, pad_all=False)

    def forward(self, x: Tensor) -> Tensor:
        for resnet in self.resnets:
            x = resnet(x)
        return x if self.downsample is None else self.downsample(x)


class DecoderLevel(nn.Module):
    def __init__(self, spec: AutoencoderSpec, in_channels: int, channels: int, *, is_last: bool) -> None:
        super().__init__()
        widths = [in_channels] + [channels] * (spec.num_blocks + 1)
        self.resnets = nn.ModuleList(_resnet(spec, a, b) for a, b in pairwise(widths))
        self.upsample = None if is_last else Upsample(channels)

    def forward(self, x: Tensor) -> Tensor:
        for resnet in self.resnets:
            x = resnet(x)
        return x if self.upsample is None else self.upsample(x)


class Encoder(nn.Module):
    def __init__(self, spec: AutoencoderSpec, out_channels: int) -> None:
        super().__init__()
        widths = spec.level_channels
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.levels = nn.ModuleList(
            EncoderLevel(spec, widths[max(i - 1, 0)], width, is_last=i == len(widths) - 1)
            for i, width in enumerate(widths)
        )
        self.mid = AutoencoderMid(spec, widths[-1])
        self.norm_out = nn.GroupNorm(spec.norm_groups, widths[-1], eps=NORM_EPS)
        self.conv_out = nn.Conv2d(widths[-1], out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.finish(self.shrink(x))

    def shrink(self, x: Tensor) -> Tensor:
        """What sees only its surroundings, and has all the large feature maps: it may be run in windows."""
        x = self.conv_in(x)
        for level in self.levels:
            x = level(x)
        return x

    def finish(self, x: Tensor) -> Tensor:
        """What sees the whole picture, at the latents' resolution."""
        x = self.mid(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Decoder(nn.Module):
    def __init__(self, spec: AutoencoderSpec) -> None:
        super().__init__()
        widths = spec.level_channels[::-1]
        self.conv_in = nn.Conv2d(spec.latent_channels, widths[0], 3, padding=1)
        self.mid = AutoencoderMid(spec, widths[0])
        self.levels = nn.ModuleList(
            DecoderLevel(spec, widths[max(i - 1, 0)], width, is_last=i == len(widths) - 1)
            for i, width in enumerate(widths)
        )
        self.norm_out = nn.GroupNorm(spec.norm_groups, widths[-1], eps=NORM_EPS)
        self.conv_out = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.grow(self.begin(x))

    def begin(self, x: Tensor) -> Tensor:
        """What sees the whole picture, at the latents' resolution."""
        return self.mid(self.conv_in(x))

    def grow(self, x: Tensor) -> Tensor:
        """What sees only its surroundings, and has all the large feature maps: it may be run in windows."""
        for level in self.levels:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class AutoencoderMid(nn.Module):
    """The lowest resolution, where every pixel sees every other: resnet, attention with one head, resnet."""

    def __init__(self, spec: AutoencoderSpec, channels: int) -> None:
        super().__init__()
        self.resnet1 = _resnet(spec, channels, channels)
        self.norm = nn.GroupNorm(spec.norm_groups, channels, eps=NORM_EPS)
        self.attention = Attention(channels, 1, qkv_bias=True)
        self.resnet2 = _resnet(spec, channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.resnet1(x)
        tokens = self.attention(self.norm(x).flatten(2).transpose(1, 2))  # b (h w) c
        x = x + tokens.transpose(1, 2).unflatten(2, x.shape[2:])  # b c h w
        return self.resnet2(x)
