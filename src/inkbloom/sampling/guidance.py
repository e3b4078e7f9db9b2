"""Classifier-free guidance (Ho and Salimans 2022), with rescaling and an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

from inkbloom.core.errors import RequestError
from inkbloom.core.types import Conditioning, Latent
from inkbloom.sampling.prediction import ModelDenoiser


@dataclass(frozen=True, kw_only=True)
class ClassifierFreeGuidance:
    """A `GuidedDenoiser`: output = uncond + scale * (cond - uncond), between the network's two answers.

    `RequestError` for a missing `uncond`, a scale or rescale out of range, or an interval that is empty.
    """

    model: ModelDenoiser
    cond: Conditioning
    uncond: Conditioning | None
    """Also the negative prompt's. None is allowed only with scale 1, and not with `both`."""
    scale: float
    """1 = off: a plain call then makes no unconditional estimate at all."""
    rescale: float = 0.0
    """0 to 1, how far the standard deviation of each picture's guided output is taken back to the conditional one's
    (phi of Lin et al. 2023, Eqs. 15 and 16). It acts on the network's own output, eps or velocity, like diffusers'."""
    interval: tuple[float, float] = (0.0, math.inf)
    """Guidance acts at noise levels in (low, high], nowhere else (Kynkäänniemi et al. 2024)."""

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
        """`denoised`. Two answers of the network where guidance acts, else one."""
        if self._acts(sigma):
            return self.both(x, sigma)[0]
        return self.model(x, sigma, self.cond)

    def both(self, x: Latent, sigma: float) -> tuple[Latent, Latent]:
        """(`denoised`, the unconditional `denoised`), always from two answers of the network.

        `RequestError` where there is no unconditional conditioning.
        """
        if self.uncond is None:
            raise RequestError(
                "This sampler needs an unconditional conditioning, even at guidance scale 1; none was given."
            )
        uncond, cond = self.model.outputs(x, sigma, [self.uncond, self.cond])
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
