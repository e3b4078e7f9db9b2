"""Samplers backwards: from a latent to the noise that a deterministic sampler would have made it of."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, get_args

from inkbloom.core.errors import RequestError, nearest
from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, OnStep, Step, ignore

InversionRule = Literal["ddim", "euler"]
"""Where the slope of a step is taken first.

ddim: at its lower sigma, as DDIM's inversion does (Dhariwal and Nichol 2021, appendix F).  euler: at its upper one, as
A1111's "img2img alternative" does."""


def invert(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    rule: InversionRule = "euler",
    rounds: int = 0,
    on_step: OnStep = ignore,
) -> Latent:
    """The x at the first of `sigmas` from which Euler's or DDIM's steps (which are the same) lead to `x` at the last.

    A step down from (x', sigma') ends at x = D + r (x' - D), where D = denoise(x', sigma') and r = sigma / sigma'. Its
    inverse asks for D at the x' that is looked for; `rule` guesses it, and each of the `rounds` then adds to x' what
    the step from it misses (the fixed point of Pan et al. 2023). Where r < 1/2 that alone would take long: there it is
    divided by the step's derivative for data of unit variance, (1 - r) / (1 + sigma'^2) + r.

    Calls: 1 + rounds for each step. `on_step` is told steps upwards. `RequestError` for an unknown rule.
    """
    if rule not in get_args(InversionRule):
        raise RequestError(f'Unknown inversion rule "{rule}".{nearest(rule, get_args(InversionRule))}')
    levels = sigmas.flip(0).tolist()
    for index, (low, high) in enumerate(pairwise(levels)):
        ratio = low / high
        at = low if rule == "ddim" and low > 0 else high
        denoised = denoise(x, at)
        above = x + (high - low) * (x - denoised) / at
        slope = (1 - ratio) / (1 + high**2) + ratio if ratio < 0.5 else 1.0
        for _ in range(rounds):
            denoised = denoise(above, high)
            above = above + (x - denoised - ratio * (above - denoised)) / slope
        x = above
        on_step(Step(index, low, high), x, denoised)
    return x
