"""Schedules: the list of sigmas that a run steps through, from noise to picture.

Words: a schedule makes steps + 1 decreasing sigmas, mostly with a 0 at the end, so that the last step lands on the
picture itself; `n` is the number of steps; a time step t of the T of the noise schedule (`schedules.py`) stands for
sigma(t). Names and formulas are A1111's (1.10), so that a picture made there can be made again here. A schedule
registers itself by its decorator and names in its signature what it depends on; interfaces read this and keep no list.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from inkbloom.core.errors import RequestError, nearest
from inkbloom.core.types import Sigmas, Tensor
from inkbloom.sampling.schedules import NoiseSchedule

ScheduleFunction = Callable[..., Sigmas]
"""`(n, *, [noise_schedule], [sigma_min], [sigma_max], [rho], [beta_alpha], [beta_beta], [family]) -> sigmas`."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    function: ScheduleFunction
    name: str
    """The name on disk and in every interface: "sgm_uniform"."""
    label: str
    """The name that people read: "SGM Uniform"."""
    aliases: tuple[str, ...]
    options: frozenset[str]
    """What the schedule depends on besides the number of steps."""


_SCHEDULES: dict[str, Schedule] = {}
_BY_ALIAS: dict[str, str] = {}


def schedule(name: str, label: str, *aliases: str) -> Callable[[ScheduleFunction], ScheduleFunction]:
    """Register the decorated function as a schedule."""

    def register(function: ScheduleFunction) -> ScheduleFunction:
        parameters = inspect.signature(function).parameters.values()
        options = frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        _SCHEDULES[name] = Schedule(function=function, name=name, label=label, aliases=aliases, options=options)
        for alias in (name, label, *aliases):
            _BY_ALIAS[alias.lower()] = name
        return function

    return register


def all_schedules() -> tuple[Schedule, ...]:
    """Every schedule, in the order in which interfaces show them."""
    return tuple(_SCHEDULES.values())


def find_schedule(name: str) -> Schedule:
    """The schedule of that name, label or alias, whatever the case; else a `RequestError` that names the nearest."""
    known = _BY_ALIAS.get(name.strip().lower())
    if known is None:
        raise RequestError(f'Unknown schedule "{name}".{nearest(name, _SCHEDULES)}')
    return _SCHEDULES[known]


def split_name(name: str) -> tuple[str, str | None]:
    """Part A1111's old combined names: "DPM++ 2M Karras" -> ("DPM++ 2M", "karras"), and "Euler a" -> ("Euler a", None).

    The longest schedule name, label or alias at the end counts, whatever the case. The first part is not checked.
    """
    name = name.strip()
    for alias in sorted(_BY_ALIAS, key=len, reverse=True):
        if name.lower().endswith(f" {alias}"):
            return name[: -len(alias)].rstrip(), _BY_ALIAS[alias]
    return name, None


def make_sigmas(
    schedule_name: str,
    steps: int,
    noise_schedule: NoiseSchedule,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    rho: float | None = None,
    discard_penultimate: bool = False,
    beta_alpha: float = 0.6,
    beta_beta: float = 0.6,
    family: str = "sd1",
) -> Sigmas:
    """The sigmas of a run, strictly decreasing, float64 on the CPU: steps + 1 (of "ddim" and "leading" sometimes more).

    `sigma_min`, `sigma_max`: the range, None for the noise schedule's own. `rho`: the curvature of "karras" (None: 7)
    and "polyexponential" (None: 1). `discard_penultimate`: make one step more and leave out the last sigma but one
    (`Sampler.discard_penultimate`). `beta_alpha`, `beta_beta`: the shape of "beta". `family`: whose optimised steps
    "align_your_steps" takes.

    `RequestError` for an unknown schedule, a number out of range, an option that the schedule has no use for, and more
    steps than the schedule has different noise levels.
    """
    found = find_schedule(schedule_name)
    if steps < 1:
        raise RequestError(f"{steps} steps cannot be made; at least 1 is needed.")
    for option, value in (("sigma_min", sigma_min), ("sigma_max", sigma_max), ("rho", rho)):
        if value is not None and option not in found.options:
            takers = ", ".join(f'"{s.name}"' for s in all_schedules() if option in s.options)
            raise RequestError(f'Schedule "{found.name}" takes no {option}; these do: {takers}.')
        if value is not None and not 0 < value < math.inf:
            raise RequestError(f"{option} {value} is out of range; it must be greater than 0 and finite.")
    low = noise_schedule.sigma_min if sigma_min is None else sigma_min
    high = noise_schedule.sigma_max if sigma_max is None else sigma_max
    if low >= high:
        raise RequestError(f"sigma_min {low:g} must be less than sigma_max {high:g}.")
    for option, value in (("beta_alpha", beta_alpha), ("beta_beta", beta_beta)):
        if not 0 < value < math.inf:
            raise RequestError(f"{option} {value} is out of range; it must be greater than 0 and finite.")
    known: dict[str, Any] = {"noise_schedule": noise_schedule, "sigma_min": low, "sigma_max": high, "family": family}
    known |= {"beta_alpha": beta_alpha, "beta_beta": beta_beta} | ({} if rho is None else {"rho": rho})
    arguments = {option: value for option, value in known.items() if option in found.options}
    sigmas = found.function(steps + discard_penultimate, **arguments)
    if discard_penultimate:
        sigmas = torch.cat([sigmas[:-2], sigmas[-1:]])
    if bool((sigmas.diff() >= 0).any()):
        raise RequestError(f'Schedule "{found.name}" has no {steps} different noise levels; use fewer steps.')
    return sigmas


def _ending_in_zero(sigmas: Iterable[float] | Tensor) -> Sigmas:
    return torch.tensor([*map(float, sigmas), 0.0], dtype=torch.float64)


def _ramp(start: float, end: float, n: int) -> Tensor:
    """n points evenly from start to end; just start for n = 1."""
    return torch.linspace(start, end, n, dtype=torch.float64)


def _spaced(n: int, noise_schedule: NoiseSchedule) -> list[float]:
    """sigma at the time steps 1, 1 + s, 1 + 2 s, ... of T from high to low, with the stride s = floor(T / n).

    These are ceil(T / s) steps: n where n divides T, else a few more, as in CompVis' and A1111's DDIM (31 for 30).
    """
    timesteps = noise_schedule.timesteps
    stride = max(timesteps // n, 1)
    return [noise_schedule.sigma(min(t + 1, timesteps - 1)) for t in reversed(range(0, timesteps, stride))]


@schedule("automatic", "Automatic")
def automatic(n: int, *, noise_schedule: NoiseSchedule) -> Sigmas:
    """Stands for the sampler's own (`Sampler.schedule`): who knows the sampler asks for that one; else "uniform"."""
    return uniform(n, noise_schedule=noise_schedule)


@schedule("uniform", "Uniform")
def uniform(n: int, *, noise_schedule: NoiseSchedule) -> Sigmas:
    """n time steps evenly from T - 1 to 0, then 0 (k-diffusion's `get_sigmas`)."""
    return _ending_in_zero(map(noise_schedule.sigma, _ramp(noise_schedule.timesteps - 1, 0, n).tolist()))


@schedule("karras", "Karras")
def karras(n: int, *, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Sigmas:
    """sigma^(1/rho) evenly from sigma_max to sigma_min, then 0 (Karras et al. 2022, Eq. 5)."""
    return _ending_in_zero(_ramp(sigma_max ** (1 / rho), sigma_min ** (1 / rho), n) ** rho)


@schedule("exponential", "Exponential")
def exponential(n: int, *, sigma_min: float, sigma_max: float) -> Sigmas:
    """ln sigma evenly from sigma_max to sigma_min, then 0."""
    return polyexponential(n, sigma_min=sigma_min, sigma_max=sigma_max)


@schedule("polyexponential", "Polyexponential")
def polyexponential(n: int, *, sigma_min: float, sigma_max: float, rho: float = 1.0) -> Sigmas:
    """ln sigma = ln sigma_min + r^rho ln(sigma_max / sigma_min), r evenly from 1 to 0, then 0."""
    return _ending_in_zero(sigma_min * (sigma_max / sigma_min) ** (_ramp(1, 0, n) ** rho))


@schedule("sgm_uniform", "SGM Uniform", "SGMUniform")
def sgm_uniform(n: int, *, noise_schedule: NoiseSchedule, sigma_min: float, sigma_max: float) -> Sigmas:
    """n + 1 time steps evenly from t(sigma_max) to t(sigma_min), 0 in place of the last."""
    times = _ramp(noise_schedule.t(sigma_max), noise_schedule.t(sigma_min), n + 1)
    return _ending_in_zero(map(noise_schedule.sigma, times[:-1].tolist()))


@schedule("kl_optimal", "KL Optimal")
def kl_optimal(n: int, *, sigma_min: float, sigma_max: float) -> Sigmas:
    """arctan sigma evenly from sigma_max to sigma_min in n + 1 points, with no 0 at the end (Sabour et al. 2024)."""
    return _ramp(math.atan(sigma_max), math.atan(sigma_min), n + 1).tan()


_STABLE_DIFFUSION_1_STEPS = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
_SDXL_STEPS = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)


@schedule("align_your_steps", "Align Your Steps")
def align_your_steps(n: int, *, family: str) -> Sigmas:
    """The 11 sigmas optimised for a family (Sabour et al. 2024), log-linear between them for other n, then 0.

    "sdxl" has its own; every other family takes Stable Diffusion 1's, as in A1111. n = 1 takes the first.
    """
    anchors = torch.tensor(_SDXL_STEPS if family == "sdxl" else _STABLE_DIFFUSION_1_STEPS, dtype=torch.float64).log()
    places = _ramp(0, len(anchors) - 1, n)
    left = places.long().clamp(max=len(anchors) - 2)
    return _ending_in_zero(anchors[left].lerp(anchors[left + 1], places - left).exp())


@schedule("simple", "Simple")
def simple(n: int, *, noise_schedule: NoiseSchedule) -> Sigmas:
    """Every (T / n)-th training sigma down from the highest, T - 1 - floor(i T / n), then 0."""
    timesteps = noise_schedule.timesteps
    # In floating point, which for a few n (38, 76) falls one short of the quotient, as in A1111
    return _ending_in_zero(noise_schedule.sigmas[[timesteps - 1 - int(i * (timesteps / n)) for i in range(n)]])


@schedule("normal", "Normal")
def normal(n: int, *, noise_schedule: NoiseSchedule, sigma_min: float, sigma_max: float) -> Sigmas:
    """n time steps evenly from t(sigma_max) to t(sigma_min), then 0."""
    times = _ramp(noise_schedule.t(sigma_max), noise_schedule.t(sigma_min), n)
    return _ending_in_zero(map(noise_schedule.sigma, times.tolist()))


@schedule("ddim", "DDIM")
def ddim(n: int, *, noise_schedule: NoiseSchedule) -> Sigmas:
    """The time steps of "leading", then 0."""
    return _ending_in_zero(_spaced(n, noise_schedule))


@schedule("beta", "Beta")
def beta(n: int, *, sigma_min: float, sigma_max: float, beta_alpha: float, beta_beta: float) -> Sigmas:
    """sigma_min + q (sigma_max - sigma_min), q the Beta(alpha, beta) quantiles of 1 ... 0, then 0 (Lee et al. 2024).

    Linear in sigma, as in A1111 and diffusers; ComfyUI's schedule of this name is linear in the time step.
    """
    quantiles = [_beta_quantile(p, beta_alpha, beta_beta) for p in _ramp(1, 0, n).tolist()]
    return _ending_in_zero(sigma_min + q * (sigma_max - sigma_min) for q in quantiles)


@schedule("leading", "Leading")
def leading(n: int, *, noise_schedule: NoiseSchedule) -> Sigmas:
    """Time steps 1, 1 + s, 1 + 2 s, ..., s = floor(T / n), down, then t = 0: no 0 at the end, as in CompVis' DDIM.

    Where n does not divide T, CompVis and A1111 make more than n steps, and so does this; diffusers makes n, and starts
    lower.
    """
    return torch.tensor([*_spaced(n, noise_schedule), noise_schedule.sigma(0)], dtype=torch.float64)


@schedule("time_uniform", "Time Uniform")
def time_uniform(n: int, *, noise_schedule: NoiseSchedule) -> Sigmas:
    """n + 1 time steps evenly from T - 1 to 0, with no 0 at the end: CompVis' DPM-Solver, and A1111's UniPC."""
    times = _ramp(noise_schedule.timesteps - 1, 0, n + 1).tolist()
    return torch.tensor([noise_schedule.sigma(t) for t in times], dtype=torch.float64)


@schedule("trailing", "Trailing")
def trailing(n: int, *, noise_schedule: NoiseSchedule) -> Sigmas:
    """Time steps round(T - i T / n) - 1, then 0: from the very last, as zero terminal SNR needs (Lin et al. 2023,
    Section 3.3)."""
    timesteps = noise_schedule.timesteps
    # NumPy's own rounding of the halves, and now and then a point too many, are diffusers'; so the steps are the same
    times = np.arange(timesteps, 0, -timesteps / n)[:n].round() - 1
    return _ending_in_zero(map(noise_schedule.sigma, times.clip(min=0).tolist()))


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """The x in [0, 1] at which the Beta(a, b) distribution function is `probability`, to 1e-15 or so."""
    if probability in (0.0, 1.0):
        return probability
    low, high = 0.0, 1.0
    for _ in range(50):  # no more, or a middle near 1 rounds to 1
        middle = (low + high) / 2
        if _beta_cdf(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b) by its continued fraction (DLMF 8.17.22), x in (0, 1)."""
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast only below
        return 1 - _beta_cdf(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    # Modified Lentz's method: `value` is the fraction cut off after each coefficient
    value = numerator = 1.0
    denominator = 0.0
    for i in range(1, 1000):
        m = i // 2
        if i % 2:
            coefficient = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            coefficient = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        denominator = 1 / (1 + coefficient * denominator)
        numerator = 1 + coefficient / numerator
        value *= numerator * denominator
        if abs(numerator * denominator - 1) < 1e-15:
            break
    return math.exp(log_front) / (a * value)
