"""Sampling that starts from a picture: which sigmas are left of a schedule, and what is kept while they pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from inkbloom.core.errors import RequestError, nearest
from inkbloom.core.types import Float, Latent, Sigmas
from inkbloom.sampling.denoiser import GuidedDenoiser

StepRule = Literal["a1111", "exact", "diffusers"]
"""How many of `steps` a strength leaves.

a1111: int(strength * steps) + 1, all at strength 1.  diffusers (and CompVis): int(strength * steps).  exact: `steps`
themselves, at the end of a schedule of int(steps / strength)."""

_NEARLY_ONE = 0.999
LatentMask = Float[Tensor, "batch 1 latent_height latent_width"]


def schedule_steps(steps: int, strength: float, rule: StepRule) -> tuple[int, int]:
    """(steps of the whole schedule, how many of its last ones run); none run at strength 0, at least one above it.

    Raises `RequestError` for a strength outside [0, 1] or an unknown rule.
    """
    if not 0 <= strength <= 1:
        raise RequestError(f"Strength {strength} is out of range; allowed are 0 (keep the picture) to 1 (all new).")
    if rule not in get_args(StepRule):
        raise RequestError(f'Unknown step rule "{rule}".{nearest(rule, get_args(StepRule))}')
    if strength == 0:
        return steps, 0
    match rule:
        case "a1111":
            return steps, int(min(strength, _NEARLY_ONE) * steps) + 1
        case "exact":
            return int(steps / min(strength, _NEARLY_ONE)), steps
        case "diffusers":
            return steps, max(1, int(strength * steps))


def latent_mask(mask: Float[Tensor, "batch 1 height width"], downscale: int, grow: int = 0) -> LatentMask:
    """A pixel mask (1 = repaint) on the latent grid: the largest value under each point, then grown by `grow` points.

    A latent point that a repainted pixel lies under must move with it; the average would keep half of the old picture.
    """
    pooled = F.max_pool2d(mask, downscale)
    return F.max_pool2d(pooled, 2 * grow + 1, stride=1, padding=grow) if grow else pooled


@dataclass(frozen=True, kw_only=True)
class MaskedDenoiser:
    """Keeps a picture where the mask is 0: there the estimate of x0 is the picture itself (a `GuidedDenoiser`).

    Along the ODE x then stays `init` + sigma * (its first noise), as if it were set so after each step.
    """

    inner: GuidedDenoiser
    init: Latent
    mask: LatentMask
    """1 = repaint, 0 = keep; between them both estimates mix."""

    def __call__(self, x: Latent, sigma: float) -> Latent:
        return self._kept(self.inner(x, sigma), sigma)

    def both(self, x: Latent, sigma: float) -> tuple[Latent, Latent]:
        denoised, uncond = self.inner.both(x, sigma)
        return self._kept(denoised, sigma), self._kept(uncond, sigma)

    def _kept(self, denoised: Latent, sigma: float) -> Latent:
        # lerp gives either end exactly
        return torch.lerp(self.init.to(denoised), denoised, self._at(sigma).to(denoised).expand_as(denoised))

    def _at(self, sigma: float) -> LatentMask:
        return self.mask


@dataclass(frozen=True, kw_only=True)
class DifferentialDenoiser(MaskedDenoiser):
    """A soft mask says how much each place may change (Levin and Fried 2023): m of the steps, the last ones.

    A place of value m is kept until the part of the steps that is left has come down to m.
    """

    sigmas: Sigmas
    """Of this run."""

    def _at(self, sigma: float) -> LatentMask:
        steps = len(self.sigmas) - 1
        left = int((self.sigmas[:-1] <= sigma * (1 + 1e-6)).sum())
        return (self.mask >= left / steps).to(self.mask)
