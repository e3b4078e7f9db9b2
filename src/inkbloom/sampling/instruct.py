"""Guidance of models that edit a picture by instruction (Brooks et al. 2023, section 3.2.1)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from inkbloom.core.types import Latent
from inkbloom.sampling.guidance import Conditions
from inkbloom.sampling.prediction import ModelDenoiser


@dataclass(frozen=True, kw_only=True)
class InstructGuidance:
    """A `GuidedDenoiser` with a scale for the instruction and one for the picture (Brooks et al. 2023, Eq. 3).

    output = blank + image_scale * (picture - blank) + scale * (instructed - picture), where the network sees neither,
    the picture alone, and both. Three answers a call.
    """

    with_picture: ModelDenoiser
    without_picture: ModelDenoiser
    cond: Conditions
    uncond: Conditions
    scale: float
    image_scale: float
    calls: Iterator[int] = field(default_factory=itertools.count, repr=False, compare=False)
    """The numbers of its calls; a run that goes on begins where it stopped."""

    def __call__(self, x: Latent, sigma: float) -> Latent:
        return self.both(x, sigma)[0]

    def both(self, x: Latent, sigma: float) -> tuple[Latent, Latent]:
        call = next(self.calls)
        cond, (unconditional,) = self.cond.at(call), self.uncond.at(call).parts
        (blank,) = self.without_picture.outputs(x, sigma, [unconditional], num_unprompted=1)
        picture, *conds = self.with_picture.outputs(x, sigma, [unconditional, *cond.parts], num_unprompted=1)
        instructed = picture
        for weight, answer in zip(cond.weights, conds, strict=True):
            instructed = instructed + weight * (answer - picture)
        output = blank + self.image_scale * (picture - blank) + self.scale * (instructed - picture)
        model = self.with_picture
        return model.denoised(output, x, sigma), model.denoised(blank, x, sigma)
