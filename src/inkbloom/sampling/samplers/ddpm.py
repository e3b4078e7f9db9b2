"""The ancestral sampler of the DDPM."""

from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, Noise, OnStep, ignore
from inkbloom.sampling.registry import sampler
from inkbloom.sampling.samplers.euler import euler_ancestral


@sampler("DDPM", order=1, stochastic=True, variance_preserving=True)
def ddpm(
    denoise: Denoiser, x: Latent, sigmas: Sigmas, *, noise: Noise | None = None, on_step: OnStep = ignore
) -> Latent:
    """Ancestral sampling with the posterior's variance (Ho et al. 2020, Algorithm 2 and Eq. 7; "fixed small").

    In this frame that is Euler a with all of its noise. One call for each step.
    """
    return euler_ancestral(denoise, x, sigmas, noise=noise, on_step=on_step)
