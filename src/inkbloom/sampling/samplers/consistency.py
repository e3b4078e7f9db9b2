"""Samplers for distilled models that jump from any level to the data, or near it: LCM and TCD."""

import math

from inkbloom.core.errors import RequestError
from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, Noise, OnStep, ignore, walk
from inkbloom.sampling.registry import sampler
from inkbloom.sampling.samplers.moves import add_normal, drift
from inkbloom.sampling.schedules import NoiseScheduleSpec


@sampler("LCM", order=1, stochastic=True, aliases=("k_lcm",))
def lcm(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    s_noise: float = 1.0,
    on_step: OnStep = ignore,
) -> Latent:
    """Multistep consistency sampling, x' = denoised + sigma' * noise (Luo et al. 2023, LCM, Algorithm 3). One call a
    step.

    The boundary scalings c_skip and c_out are left out: at the time steps that LCMs are run at (19 and above) they
    differ from 0 and 1 by less than 1e-5.
    """
    for step in walk(sigmas):
        denoised = denoise(x, step.sigma)
        x = add_normal(denoised, noise, step.sigma_next * s_noise)
        on_step(step, x, denoised)
    return x


@sampler("TCD", order=1, stochastic=True, schedule="trailing", variance_preserving=True)
def tcd(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    gamma: float = 0.3,
    on_step: OnStep = ignore,
) -> Latent:
    """Strategic stochastic sampling of trajectory consistency models (Zheng et al. 2024, TCD, Algorithm 4). One call
    a step.

    Goes down to the time step (1 - gamma) * t', rounded down, and back up with noise; `gamma` in [0, 1], 0 draws
    none. Time steps are those of Stable Diffusion's noise schedule, on which TCD models are made. Raises
    `RequestError` for another `gamma`.
    """
    if not 0 <= gamma <= 1:
        raise RequestError(f"TCD's gamma is {gamma}; it must be between 0 and 1.")
    schedule = NoiseScheduleSpec().build()
    for step in walk(sigmas):
        denoised = denoise(x, step.sigma)
        down = step.sigma_next
        if gamma > 0 and down > schedule.sigma_min:
            # The small addend keeps a whole time step whole: `t` comes out of logarithms.
            down = min(down, schedule.sigma(math.floor((1 - gamma) * schedule.t(down) + 1e-6)))
        x = drift(x, denoised, step.sigma, down)
        x = add_normal(x, noise, math.sqrt(step.sigma_next**2 - down**2))
        on_step(step, x, denoised)
    return x
