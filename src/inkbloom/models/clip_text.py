"""CLIP's text transformer (Radford et al. 2021): token ids to one vector a token, what the U-Net attends to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.core.types import Conditioning, TokenIds
from inkbloom.nn.attention import Attention


@dataclass(frozen=True, kw_only=True)
class ClipTextSpec:
    width: int
    num_layers: int
    num_heads: int
    vocab_size: int = 49408
    max_tokens: int = 77
    activation: Literal["quick_gelu", "gelu"] = "quick_gelu"


SD1_TEXT = ClipTextSpec(width=768, num_layers=12, num_heads=12)


class ClipText(nn.Module):
    def __init__(self, spec: ClipTextSpec) -> None:
        super().__init__()
        self.spec = spec
        self.token_embedding = nn.Embedding(spec.vocab_size, spec.width)
        self.position_embedding = nn.Parameter(torch.empty(spec.max_tokens, spec.width).normal_(std=0.1))
        self.layers = nn.ModuleList(ClipLayer(spec) for _ in range(spec.num_layers))
        self.final_norm = nn.LayerNorm(spec.width)
        # CLIP starts from 0.02, where the layers' first outputs drown what the word is, and learns for longer.
        nn.init.normal_(self.token_embedding.weight, std=0.5)

    def forward(
        self, ids: TokenIds, *, skip_layers: int = 0, vectors: Mapping[int, Tensor] | None = None
    ) -> Conditioning:
        """Normed hidden states of the last layer, or of one `skip_layers` before it ("clip skip" minus 1).

        `vectors` (width) stand at their places, from 0 on, for the vectors of the tokens there: embeddings (textual
        inversion).
        """
        x = self.token_embedding(ids)
        for place, vector in (vectors or {}).items():
            x[:, place] = vector
        x = x + self.position_embedding[: ids.shape[1]]
        for layer in self.layers[: len(self.layers) - skip_layers]:
            x = layer(x)
        return self.final_norm(x)


class ClipLayerSpec(Protocol):
    """What a layer needs to know of the transformer that it is in."""

    @property
    def width(self) -> int: ...
    @property
    def num_heads(self) -> int: ...
    @property
    def activation(self) -> Literal["quick_gelu", "gelu"]: ...


class ClipLayer(nn.Module):
    """One layer of CLIP's transformers: the text's is `causal` (a token sees those before it), the picture's is not."""

    def __init__(self, spec: ClipLayerSpec, *, causal: bool = True) -> None:
        super().__init__()
        self.activation, self.causal = spec.activation, causal
        self.norm1 = nn.LayerNorm(spec.width)
        self.attention = Attention(spec.width, spec.num_heads, qkv_bias=True)
        self.norm2 = nn.LayerNorm(spec.width)
        self.fc1 = nn.Linear(spec.width, 4 * spec.width)
        self.fc2 = nn.Linear(4 * spec.width, spec.width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x), causal=self.causal)
        return x + self.fc2(self._activate(self.fc1(self.norm2(x))))

    def _activate(self, x: Tensor) -> Tensor:
        if self.activation == "quick_gelu":
            return x * torch.sigmoid(1.702 * x)
        return F.gelu(x)
