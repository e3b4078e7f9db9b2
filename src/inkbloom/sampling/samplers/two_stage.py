"""Second-order methods that look at the slope twice in each step: Heun and DPM2.

Both are the Euler step plus a correction by how much `denoised` moved, so that at high sigma nothing large cancels. A
step to 0 is an Euler step: there the slope (x - denoised) / sigma does not exist.
"""

import math

from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, Noise, OnStep, ignore, walk
from inkbloom.sampling.registry import sampler
from inkbloom.sampling.samplers.moves import add_normal, ancestral_split, churn, drift


def heun_step(denoise: Denoiser, x: Latent, denoised: Latent, sigma: float, sigma_next: float) -> Latent:
    """Go from `sigma` to `sigma_next` by the mean of the slopes at both ends; `denoised` is the answer at `sigma`."""
    ahead = drift(x, denoised, sigma, sigma_next)
    if sigma_next == 0:
        return ahead
    return ahead + (denoise(ahead, sigma_next) - denoised) * ((sigma / sigma_next - 1) / 2)


def dpm2_step(denoise: Denoiser, x: Latent, denoised: Latent, sigma: float, sigma_next: float) -> Latent:
    """Go to `sigma_next` by the slope at the geometric mean of both alone; `denoised` is the answer at `sigma`."""
    ahead = drift(x, denoised, sigma, sigma_next)
    if sigma_next == 0:
        return ahead
    middle = math.sqrt(sigma * sigma_next)
    at_middle = denoise(drift(x, denoised, sigma, middle), middle)
    return ahead + (at_middle - denoised) * ((sigma - sigma_next) / middle)


@sampler("Heun", order=2, calls_per_step=2, stochastic=True, aliases=("k_heun",))
def heun(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = float("inf"),
    s_noise: float = 1.0,
    on_step: OnStep = ignore,
) -> Latent:
    """Heun's method (Karras et al. 2022, Algorithm 2). Two calls for each step, one for a step to 0.

    Deterministic unless `s_churn` > 0 (see `moves.churn`).
    """
    for step in walk(sigmas):
        x, sigma = churn(x, step, noise, s_churn / (len(sigmas) - 1), (s_tmin, s_tmax), s_noise)
        denoised = denoise(x, sigma)
        x = heun_step(denoise, x, denoised, sigma, step.sigma_next)
        on_step(step, x, denoised)
    return x


@sampler(
    "DPM2",
    order=2,
    calls_per_step=2,
    stochastic=True,
    aliases=("k_dpm_2",),
    schedule="karras",
    discard_penultimate=True,
)
def dpm2(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = float("inf"),
    s_noise: float = 1.0,
    on_step: OnStep = ignore,
) -> Latent:
    """DPM-Solver-2 (Lu et al. 2022, Algorithm 1) with the midpoint's slope alone, inside Karras' Algorithm 2.

    Two calls for each step, one for a step to 0. Deterministic unless `s_churn` > 0 (see `moves.churn`).
    """
    for step in walk(sigmas):
        x, sigma = churn(x, step, noise, s_churn / (len(sigmas) - 1), (s_tmin, s_tmax), s_noise)
        denoised = denoise(x, sigma)
        x = dpm2_step(denoise, x, denoised, sigma, step.sigma_next)
        on_step(step, x, denoised)
    return x


@sampler(
    "DPM2 a",
    order=2,
    calls_per_step=2,
    stochastic=True,
    aliases=("k_dpm_2_a", "k_dpm_2_ancestral"),
    schedule="karras",
    discard_penultimate=True,
)
def dpm2_ancestral(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    on_step: OnStep = ignore,
) -> Latent:
    """DPM2 down to a lower level, then noise back up (`eta`, `s_noise` as in Euler a). Two calls a step, one to 0."""
    for step in walk(sigmas):
        denoised = denoise(x, step.sigma)
        down, up = ancestral_split(step.sigma, step.sigma_next, eta)
        x = add_normal(dpm2_step(denoise, x, denoised, step.sigma, down), noise, up * s_noise)
        on_step(step, x, denoised)
    return x
