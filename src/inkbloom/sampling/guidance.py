"""Classifier-free guidance (Ho and Salimans 2022), with several prompts at once, rescaling and an interval."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from inkbloom.core.errors import RequestError
from inkbloom.core.types import Conditioning, Float, Latent, Tensor
from inkbloom.sampling.prediction import ModelDenoiser

Weights = Float[Tensor, "1 1 latent_height latent_width"]


@dataclass(frozen=True)
class Composition:
    """What holds at one model call: cond = uncond + sum_i w_i (cond_i - uncond) (Liu et al. 2022, Eq. 11)."""

    parts: tuple[Conditioning, ...]
    """Each for the whole batch, or for 1 and then used for all."""
    weights: tuple[float | Weights, ...] = (1.0,)
    """One for each part, or a map of them over the latent grid."""

    @property
    def is_plain(self) -> bool:
        """Whether there is one part of weight 1, so that no unconditional estimate enters."""
        first, *others = self.weights
        return not others and not isinstance(first, Tensor) and first == 1


class Conditions(Protocol):
    """What conditions a run, call by call."""

    def at(self, call: int, /) -> Composition:
        """What holds at a model call, counted from 0."""
        ...


@dataclass(frozen=True, kw_only=True)
class ClassifierFreeGuidance:
    """A `GuidedDenoiser`: output = uncond + scale * (cond - uncond), between the network's answers.

    It counts its calls, to ask for the conditions of each, so every run makes its own. `RequestError` for a missing
    `uncond`, a scale or rescale out of range, or an interval that is empty.
    """

    model: ModelDenoiser
    cond: Conditions
    uncond: Conditions | None
    """Also the negative prompt's; one part. None is for scale 1 and plain conditions only, and not for `both`."""
    scale: float
    """1 = off: a plain call then makes no unconditional estimate at all."""
    rescale: float = 0.0
    """0 to 1, how far the standard deviation of each picture's guided output is taken back to the conditional one's
    (phi of Lin et al. 2023, Eqs. 15 and 16). It acts on the network's own output, eps or velocity, like diffusers'."""
    interval: tuple[float, float] = (0.0, math.inf)
    """Guidance acts at noise levels in (low, high], nowhere else (Kynkäänniemi et al. 2024)."""
    calls: Iterator[int] = field(default_factory=itertools.count, repr=False, compare=False)
    """The numbers of its calls; a run that goes on begins where it stopped."""

    def __post_init__(self) -> None:
        low, high = self.interval
        if not math.isfinite(self.scale):
            raise RequestError(f"Guidance scale {self.scale} cannot be used; it must be a finite number.")
        if not 0 <= self.rescale <= 1:
            raise RequestError(f"Guidance rescale {self.rescale} is out of range; allowed are 0 to 1.")
        if not 0 <= low < high:
            raise RequestError(f"Guidance interval {low} to {high} is empty; needed are sigmas with 0 <= low < high.")
        if self.uncond is None and self.scale != 1:
            raise RequestError(
                f"Guidance scale {self.scale:g} needs an unconditional conditioning; without one it is 1."
            )

    def __call__(self, x: Latent, sigma: float) -> Latent:
        """`denoised`. An answer of the network for each part, and an unconditional one where it enters."""
        call = next(self.calls)
        cond = self.cond.at(call)
        if self._acts(sigma) or not cond.is_plain:
            return self._both(x, sigma, cond, call)[0]
        return self.model(x, sigma, cond.parts[0])

    def both(self, x: Latent, sigma: float) -> tuple[Latent, Latent]:
        """(`denoised`, the unconditional `denoised`), always from all answers of the network.

        `RequestError` where there is no unconditional conditioning.
        """
        call = next(self.calls)
        return self._both(x, sigma, self.cond.at(call), call)

    def _both(self, x: Latent, sigma: float, composition: Composition, call: int) -> tuple[Latent, Latent]:
        if self.uncond is None:
            raise RequestError(
                "This sampler or prompt needs an unconditional conditioning, even at guidance scale 1; none was given."
            )
        (unconditional,) = self.uncond.at(call).parts
        uncond, *conds = self.model.outputs(x, sigma, [unconditional, *composition.parts], num_unprompted=1)
        # Written so that one part of weight 1 stays bit for bit what it is
        cond = (1 - sum(composition.weights)) * uncond
        for weight, part in zip(composition.weights, conds, strict=True):
            cond = cond + weight * part
        output = self._guided(uncond, cond) if self._acts(sigma) else cond
        return self.model.denoised(output, x, sigma), self.model.denoised(uncond, x, sigma)

    def _acts(self, sigma: float) -> bool:
        low, high = self.interval
        return self.scale != 1 and low < sigma <= high

    def _guided(self, uncond: Latent, cond: Latent) -> Latent:
        guided = uncond + self.scale * (cond - uncond)
        if self.rescale == 0:
            return guided
        spread, wanted = (output.std(dim=(1, 2, 3), keepdim=True) for output in (guided, cond))
        return guided * (1 + self.rescale * (wanted / spread - 1))
