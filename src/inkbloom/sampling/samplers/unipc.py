"""UniPC: a multistep predictor whose result is corrected with the next step's model call, at no further cost."""

import math

import numpy as np

from inkbloom.core.errors import RequestError, nearest
from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, OnStep, ignore, walk
from inkbloom.sampling.registry import sampler
from inkbloom.sampling.samplers.moves import drift

_VARIANTS = ("bh1", "bh2")


@sampler("UniPC", order=4, schedule="time_uniform", variance_preserving=True)
def unipc(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    order: int = 3,
    variant: str = "bh1",
    on_step: OnStep = ignore,
) -> Latent:
    """UniPC of the data prediction, multistep (Zhao et al. 2023, Algorithms 5 to 8). One call for each step.

    `order` is that of the predictor, from 1 to 3, the corrector adds one; the first and the last steps use fewer
    points. `variant` names B(h): "bh1" is h, "bh2" is e^h - 1; it matters only where a single difference is used. A
    step to 0 returns `denoised`. Raises `RequestError` for other options.
    """
    if not 1 <= order <= 3:
        raise RequestError(f"UniPC's order is {order}; it must be 1, 2 or 3.")
    if variant not in _VARIANTS:
        raise RequestError(f'Unknown UniPC variant "{variant}".{nearest(variant, _VARIANTS)}')
    steps = len(sigmas) - 1
    past: list[tuple[float, Latent]] = []  # (sigma, denoised), newest first
    start, used = x, 0  # where the last step started, and how many points it used
    for step in walk(sigmas):
        denoised = denoise(x, step.sigma)
        if past:
            x = _update(start, past[:used], [(step.sigma, denoised)], step.sigma, variant)
        past = [(step.sigma, denoised), *past[: order - 1]]
        used = 1 if step.sigma_next == 0 else min(len(past), steps - step.index)
        start = x
        x = _update(x, past[:used], [], step.sigma_next, variant)
        on_step(step, x, denoised)
    return x


def _update(
    x: Latent,
    past: list[tuple[float, Latent]],
    ahead: list[tuple[float, Latent]],
    sigma_next: float,
    variant: str,
) -> Latent:
    """Go from the newest point of `past` to `sigma_next`: predict, or correct where `ahead` holds the answer there."""
    (sigma, denoised), *others = past + ahead
    result = drift(x, denoised, sigma, sigma_next)
    if not others:
        return result
    h = math.log(sigma / sigma_next)
    distances = [math.log(sigma / other) / h for other, _ in others]
    scale = -h if variant == "bh1" else math.expm1(-h)
    for (_, other), distance, weight in zip(others, distances, _weights(distances, h, scale), strict=True):
        result = result - (other - denoised) * (scale * weight / distance)
    return result


def _weights(distances: list[float], h: float, scale: float) -> list[float]:
    """Weights that make the update exact for polynomials in lambda (Zhao et al. 2023, Theorem 3.1); `scale` is B(h)."""
    if len(distances) == 1:
        return [0.5]  # the paper's choice for one difference, whatever B(h)
    integral, right = math.expm1(-h), []
    for power in range(1, len(distances) + 1):
        integral = integral / -h - 1 / math.factorial(power)
        right.append(integral * math.factorial(power) / scale)
    return np.linalg.solve(np.vander(distances, increasing=True).T, right).tolist()
