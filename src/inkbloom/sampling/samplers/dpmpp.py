"""DPM-Solver++ (Lu et al. 2022b): exponential integrators of the data prediction, as k-diffusion arranged them.

With lambda = -log(sigma) and h = lambda' - lambda, the exact step is x' = (sigma' / sigma) x plus a weighted integral
of `denoised` over lambda; the methods differ in how they guess `denoised` between the points. The SDE variants do the
same for the reverse SDE whose noise `eta` scales (0: the ODE, 1: the reverse of the forward process). Steps to 0
return `denoised`.
"""

import math

from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, Noise, OnStep, ignore, walk
from inkbloom.sampling.registry import sampler
from inkbloom.sampling.samplers.moves import add_brownian, add_normal, ancestral_split, drift


@sampler("DPM++ 2M", order=2, aliases=("k_dpmpp_2m",), schedule="karras")
def dpmpp_2m(denoise: Denoiser, x: Latent, sigmas: Sigmas, *, on_step: OnStep = ignore) -> Latent:
    """DPM-Solver++(2M), deterministic (Lu et al. 2022b, Algorithm 2). One call for each step.

    The first step, and a last one to 0, are first order.
    """
    return multistep(denoise, x, sigmas, on_step)


def multistep(
    denoise: Denoiser, x: Latent, sigmas: Sigmas, on_step: OnStep, *, first_order_last: bool = False
) -> Latent:
    """DPM-Solver++(2M): extrapolate `denoised` over half a step; not in the first, nor in the last where asked."""
    steps = len(sigmas) - 1
    before, h_before = None, 0.0
    for step in walk(sigmas):
        denoised = denoise(x, step.sigma)
        target = denoised
        if step.sigma_next > 0:
            h = math.log(step.sigma / step.sigma_next)
            if before is not None and not (first_order_last and step.index == steps - 1):
                target = denoised + (denoised - before) * (h / (2 * h_before))
            before, h_before = denoised, h
        x = drift(x, target, step.sigma, step.sigma_next)
        on_step(step, x, denoised)
    return x


@sampler("DPM++ SDE", order=2, calls_per_step=2, stochastic=True, aliases=("k_dpmpp_sde",), schedule="karras")
def dpmpp_sde(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    on_step: OnStep = ignore,
) -> Latent:
    """DPM-Solver++(2S) with ancestral noise in both stages, which share one Brownian path (k-diffusion's "DPM++ SDE").

    Two calls for each step, the second at the geometric mean of the sigmas; one for a step to 0.
    """
    for step in walk(sigmas):
        target = denoised = denoise(x, step.sigma)
        down, up = ancestral_split(step.sigma, step.sigma_next, eta)
        if step.sigma_next > 0:
            middle = math.sqrt(step.sigma * step.sigma_next)
            middle_down, middle_up = ancestral_split(step.sigma, middle, eta)
            at_middle = drift(x, denoised, step.sigma, middle_down)
            target = denoise(add_brownian(at_middle, noise, step.sigma, middle, middle_up * s_noise), middle)
        x = drift(x, target, step.sigma, down)
        x = add_brownian(x, noise, step.sigma, step.sigma_next, up * s_noise)
        on_step(step, x, denoised)
    return x


@sampler("DPM++ 2M SDE", order=2, stochastic=True, aliases=("k_dpmpp_2m_sde",), schedule="exponential")
def dpmpp_2m_sde(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    on_step: OnStep = ignore,
) -> Latent:
    """SDE-DPM-Solver++(2M) (Lu et al. 2022b, Appendix B; k-diffusion's "midpoint"). One call for each step."""
    return _multistep_sde(denoise, x, sigmas, noise, eta, s_noise, on_step, heun=False)


@sampler("DPM++ 2M SDE Heun", order=2, stochastic=True, aliases=("k_dpmpp_2m_sde_heun",), schedule="exponential")
def dpmpp_2m_sde_heun(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    on_step: OnStep = ignore,
) -> Latent:
    """DPM++ 2M SDE, the difference weighted by its exact integral (k-diffusion's "heun"). One call for each step."""
    return _multistep_sde(denoise, x, sigmas, noise, eta, s_noise, on_step, heun=True)


def _multistep_sde(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    noise: Noise | None,
    eta: float,
    s_noise: float,
    on_step: OnStep,
    *,
    heun: bool,
) -> Latent:
    """DPM++ 2M SDE: the slope of `denoised` in lambda counts h (1 - kept) / 2, or with `heun` its exact integral."""
    before, h_before = None, 0.0
    for step in walk(sigmas):
        denoised = denoise(x, step.sigma)
        if step.sigma_next == 0:
            x = denoised
        else:
            h = math.log(step.sigma / step.sigma_next)
            length = h * (1 + eta)
            x = denoised + (x - denoised) * math.exp(-length)
            if before is not None:
                weight = 1 + math.expm1(-length) / length if heun else -math.expm1(-length) / 2
                x = x + (denoised - before) * (weight * h / h_before)
            x = _add_sde_noise(x, noise, step.sigma, step.sigma_next, eta, s_noise)
            before, h_before = denoised, h
        on_step(step, x, denoised)
    return x


def _add_sde_noise(
    x: Latent, noise: Noise | None, sigma: float, sigma_next: float, eta: float, s_noise: float
) -> Latent:
    """Add the noise of the reverse SDE over one step: deviation sigma' sqrt(1 - (sigma' / sigma)^(2 eta))."""
    amount = sigma_next * math.sqrt(-math.expm1(2 * eta * math.log(sigma_next / sigma)))
    return add_brownian(x, noise, sigma, sigma_next, amount * s_noise)


@sampler("DPM++ 2S a", order=2, calls_per_step=2, stochastic=True, aliases=("k_dpmpp_2s_a",), schedule="karras")
def dpmpp_2s_ancestral(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    on_step: OnStep = ignore,
) -> Latent:
    """DPM-Solver++(2S) (Lu et al. 2022b, Algorithm 1, r = 1/2) down to a lower level, then noise back up as in Euler a.

    Two calls for each step, one where it goes down to 0.
    """
    for step in walk(sigmas):
        target = denoised = denoise(x, step.sigma)
        down, up = ancestral_split(step.sigma, step.sigma_next, eta)
        if down > 0:
            middle = math.sqrt(step.sigma * down)
            target = denoise(drift(x, denoised, step.sigma, middle), middle)
        x = add_normal(drift(x, target, step.sigma, down), noise, up * s_noise)
        on_step(step, x, denoised)
    return x


@sampler(
    "DPM++ 3M SDE",
    order=2,
    stochastic=True,
    aliases=("k_dpmpp_3m_sde",),
    schedule="exponential",
    discard_penultimate=True,
)
def dpmpp_3m_sde(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    on_step: OnStep = ignore,
) -> Latent:
    """k-diffusion's DPM-Solver++(3M) SDE: a quadratic through the last three `denoised`. One call for each step.

    The published weight of the quadratic term, phi_3 where its integral is 2 phi_3, makes the order 2 and not 3; it is
    kept, as in diffusers, since pictures depend on it.
    """
    past: list[tuple[float, Latent]] = []  # (the step's h, denoised), newest first, without the current one
    for step in walk(sigmas):
        denoised = denoise(x, step.sigma)
        if step.sigma_next == 0:
            x = denoised
        else:
            h = math.log(step.sigma / step.sigma_next)
            length = h * (1 + eta)
            phi_2 = 1 + math.expm1(-length) / length
            x = denoised + (x - denoised) * math.exp(-length)
            if past:
                (h_1, first), *rest = past
                slope = (denoised - first) * (h / h_1)
                if rest:
                    h_2, second = rest[0]
                    bend = (slope - (first - second) * (h / h_2)) * (h / (h_1 + h_2))
                    x = x + (slope + bend * (h_1 / h)) * phi_2 - bend * (phi_2 / length - 0.5)
                else:
                    x = x + slope * phi_2
            x = _add_sde_noise(x, noise, step.sigma, step.sigma_next, eta, s_noise)
            past = [(h, denoised), *past[:1]]
        on_step(step, x, denoised)
    return x
