"""The spatial transformer: where the picture looks at itself, and at the prompt (Rombach et al. 2022, section 3.3)."""

from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.nn.attention import Attention
from inkbloom.nn.steering import UNSTEERED, Steering


class GatedFeedForward(nn.Module):
    """GEGLU (Shazeer 2020): one half of a widened projection gates the other."""

    def __init__(self, dim: int, expansion: int = 4) -> None:
        super().__init__()
        self.widen = nn.Linear(dim, dim * expansion * 2)
        self.narrow = nn.Linear(dim * expansion, dim)

    def forward(self, x: Tensor) -> Tensor:
        hidden, gate = self.widen(x).chunk(2, dim=-1)
        return self.narrow(hidden * F.gelu(gate))


class TransformerBlock(nn.Module):
    """Self-attention, cross-attention to the conditioning, feed-forward; each pre-normed and residual."""

    def __init__(self, dim: int, num_heads: int, context_dim: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.self_attention = Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim)
        self.cross_attention = Attention(dim, num_heads, context_dim=context_dim)
        self.norm3 = nn.LayerNorm(dim)
        self.feed_forward = GatedFeedForward(dim)

    def forward(self, x: Tensor, context: Tensor, steering: Steering = UNSTEERED) -> Tensor:
        own, cross, reference = self.self_attention, self.cross_attention, steering.reference
        x = x + (own(self.norm1(x)) if reference is None else reference(own, self.norm1(x)))
        x = x + cross(self.norm2(x), context, beside=steering.beside.get(cross, ()))
        return x + self.feed_forward(self.norm3(x))


class SpatialTransformer(nn.Module):
    """Transformer blocks over the pixels of a feature map (batch, channels, height, width), residual as a whole.

    Stable Diffusion 1 projects in and out by 1x1 convolutions, 2 by linear layers: the same arithmetic, other shapes on
    disk.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        *,
        depth: int,
        context_dim: int,
        norm_groups: int,
        linear_projection: bool,
    ) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm_groups, channels, eps=1e-6)
        self.linear_projection = linear_projection
        self.proj_in = nn.Linear(channels, channels) if linear_projection else nn.Conv2d(channels, channels, 1)
        self.blocks = nn.ModuleList(TransformerBlock(channels, num_heads, context_dim) for _ in range(depth))
        self.proj_out = nn.Linear(channels, channels) if linear_projection else nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, context: Tensor, steering: Steering = UNSTEERED) -> Tensor:
        size = x.shape[2:]
        hidden = self.norm(x)
        if self.linear_projection:
            hidden = self.proj_in(hidden.flatten(2).transpose(1, 2))  # b (h w) c
        else:
            hidden = self.proj_in(hidden).flatten(2).transpose(1, 2)  # b (h w) c
        for block in self.blocks:
            hidden = block(hidden, context, steering)
        if self.linear_projection:
            hidden = self.proj_out(hidden).transpose(1, 2).unflatten(2, size)  # b c h w
        else:
            hidden = self.proj_out(hidden.transpose(1, 2).unflatten(2, size))  # b c h w
        return x + hidden
