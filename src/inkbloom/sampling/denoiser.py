"""The one interface between networks and samplers.

Words: `x` is the noised latent in the variance-exploding frame, x = x0 + sigma * noise (Karras et al. 2022); `sigma` a
noise level; `denoised` the model's estimate of x0 at that level. What a network really predicts (eps, velocity, x0) is
converted in `prediction.py`, once. Guidance, masks, control and tiling wrap a denoiser into a denoiser; a sampler only
ever sees this.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from inkbloom.core.types import Latent, Sigmas


class Denoiser(Protocol):
    def __call__(self, x: Latent, sigma: float) -> Latent:
        """Return `denoised` for `x` at `sigma` (> 0). One model call; `x` is not changed."""
        ...


class GuidedDenoiser(Denoiser, Protocol):
    """A denoiser that can tell its unconditional estimate apart, as CFG++ needs."""

    def both(self, x: Latent, sigma: float) -> tuple[Latent, Latent]:
        """Return (`denoised`, the unconditional `denoised`); costs no more than a plain call."""
        ...


class Noise(Protocol):
    """Random numbers of one run: an own stream for each picture, so that no picture depends on its batch."""

    def normal(self) -> Latent:
        """Return the next standard normal draw of every picture, in the latents' shape, dtype and device."""
        ...

    def brownian(self, sigma: float, sigma_next: float) -> Latent:
        """Return (W(sigma) - W(sigma_next)) / sqrt(sigma - sigma_next), a Brownian path's increment at unit variance.

        Overlapping intervals belong to one path, so that the increments of two halves add up to that of the whole.
        """
        ...


@dataclass(frozen=True)
class Step:
    index: int
    """0 for the first step."""
    sigma: float
    sigma_next: float


OnStep = Callable[[Step, Latent, Latent], None]
"""Called after every step with (step, x after it, denoised at its start). Raise `core.errors.Stopped` to end."""


def ignore(step: Step, x: Latent, denoised: Latent) -> None:
    """The `OnStep` that does nothing."""


def walk(sigmas: Sigmas) -> Iterator[Step]:
    """The steps between neighbouring sigmas."""
    levels = sigmas.tolist()
    for index, (sigma, sigma_next) in enumerate(pairwise(levels)):
        yield Step(index, sigma, sigma_next)
