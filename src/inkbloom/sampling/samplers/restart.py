"""Restart sampling: go back up to a higher noise level and come down again."""

import math
from itertools import pairwise

import numpy as np

from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, Noise, OnStep, Step, ignore
from inkbloom.sampling.registry import sampler
from inkbloom.sampling.samplers.moves import add_normal
from inkbloom.sampling.samplers.two_stage import heun_step

_LOW, _HIGH = 0.1, 2.0
"""The interval that is run again, as near as the schedule has points."""
_RHO = 7.0


@sampler("Restart", order=2, calls_per_step=2, stochastic=True, schedule="karras")
def restart(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    s_noise: float = 1.0,
    on_step: OnStep = ignore,
) -> Latent:
    """Heun's method that repeats the sigmas from about 2 to 0.1 with fresh noise (Xu et al. 2023, Algorithm 1).

    The repeats are part of the steps asked for, with A1111's numbers: none below 20 steps, one of 9 steps below 36,
    two of a quarter of all steps from there on. The main pass keeps the schedule's shape with fewer points. Two calls
    for each step, one for a step to 0.
    """
    level = sigmas[0].item()
    for step in _path(sigmas.tolist()):
        if step.sigma > level:
            x = add_normal(x, noise, s_noise * math.sqrt(step.sigma**2 - level**2))
        denoised = denoise(x, step.sigma)
        x = heun_step(denoise, x, denoised, step.sigma, step.sigma_next)
        level = step.sigma_next
        on_step(step, x, denoised)
    return x


def _path(sigmas: list[float]) -> list[Step]:
    """All steps, the repeated ones included; a step that starts above the last one's end begins a repeat."""
    steps = len(sigmas) - 1
    repeats, length = (0, 0) if steps < 20 else (1, 9) if steps < 36 else (2, steps // 4)
    positive = [sigma for sigma in sigmas if sigma > 0]
    main = _evenly(positive, len(positive) - repeats * length) if repeats else positive
    low = min(range(len(main)), key=lambda i: abs(main[i] - _LOW))
    high = min(range(len(main)), key=lambda i: abs(main[i] - _HIGH))
    again = _evenly([main[high], main[low]], length + 1) if high < low else []
    passes = [main[: low + 1]] + [again] * repeats + [main[low:] + sigmas[len(positive) :]]
    pairs = [pair for levels in passes for pair in pairwise(levels)]
    return [Step(index, sigma, sigma_next) for index, (sigma, sigma_next) in enumerate(pairs)]


def _evenly(sigmas: list[float], count: int) -> list[float]:
    """`count` points along `sigmas`, linear in sigma^(1/7) between them: a Karras schedule stays one."""
    places = np.linspace(0, len(sigmas) - 1, count)
    return (np.interp(places, np.arange(len(sigmas)), np.power(sigmas, 1 / _RHO)) ** _RHO).tolist()
