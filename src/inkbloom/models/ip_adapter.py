"""IP-Adapter: a picture as a prompt (Ye et al. 2023).

CLIP's vector of the picture becomes a few tokens; beside each cross-attention to the text, the same queries attend to
those tokens with keys and values of their own, and the two results are added: attention(q, text) + weight *
attention(q, picture) (their Eq. 5).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from inkbloom.core.types import Conditioning, Float
from inkbloom.models.clip import ClipVision, ClipVisionSpec
from inkbloom.models.unet import UNet
from inkbloom.nn.attention import Attention
from inkbloom.nn.transformer import TransformerBlock

ImageVector = Float[Tensor, "batch image_dim"]


class ImageEncoder(nn.Module):
    """CLIP's image tower and the projection of its class token."""

    def __init__(self, spec: ClipVisionSpec, image_dim: int) -> None:
        super().__init__()
        self.vision = ClipVision(spec)
        self.visual_projection = nn.Linear(spec.width, image_dim, bias=False)

    def forward(self, image: Float[Tensor, "batch 3 side side"]) -> ImageVector:
        """`image` is normed with CLIP's mean and deviation, its side is `spec.image_size`."""
        return self.visual_projection(self.vision(image))


@dataclass(frozen=True, kw_only=True)
class IPAdapterSpec:
    image_dim: int
    """Width of the picture's vector."""
    context_dim: int
    attention_widths: tuple[int, ...]
    """Of the U-Net's cross-attentions, as `cross_attentions` has them."""
    num_tokens: int = 4
    """That the picture becomes."""


class IPAdapter(nn.Module):
    def __init__(self, spec: IPAdapterSpec) -> None:
        super().__init__()
        self.spec = spec
        self.project = nn.Linear(spec.image_dim, spec.num_tokens * spec.context_dim)
        self.norm = nn.LayerNorm(spec.context_dim)
        self.k, self.v = (
            nn.ModuleList(nn.Linear(spec.context_dim, width, bias=False) for width in spec.attention_widths)
            for _ in range(2)
        )

    def tokens(self, vector: ImageVector) -> Conditioning:
        """What is attended to; of no picture, the tokens of a vector of zeros."""
        return self.norm(self.project(vector).unflatten(1, (self.spec.num_tokens, -1)))  # b n c

    def forward(self, vector: ImageVector) -> list[tuple[Tensor, Tensor]]:
        """Keys and values (batch, tokens, width) for each cross-attention."""
        tokens = self.tokens(vector)
        return [(k(tokens), v(tokens)) for k, v in zip(self.k, self.v, strict=True)]


def cross_attentions(unet: UNet) -> list[Attention]:
    """A U-Net's attentions to the text in the order in which IP-Adapters count them: down, up, then the middle."""
    parts = (unet.down, unet.up, unet.mid)
    return [each.cross_attention for part in parts for each in part.modules() if isinstance(each, TransformerBlock)]
