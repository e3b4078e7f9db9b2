"""DEIS: an exponential integrator of the noise prediction."""

import math

from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, OnStep, ignore, walk
from inkbloom.sampling.registry import sampler
from inkbloom.sampling.samplers.lms import lagrange
from inkbloom.sampling.samplers.moves import drift

_ORDER = 3


@sampler("DEIS", order=3)
def deis(denoise: Denoiser, x: Latent, sigmas: Sigmas, *, on_step: OnStep = ignore) -> Latent:
    """tAB-DEIS in log(rho) (Zhang & Chen 2023, Eqs. 14 and 15, rho = sigma here), order 3. One call for each step.

    x' = x + sum_j eps_j * integral of the j-th Lagrange polynomial in log(sigma) over d sigma. The first two steps
    use the points there are; with fewer than 15 steps the last two do so too (diffusers' `lower_order_final`), and a
    step to 0 always is first order: it returns `denoised`.
    """
    steps = len(sigmas) - 1
    past: list[tuple[float, Latent]] = []  # (log sigma, eps), newest first
    for step in walk(sigmas):
        denoised = denoise(x, step.sigma)
        past = [(math.log(step.sigma), (x - denoised) / step.sigma), *past[: _ORDER - 1]]
        order = min(len(past), steps - step.index) if steps < 15 else len(past)
        if step.sigma_next == 0 or order == 1:
            x = drift(x, denoised, step.sigma, step.sigma_next)
        else:
            nodes = [log_sigma - past[0][0] for log_sigma, _ in past[:order]]
            moments = _moments(math.log(step.sigma_next / step.sigma), order)
            for index, (_, eps) in enumerate(past[:order]):
                weight = math.fsum(c * m for c, m in zip(lagrange(nodes, index), moments, strict=True))
                x = x + eps * (step.sigma * weight)
        on_step(step, x, denoised)
    return x


def _moments(end: float, count: int) -> list[float]:
    """Integrals of u^k e^u over [0, end] for k < `count`, by parts."""
    moments = [math.expm1(end)]
    for power in range(1, count):
        moments.append(end**power * math.exp(end) - power * moments[-1])
    return moments
