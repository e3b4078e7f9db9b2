"""PLMS: the pseudo linear multistep method of the first Stable Diffusion release."""

from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, OnStep, ignore, walk
from inkbloom.sampling.registry import sampler
from inkbloom.sampling.samplers.moves import drift

# Adams-Bashforth weights for evenly spaced points, newest first, by how many points there are.
_WEIGHTS = {2: (3 / 2, -1 / 2), 3: (23 / 12, -16 / 12, 5 / 12), 4: (55 / 24, -59 / 24, 37 / 24, -9 / 24)}


@sampler("PLMS", order=2, schedule="leading", variance_preserving=True)
def plms(denoise: Denoiser, x: Latent, sigmas: Sigmas, *, on_step: OnStep = ignore) -> Latent:
    """Pseudo linear multistep (Liu et al. 2022, PNDM, Eqs. 9, 11 and 12), as CompVis runs it.

    x' = x + (sigma' - sigma) * e', e' an Adams-Bashforth mix of the last four eps. Its weights are those of even
    steps, the sigmas are not even, hence order 2. The first step is Heun's and takes two calls, all others one; a
    step to 0 returns `denoised`.
    """
    past: list[Latent] = []  # eps, newest first
    for step in walk(sigmas):
        denoised = denoise(x, step.sigma)
        eps = (x - denoised) / step.sigma
        past = [eps, *past[:3]]
        if step.sigma_next == 0:
            x = drift(x, denoised, step.sigma, 0.0)
        else:
            if len(past) == 1:
                ahead = drift(x, denoised, step.sigma, step.sigma_next)
                mixed = (eps + (ahead - denoise(ahead, step.sigma_next)) / step.sigma_next) / 2
            else:
                mixed = eps * _WEIGHTS[len(past)][0]
                for weight, older in zip(_WEIGHTS[len(past)][1:], past[1:], strict=True):
                    mixed = mixed + older * weight
            x = x + mixed * (step.sigma_next - step.sigma)
        on_step(step, x, denoised)
    return x
