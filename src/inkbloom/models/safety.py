"""The safety checker that came with Stable Diffusion 1: a picture against concepts that it must not show.

A concept is a vector in CLIP's space and a threshold: the picture shows it where the cosine between the two, less the
threshold, is above 0 after rounding to thousandths. Where it shows one of the "special care" concepts, all others are
found by 0.01 more easily.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inkbloom.core.types import Float
from inkbloom.models.clip import ClipVisionSpec
from inkbloom.models.ip_adapter import ImageEncoder

MORE_CAREFUL = 0.01
_DIGITS = 3


class SafetyChecker(ImageEncoder):
    def __init__(self, spec: ClipVisionSpec, image_dim: int, num_concepts: int, num_special: int) -> None:
        super().__init__(spec, image_dim)
        self.concepts = nn.Parameter(torch.ones(num_concepts, image_dim))
        self.thresholds = nn.Parameter(torch.ones(num_concepts))
        self.special_concepts = nn.Parameter(torch.ones(num_special, image_dim))
        self.special_thresholds = nn.Parameter(torch.ones(num_special))

    def forward(self, image: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch concepts"]:
        """How far each concept is above its threshold, rounded; above 0 it is shown. `image` as for `ImageEncoder`."""
        vector = super().forward(image)
        special = _above(vector, self.special_concepts, self.special_thresholds)
        careful = special.round(decimals=_DIGITS).amax(dim=1, keepdim=True) > 0
        scores = _above(vector, self.concepts, self.thresholds) + MORE_CAREFUL * careful
        return scores.round(decimals=_DIGITS)


def _above(vector: Tensor, concepts: Tensor, thresholds: Tensor) -> Tensor:
    """Cosines less thresholds, in float64, so that thousandths are rounded alike on every device."""
    cosines = F.normalize(vector) @ F.normalize(concepts).T
    return cosines.float().double() - thresholds.double()
