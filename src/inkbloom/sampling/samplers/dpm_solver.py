"""DPM-Solver as CompVis' `--dpm_solver` runs it."""

from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, OnStep, ignore
from inkbloom.sampling.registry import sampler
from inkbloom.sampling.samplers.dpmpp import multistep


@sampler("DPM-Solver", order=2, aliases=("dpm_solver_compvis",), schedule="time_uniform", variance_preserving=True)
def dpm_solver(denoise: Denoiser, x: Latent, sigmas: Sigmas, *, on_step: OnStep = ignore) -> Latent:
    """DPM-Solver++(2M) whose last step is first order in runs of fewer than 15 steps. One call for each step.

    CompVis calls the multistep method of order 2 on the data prediction, `lower_order_final=True`.
    """
    return multistep(denoise, x, sigmas, on_step, first_order_last=len(sigmas) - 1 < 15)
