"""A small residual network that doubles or quadruples pictures, after EDSR (Lim et al. 2017).

It works at the picture's own resolution and rearranges channels to pixels at the very end (Shi et al. 2016), so that a
step costs as little as it can. What it says is added to a bicubic enlargement.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.core.types import Image

SCALES = (2, 4)


@dataclass(frozen=True, kw_only=True)
class UpscalerSpec:
    channels: int = 40
    num_blocks: int = 7

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "UpscalerSpec":
        """Read what `to_json` wrote; `ValueError` for anything else."""
        fields: Any = json.loads(text)
        if not isinstance(fields, dict) or set(fields) != set(asdict(cls())):
            raise ValueError(f"no spec of an upscaler: {text}")
        if not all(type(value) is int and value > 0 for value in fields.values()):
            raise ValueError(f"sizes must be whole numbers above 0: {text}")
        return cls(**fields)


class Upscaler(nn.Module):
    def __init__(self, spec: UpscalerSpec) -> None:
        super().__init__()
        self.spec = spec
        self.first = nn.Conv2d(3, spec.channels, 3, padding=1)
        self.blocks = nn.ModuleList(Block(spec.channels) for _ in range(spec.num_blocks))
        self.heads = nn.ModuleDict(
            {str(scale): nn.Conv2d(spec.channels, 3 * scale**2, 3, padding=1) for scale in SCALES}
        )
        for head in self.heads.values():  # so that training begins at the bicubic enlargement
            assert isinstance(head, nn.Conv2d)
            nn.init.zeros_(head.weight)
            assert head.bias is not None
            nn.init.zeros_(head.bias)

    def forward(self, image: Image, scale: int) -> Image:
        """The image, in [-1, 1], `scale` (2 or 4) times as high and wide; not clamped."""
        x = first = self.first(image)
        for block in self.blocks:
            x = block(x)
        detail = F.pixel_shuffle(self.heads[str(scale)](x + first), scale)
        return F.interpolate(image, scale_factor=scale, mode="bicubic") + detail


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x)))
