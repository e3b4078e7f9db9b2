"""Euler's method on the probability-flow ODE, plain and ancestral."""

from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, Noise, OnStep, ignore, walk
from inkbloom.sampling.registry import sampler
from inkbloom.sampling.samplers.moves import add_normal, ancestral_split, churn, drift


@sampler("Euler a", order=1, stochastic=True, aliases=("k_euler_a", "k_euler_ancestral"))
def euler_ancestral(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    on_step: OnStep = ignore,
) -> Latent:
    """Step down a little too far by Euler's method, then add noise back up to `sigma_next`.

    `eta` in [0, 1] says how much of the posterior's noise is drawn: 0 is Euler, 1 is the DDPM's ancestral sampling
    (Ho et al. 2020, Algorithm 2) in this frame. `s_noise` scales the noise. One call for each step.
    """
    for step in walk(sigmas):
        denoised = denoise(x, step.sigma)
        down, up = ancestral_split(step.sigma, step.sigma_next, eta)
        x = add_normal(drift(x, denoised, step.sigma, down), noise, up * s_noise)
        on_step(step, x, denoised)
    return x


@sampler("Euler", order=1, stochastic=True, aliases=("k_euler",))
def euler(
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
    """Euler's method (Karras et al. 2022, Algorithm 2 without its second-order lines). One call for each step.

    Deterministic unless `s_churn` > 0 (see `moves.churn` for the four options). `sigmas` decreases and may end in 0, in
    which case the last denoised latent is returned exactly. Raise from `on_step` to stop early.
    """
    for step in walk(sigmas):
        x, sigma = churn(x, step, noise, s_churn / (len(sigmas) - 1), (s_tmin, s_tmax), s_noise)
        denoised = denoise(x, sigma)
        x = drift(x, denoised, sigma, step.sigma_next)
        on_step(step, x, denoised)
    return x
