"""The few moves that samplers are made of.

Everything happens in the variance-exploding frame x = x0 + sigma * noise, where the probability-flow ODE is
dx/dsigma = eps = (x - denoised) / sigma (Karras et al. 2022, Eqs. 1 and 3). There a formula of a variance-preserving
sampler, written for x_vp = x / sqrt(1 + sigma^2), loses its alphas: DDIM becomes Euler's method, and the exponential
integrators of the data prediction (DPM-Solver++) become `drift` towards a better guess than the current `denoised`.

Coefficients are Python floats (float64). Tensors are only multiplied by them and added, one rounding each, so that a
picture does not depend on its batch: fused kernels (lerp, addcmul) round differently in the tails of vectorised loops.
"""

import math

from inkbloom.core.errors import RequestError
from inkbloom.core.types import Latent
from inkbloom.sampling.denoiser import Noise, Step


def drift(x: Latent, target: Latent, sigma: float, sigma_next: float) -> Latent:
    """Go from `sigma` to `sigma_next` as the ODE does while `denoised` stays at `target`; at 0 that is `target`."""
    return target + (x - target) * (sigma_next / sigma)


def ancestral_split(sigma: float, sigma_next: float, eta: float) -> tuple[float, float]:
    """Split a step into the level to go down to and the noise to add: down^2 + up^2 = sigma_next^2.

    up = eta * sigma_next * sqrt(1 - (sigma_next / sigma)^2), at most sigma_next. `eta` = 0 adds none; 1 is the
    posterior of the forward process (Ho et al. 2020, Eq. 7; Song et al. 2021, DDIM, Eq. 16, both in this frame).
    """
    ratio = (sigma_next / sigma) ** 2
    kept = max(0.0, (1 - eta**2) + eta**2 * ratio)  # down^2 / sigma_next^2 without subtracting nearly equal numbers
    return sigma_next * math.sqrt(kept), sigma_next * min(1.0, eta * math.sqrt(1 - ratio))


def add_normal(x: Latent, noise: Noise | None, amount: float) -> Latent:
    """Return `x` plus `amount` times the next normal draw; an `amount` of 0 draws nothing."""
    return x if amount == 0 else x + required(noise).normal() * amount


def add_brownian(x: Latent, noise: Noise | None, sigma: float, sigma_next: float, amount: float) -> Latent:
    """Return `x` plus `amount` times the path's increment over [sigma_next, sigma]; an `amount` of 0 draws nothing."""
    return x if amount == 0 else x + required(noise).brownian(sigma, sigma_next) * amount


def churn(
    x: Latent, step: Step, noise: Noise | None, amount: float, interval: tuple[float, float], s_noise: float
) -> tuple[Latent, float]:
    """Raise the noise level before a step (Karras et al. 2022, Algorithm 2, lines 4 to 6): return (x, the level now).

    `amount` is S_churn / steps, at most sqrt(2) - 1; it acts on sigmas within `interval` = (S_tmin, S_tmax);
    `s_noise` scales the noise. Outside the interval the draw is made and thrown away, as k-diffusion does, so that
    the interval does not change which noise later steps get.
    """
    if amount == 0:
        return x, step.sigma
    draw = required(noise).normal()
    if not interval[0] <= step.sigma <= interval[1]:
        return x, step.sigma
    sigma = step.sigma * (1 + min(amount, math.sqrt(2) - 1))
    return x + draw * (s_noise * math.sqrt(sigma**2 - step.sigma**2)), sigma


def required(noise: Noise | None) -> Noise:
    """Return `noise`; a `RequestError` where the caller gave none."""
    if noise is None:
        raise RequestError("This sampler draws noise with the options given, but noise=None; pass a Noise source.")
    return noise
