"""DDIM and its guided variant.

With x = x_vp * sqrt(1 + sigma^2), Song et al. 2021 (DDIM), Eq. 12 reads x' = denoised + down * eps + up * noise,
where their Eq. 16 for the noise's deviation becomes `moves.ancestral_split`.
"""

from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, GuidedDenoiser, Noise, OnStep, ignore, walk
from inkbloom.sampling.registry import sampler
from inkbloom.sampling.samplers.euler import euler_ancestral
from inkbloom.sampling.samplers.moves import add_normal, ancestral_split


@sampler("DDIM", order=1, stochastic=True, schedule="leading", variance_preserving=True)
def ddim(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    eta: float = 0.0,
    on_step: OnStep = ignore,
) -> Latent:
    """DDIM (Song et al. 2021, Eqs. 12 and 16): the steps of Euler a; only the start and the schedule differ.

    `eta` in [0, 1]: 0 is deterministic and takes no noise, 1 is the DDPM. One call for each step.
    """
    return euler_ancestral(denoise, x, sigmas, noise=noise, eta=eta, on_step=on_step)


@sampler(
    "DDIM CFG++",
    order=1,
    stochastic=True,
    aliases=("ddim_cfgpp",),
    schedule="leading",
    variance_preserving=True,
    needs_uncond=True,
)
def ddim_cfgpp(
    denoise: GuidedDenoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    eta: float = 0.0,
    on_step: OnStep = ignore,
) -> Latent:
    """DDIM that goes to the guided `denoised` but renoises along the unconditional eps (Chung et al. 2024, Algorithm
    2).

    The guidance scale then is the paper's lambda in [0, 1]; A1111 divides the usual scale by 12.5, which the caller has
    to do. `eta` as for DDIM. One guided call for each step.
    """
    for step in walk(sigmas):
        denoised, uncond = denoise.both(x, step.sigma)
        down, up = ancestral_split(step.sigma, step.sigma_next, eta)
        x = add_normal(denoised + (x - uncond) * (down / step.sigma), noise, up)
        on_step(step, x, denoised)
    return x
