"""ControlNet: a trainable copy of a U-Net's way down, which reads a picture and steers the U-Net (Zhang et al. 2023).

The *hint* is that picture: an outline, a depth map, ..., at pixel resolution. Every connection back into the U-Net is a
convolution that starts at zero, so that an untrained ControlNet changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.core.types import Conditioning, Float, Latent
from inkbloom.models.unet import SD1_UNET, UNet, UNetSpec, WayDown
from inkbloom.nn.steering import UNSTEERED, Steering

Hint = Float[Tensor, "batch hint_channels height width"]
"""In [0, 1]; height and width are those of the picture."""


@dataclass(frozen=True, kw_only=True)
class ControlNetSpec:
    unet: UNetSpec
    """Of the U-Net that is steered, with the channels of a plain latent."""
    hint_channels: tuple[int, ...] = (16, 32, 96, 256)
    """Widths of the hint encoder; each after the first halves the resolution."""
    hint_in_channels: int = 3
    global_pool: bool = False
    """Steer by the mean over all places alone, as the ControlNet for shuffled pictures does."""

    @property
    def downscale(self) -> int:
        """Pixels of the hint to a latent point, along a side."""
        return 2 ** (len(self.hint_channels) - 1)


SD1_CONTROLNET = ControlNetSpec(unet=SD1_UNET)


class HintEncoder(nn.Module):
    """Convolutions with SiLU between them, from the hint's resolution to the latent's; the last starts at zero."""

    def __init__(self, spec: ControlNetSpec) -> None:
        super().__init__()
        widths = spec.hint_channels
        convs = [nn.Conv2d(spec.hint_in_channels, widths[0], 3, padding=1)]
        for width, wider in pairwise(widths):
            convs += [nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, wider, 3, stride=2, padding=1)]
        for conv in convs:
            # SiLU halves small values, so a gain of 2 keeps the hint's strength. As torch draws the weights it would
            # reach the end 1e4 times weaker, and training would have to wait long for its "sudden convergence".
            nn.init.normal_(conv.weight, std=2.0 / math.sqrt(conv.weight[0].numel()))
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
        convs.append(zeroed(nn.Conv2d(widths[-1], spec.unet.levels[0].channels, 3, padding=1)))
        self.convs = nn.ModuleList(convs)

    def forward(self, hint: Hint) -> Tensor:
        *before, last = self.convs
        for conv in before:
            hint = F.silu(conv(hint))
        return last(hint)


class ControlNet(WayDown):
    def __init__(self, spec: ControlNetSpec) -> None:
        super().__init__(spec.unet)
        self.control_spec = spec
        self.hint = HintEncoder(spec)
        self.skips_out = nn.ModuleList(zeroed(nn.Conv2d(width, width, 1)) for width in self.kept_channels)
        width = spec.unet.levels[-1].channels
        self.middle_out = zeroed(nn.Conv2d(width, width, 1))

    @classmethod
    def copy_of(cls, unet: UNet, spec: ControlNetSpec | None = None) -> ControlNet:
        """A ControlNet that is to be trained: the U-Net's own way down, and connections of zero.

        It reads plain latents: of an inpainting U-Net's first convolution only their part is taken. `spec` None is the
        usual hint encoder.
        """
        plain = replace(unet.spec, in_channels=unet.spec.out_channels)
        control = cls(spec or ControlNetSpec(unet=plain)).to(unet.conv_in.weight)
        own = control.state_dict()
        shared = {name: value for name, value in unet.state_dict().items() if name in own}
        shared["conv_in.weight"] = shared["conv_in.weight"][:, : plain.in_channels]
        control.load_state_dict({**own, **shared})
        return control

    def forward(self, x: Latent, t: Tensor, context: Conditioning, hint: Hint) -> Steering:
        """What to add to the U-Net that predicts from the same `x`, `t` and `context`: skips and middle.

        Of an inpainting U-Net's `x` only the latent is read, its first channels.
        """
        time = self.embed_time(t, x.dtype)
        x = self.conv_in(x[:, : self.spec.in_channels]) + self.hint(hint)
        x, kept = self.descend(x, time, context, UNSTEERED)
        skips = [conv(each) for conv, each in zip(self.skips_out, kept, strict=True)]
        middle = self.middle_out(x)
        if self.control_spec.global_pool:
            *skips, middle = (each.mean(dim=(2, 3), keepdim=True) for each in (*skips, middle))
        return Steering(skips=tuple(skips), middle=middle)


def zeroed(conv: nn.Conv2d) -> nn.Conv2d:
    """The convolution with weights and bias zero; it learns all the same, since its input is not zero."""
    for parameter in conv.parameters():
        nn.init.zeros_(parameter)
    return conv
