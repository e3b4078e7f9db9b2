"""Runs that begin in pure noise, as those of models with zero terminal SNR do (Lin et al. 2023)."""

from dataclasses import replace
from typing import Any

from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, OnStep, Step
from inkbloom.sampling.registry import Sampler

PURE_NOISE = 1_000.0
"""From this sigma on, x says nothing of the picture. Stable Diffusion without zero terminal SNR begins at 14.6."""


def sample(
    sampler: Sampler, denoise: Denoiser, x: Latent, sigmas: Sigmas, *, on_step: OnStep, **options: Any
) -> Latent:
    """Run a sampler; where `sigmas` begin in pure noise and have steps to spare, DDIM makes the first one.

    There `denoised` does not depend on x, so that a first-order step errs only by what the noise at the next sigma
    will tell; methods that extrapolate over such a step, from 4518 to some tens, multiply that by hundreds (Heun's
    correction by half the ratio of the sigmas).
    """
    if sigmas[0] < PURE_NOISE or len(sigmas) < 3:
        return sampler.function(denoise, x, sigmas, on_step=on_step, **options)
    first = Step(0, sigmas[0].item(), sigmas[1].item())
    denoised = denoise(x, first.sigma)
    x = denoised + (x - denoised) * (first.sigma_next / first.sigma)
    on_step(first, x, denoised)

    def count_on(step: Step, x: Latent, denoised: Latent) -> None:
        on_step(replace(step, index=step.index + 1), x, denoised)

    return sampler.function(denoise, x, sigmas[1:], on_step=count_on, **options)
