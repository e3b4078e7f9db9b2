"""Multi-head attention, one for self- and cross-attention, in U-Net, autoencoder and text encoder alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Beside:
    """Keys and values (batch, tokens, dim) that an attention's queries attend to besides its context, by themselves."""

    k: Tensor
    v: Tensor
    weight: float


class Attention(nn.Module):
    """Scaled dot-product attention (Vaswani et al. 2017) of `dim`-wide queries on `context_dim`-wide keys and values.

    Inputs are (batch, tokens, dim); the heads are `dim // num_heads` wide.
    """

    def __init__(self, dim: int, num_heads: int, *, context_dim: int | None = None, qkv_bias: bool = False) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"num_heads must divide the width {dim}, got {num_heads}")
        self.num_heads = num_heads
        self.q = nn.Linear(dim, dim, bias=qkv_bias)
        self.k = nn.Linear(context_dim or dim, dim, bias=qkv_bias)
        self.v = nn.Linear(context_dim or dim, dim, bias=qkv_bias)
        self.out = nn.Linear(dim, dim)

    def forward(
        self, x: Tensor, context: Tensor | None = None, *, causal: bool = False, beside: Sequence[Beside] = ()
    ) -> Tensor:
        """`context` None is self-attention. What is attended to `beside` is added before the last projection."""
        context = x if context is None else context
        q, k, v = self._split(self.q(x)), self._split(self.k(context)), self._split(self.v(context))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        for more in beside:
            attended = attended + more.weight * F.scaled_dot_product_attention(
                q, self._split(more.k), self._split(more.v)
            )
        return self.out(attended.transpose(1, 2).flatten(2))  # b n (h d)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.num_heads, -1)).transpose(1, 2)  # b h n d
