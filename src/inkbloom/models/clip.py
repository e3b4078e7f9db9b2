"""CLIP whole (Radford et al. 2021): a picture and its caption as two vectors that point the same way.

Its text tower is Stable Diffusion's text encoder; the image tower (a vision transformer, Dosovitskiy et al. 2021) is
what the text tower learns from.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.core.types import Float, Image, TokenIds
from inkbloom.models.clip_text import ClipLayer, ClipText, ClipTextSpec

LARGEST_SCALE = 100.0
"""Similarities are never multiplied by more (section 2.5): training would become unstable."""
FIRST_TEMPERATURE = 0.07

Vectors = Float[Tensor, "batch embedding_dim"]


@dataclass(frozen=True, kw_only=True)
class ClipVisionSpec:
    image_size: int
    """Side of the square pictures, in pixels; a multiple of `patch_size`."""
    patch_size: int
    width: int
    num_layers: int
    num_heads: int
    activation: Literal["quick_gelu", "gelu"] = "quick_gelu"

    @property
    def num_places(self) -> int:
        """One for each patch, and the class token before them."""
        return (self.image_size // self.patch_size) ** 2 + 1


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    text: ClipTextSpec
    vision: ClipVisionSpec
    embedding_dim: int
    """Width of the space where pictures and captions meet."""
    end_token: int
    """The id of the token at whose place a caption is read."""


class ClipVision(nn.Module):
    def __init__(self, spec: ClipVisionSpec) -> None:
        super().__init__()
        self.spec = spec
        self.patches = nn.Conv2d(3, spec.width, spec.patch_size, stride=spec.patch_size, bias=False)
        self.class_token = nn.Parameter(torch.empty(spec.width).normal_(std=spec.width**-0.5))
        self.position_embedding = nn.Parameter(torch.empty(spec.num_places, spec.width).normal_(std=spec.width**-0.5))
        self.first_norm = nn.LayerNorm(spec.width)
        self.layers = nn.ModuleList(ClipLayer(spec, causal=False) for _ in range(spec.num_layers))
        self.final_norm = nn.LayerNorm(spec.width)

    def forward(self, image: Image) -> Float[Tensor, "batch width"]:
        """The class token's normed last state, for images in [-1, 1] of `spec.image_size` in height and width."""
        patches = self.patches(image).flatten(2).transpose(1, 2)  # b (h w) c
        x = torch.cat([self.class_token.expand(len(image), 1, -1), patches], dim=1)
        x = self.first_norm(x + self.position_embedding)
        for layer in self.layers:
            x = layer(x)
        return self.final_norm(x[:, 0])


class Clip(nn.Module):
    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        self.spec = spec
        self.text, self.vision = ClipText(spec.text), ClipVision(spec.vision)
        self.text_projection = nn.Linear(spec.text.width, spec.embedding_dim, bias=False)
        self.visual_projection = nn.Linear(spec.vision.width, spec.embedding_dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor([-math.log(FIRST_TEMPERATURE)]))  # fsdp cannot shard a number
        for projection in (self.text_projection, self.visual_projection):
            nn.init.normal_(projection.weight, std=projection.in_features**-0.5)

    def text_vectors(self, ids: TokenIds) -> Vectors:
        """Captions as vectors of length 1, read at the place of the first `spec.end_token` of each row."""
        ends = (ids == self.spec.end_token).int().argmax(dim=1)
        hidden = self.text(ids)[torch.arange(len(ids), device=ids.device), ends]
        return F.normalize(self.text_projection(hidden), dim=1)

    def image_vectors(self, image: Image) -> Vectors:
        """Pictures as vectors of length 1."""
        return F.normalize(self.visual_projection(self.vision(image)), dim=1)

    def forward(self, image: Image, ids: TokenIds) -> Float[Tensor, "images captions"]:
        """How well each picture and each caption go together: cosines, times exp(`logit_scale`)."""
        return self.logit_scale.exp() * self.image_vectors(image) @ self.text_vectors(ids).T
