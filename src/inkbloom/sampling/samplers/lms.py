"""Linear multistep methods with the coefficients that the spacing of the sigmas asks for."""

import math

from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, OnStep, ignore, walk
from inkbloom.sampling.registry import sampler

_ORDER = 4


def lagrange(nodes: list[float], index: int) -> list[float]:
    """Coefficients, constant first, of the polynomial that is 1 at `nodes[index]` and 0 at the other nodes."""
    coefficients = [1.0]
    for other in nodes[:index] + nodes[index + 1 :]:
        raised, lowered = [0.0, *coefficients], [other * c for c in coefficients] + [0.0]
        coefficients = [(up - down) / (nodes[index] - other) for up, down in zip(raised, lowered, strict=True)]
    return coefficients


@sampler("LMS", order=4, aliases=("k_lms",))
def lms(denoise: Denoiser, x: Latent, sigmas: Sigmas, *, on_step: OnStep = ignore) -> Latent:
    """Adams-Bashforth of order 4 in sigma, for any spacing (k-diffusion's linear multistep). One call for each step.

    x' = x + sum_j eps_j * integral of the j-th Lagrange polynomial over [sigma, sigma']. The first steps use as many
    points as there are. A last step to 0 extrapolates like the others, as in k-diffusion, and so is not the last
    `denoised`.
    """
    past: list[tuple[float, Latent]] = []  # (sigma, eps), newest first
    for step in walk(sigmas):
        denoised = denoise(x, step.sigma)
        past = [(step.sigma, (x - denoised) / step.sigma), *past[: _ORDER - 1]]
        nodes, length = [sigma - step.sigma for sigma, _ in past], step.sigma_next - step.sigma
        for index, (_, eps) in enumerate(past):
            weights = enumerate(lagrange(nodes, index), start=1)
            x = x + eps * math.fsum(weight * length**power / power for power, weight in weights)
        on_step(step, x, denoised)
    return x
