"""DPM-Solver (Lu et al. 2022a): singlestep methods of orders 1 to 3 on the noise prediction, fixed or adaptive.

In this frame a step of order 1 is Euler's. Both samplers only read the range of the `sigmas` they get, from the first
to the smallest positive one, and stop there: as in k-diffusion the last remainder of noise stays in.
"""

import math

import torch

from inkbloom.core.errors import InkbloomError, RequestError
from inkbloom.core.types import Latent, Sigmas
from inkbloom.sampling.denoiser import Denoiser, Noise, OnStep, Step, ignore
from inkbloom.sampling.registry import sampler
from inkbloom.sampling.samplers.moves import add_normal, ancestral_split, drift


class _Solver:
    """The steps of orders 1 to 3 from one point; model calls already made there are shared between the orders."""

    def __init__(self, denoise: Denoiser, x: Latent, sigma: float) -> None:
        self.denoise, self.x, self.sigma = denoise, x, sigma
        self.denoised = denoise(x, sigma)
        self.eps = (x - self.denoised) / sigma

    def first(self, sigma_next: float) -> Latent:
        return drift(self.x, self.denoised, self.sigma, sigma_next)

    def stage(self, sigma_next: float, part: float) -> Latent:
        """Return how much eps changes over the fraction `part` of the step in log(sigma), by an Euler step."""
        middle = self.sigma * (sigma_next / self.sigma) ** part
        ahead = self.first(middle)
        return (ahead - self.denoise(ahead, middle)) / middle - self.eps

    def second(self, sigma_next: float, change: Latent, part: float) -> Latent:
        """DPM-Solver-2 (Lu et al. 2022a, Algorithm 4) with `change` from `stage(sigma_next, part)`."""
        return self.first(sigma_next) - change * ((self.sigma - sigma_next) / (2 * part))

    def third(self, sigma_next: float, change: Latent) -> Latent:
        """DPM-Solver-3 (Lu et al. 2022a, Algorithm 5; r1 = 1/3, r2 = 2/3) with `change` from `stage(..., 1/3)`."""
        middle = self.sigma * (sigma_next / self.sigma) ** (2 / 3)
        ahead = self.first(middle) - change * (2 * self._bend(middle))
        change = (ahead - self.denoise(ahead, middle)) / middle - self.eps
        return self.first(sigma_next) - change * (1.5 * self._bend(sigma_next))

    def _bend(self, sigma_next: float) -> float:
        """sigma' * ((e^h - 1) / h - 1): what an eps that grows by 1 over the step, linearly in log(sigma), adds."""
        return (self.sigma - sigma_next) / math.log(self.sigma / sigma_next) - sigma_next


def _range(sigmas: Sigmas) -> tuple[float, float]:
    """The first sigma and the smallest positive one; the end of the list instead where that is no step at all."""
    first, last = sigmas[0].item(), sigmas[sigmas > 0][-1].item()
    return first, last if last < first else sigmas[-1].item()


def _split(sigma: float, sigma_next: float, eta: float, end: float) -> tuple[float, float]:
    """`ancestral_split` that never goes below `end`."""
    down = max(ancestral_split(sigma, sigma_next, eta)[0], end)
    return down, math.sqrt(max(0.0, sigma_next**2 - down**2))


@sampler("DPM fast", order=3, stochastic=True, aliases=("k_dpm_fast",))
def dpm_fast(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    eta: float = 1.0,
    s_noise: float = 1.0,
    on_step: OnStep = ignore,
) -> Latent:
    """DPM-Solver-fast (Lu et al. 2022a, Section 3.4): as many steps of order 3 as the calls allow, even in log(sigma).

    The number of calls is that of the steps in `sigmas`; the last steps are of lower order. `eta` and `s_noise` as in
    Euler a; A1111's default 1 is kept, the paper's method is 0.
    """
    start, end = _range(sigmas)
    if end == 0:
        orders, levels = [1], [start, end]
    else:
        calls = len(sigmas) - 1
        whole, left = divmod(calls, 3)
        orders = [3] * whole + [left] if left else [3] * (whole - 1) + [2, 1]
        levels = [start * (end / start) ** (i / len(orders)) for i in range(len(orders))] + [end]
    for index, order in enumerate(orders):
        step = Step(index, levels[index], levels[index + 1])
        solver = _Solver(denoise, x, step.sigma)
        down, up = _split(step.sigma, step.sigma_next, eta, end)
        if order == 1:
            x = solver.first(down)
        elif order == 2:
            x = solver.second(down, solver.stage(down, 1 / 2), 1 / 2)
        else:
            x = solver.third(down, solver.stage(down, 1 / 3))
        x = add_normal(x, noise, up * s_noise)
        on_step(step, x, solver.denoised)
    return x


@sampler("DPM adaptive", order=3, calls_per_step=0, stochastic=True, aliases=("k_dpm_ad",))
def dpm_adaptive(
    denoise: Denoiser,
    x: Latent,
    sigmas: Sigmas,
    *,
    noise: Noise | None = None,
    rtol: float = 0.05,
    atol: float = 0.0078,
    eta: float = 1.0,
    s_noise: float = 1.0,
    on_step: OnStep = ignore,
) -> Latent:
    """DPM-Solver-23: steps as long as the orders 2 and 3 agree (Lu et al. 2022a, Appendix C; k-diffusion's controller).

    Three calls for each try, however many tries it takes; `sigmas` gives the range only. A try is kept where the root
    mean square of |x_2 - x_3| / max(atol, rtol * |x|) is small enough; the next length follows from it. `eta` and
    `s_noise` as in Euler a; A1111's default 1 is kept, the paper's method is 0.

    Takes one picture at a time, since the steps of a picture must not depend on its neighbours: `RequestError`
    otherwise. `InkbloomError` where the model answers with NaN.
    """
    if x.shape[0] != 1:
        raise RequestError(f"DPM adaptive chooses the steps for one picture; it got a batch of {x.shape[0]}, use 1.")
    sigma, end = _range(sigmas)
    if end == 0:
        denoised = denoise(x, sigma)
        on_step(Step(0, sigma, end), denoised, denoised)
        return denoised
    index, h, previous = 0, 0.05, x  # the first try is 0.05 long in log(sigma)
    while sigma > end * (1 + 1e-5):
        sigma_next = max(end, sigma * math.exp(-h))
        solver = _Solver(denoise, x, sigma)
        down, up = _split(sigma, sigma_next, eta, end)
        change = solver.stage(down, 1 / 3)
        low, high = solver.second(down, change, 1 / 3), solver.third(down, change)
        allowed = torch.maximum(low.abs(), previous.abs()).mul(rtol).clamp(min=atol)
        error = ((low - high) / allowed).square().mean().sqrt().item()
        if math.isnan(error):
            raise InkbloomError(f"DPM adaptive cannot choose a step: the model answers with NaN at sigma {sigma:.4g}.")
        factor = 1 + math.atan((error + 1e-8) ** (-1 / (1.5 if eta else 3)) - 1)
        h *= factor
        if factor >= 0.81:
            previous, x = low, add_normal(high, noise, up * s_noise)
            on_step(Step(index, sigma, sigma_next), x, solver.denoised)
            sigma, index = sigma_next, index + 1
    return x
