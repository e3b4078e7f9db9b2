"""Noise schedules: how much noise each of the T training time steps carries.

Words: time step `t` counts from 0 (nearly clean) to T - 1 (nearly noise), so t = 0 is the papers' step 1;
`alphas_cumprod` is the papers' alpha-bar, the share of the signal's power left at t; `sigma` = sqrt((1 - alpha-bar) /
alpha-bar) says the same as a noise level of the variance-exploding frame. The sigmas of one run are another thing:
`sigmas.py`.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, Self, get_args

import torch

from inkbloom.core.errors import RequestError, nearest
from inkbloom.core.types import Float, Tensor

ScheduleKind = Literal["linear", "scaled_linear", "cosine"]

LEAST_ALPHA_BAR = 4.8973451890853435e-08
"""Stands for an alpha-bar of 0 where sigma must be finite: sigma = 4518.76, as in A1111 and ComfyUI."""

_DEFAULT_BETAS = {"linear": (1e-4, 0.02), "scaled_linear": (0.00085, 0.012)}


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """T >= 2 training noise levels. All of it follows from `alphas_cumprod`, which decreases within (0, 1)."""

    alphas_cumprod: Float[Tensor, "T"]
    """float64 on the CPU. The last is 0 with zero terminal SNR."""

    @classmethod
    def from_betas(cls, betas: Float[Tensor, "T"]) -> Self:
        """alpha-bar_t = prod_{s <= t} (1 - beta_s) (Ho et al. 2020, Section 2)."""
        return cls((1 - betas.double()).cumprod(0))

    @classmethod
    def linear(cls, beta_start: float = 1e-4, beta_end: float = 0.02, timesteps: int = 1000) -> Self:
        """Betas evenly spaced (Ho et al. 2020, Section 4)."""
        return cls.from_betas(torch.linspace(beta_start, beta_end, timesteps, dtype=torch.float64))

    @classmethod
    def scaled_linear(cls, beta_start: float = 0.00085, beta_end: float = 0.012, timesteps: int = 1000) -> Self:
        """Square roots of the betas evenly spaced: the schedule of Stable Diffusion (Rombach et al. 2022)."""
        roots = torch.linspace(math.sqrt(beta_start), math.sqrt(beta_end), timesteps, dtype=torch.float64)
        return cls.from_betas(roots**2)

    @classmethod
    def cosine(cls, s: float = 0.008, max_beta: float = 0.999, timesteps: int = 1000) -> Self:
        """Betas 1 - f(t + 1) / f(t), but at most `max_beta`, f(t) = cos^2(pi/2 (t / T + s) / (1 + s)) (Nichol and
        Dhariwal 2021, Eq. 17)."""
        times = torch.linspace(0, 1, timesteps + 1, dtype=torch.float64)
        f = torch.cos((times + s) / (1 + s) * math.pi / 2) ** 2
        return cls.from_betas((1 - f[1:] / f[:-1]).clamp(max=max_beta))

    def zero_terminal_snr(self) -> Self:
        """Shift and scale sqrt(alpha-bar) so that the last is 0 and the first stays (Lin et al. 2023, Algorithm 1)."""
        roots = self.alphas_cumprod.sqrt()
        first, last = roots[0], roots[-1]
        return type(self)(((roots - last) * first / (first - last)) ** 2)

    @property
    def timesteps(self) -> int:
        """T."""
        return len(self.alphas_cumprod)

    @cached_property
    def alphas(self) -> Float[Tensor, "T"]:
        """alpha_t = alpha-bar_t / alpha-bar_{t-1}."""
        return torch.cat([self.alphas_cumprod[:1], self.alphas_cumprod[1:] / self.alphas_cumprod[:-1]])

    @cached_property
    def betas(self) -> Float[Tensor, "T"]:
        """beta_t = 1 - alpha_t, the variance that step t adds."""
        return 1 - self.alphas

    @cached_property
    def sigmas(self) -> Float[Tensor, "T"]:
        """sqrt((1 - alpha-bar) / alpha-bar), increasing; alpha-bar is at least `LEAST_ALPHA_BAR`, so each is finite."""
        alphas_cumprod = self.alphas_cumprod.clamp(min=LEAST_ALPHA_BAR)
        return ((1 - alphas_cumprod) / alphas_cumprod).sqrt()

    @cached_property
    def _log_sigmas(self) -> list[float]:
        return self.sigmas.log().tolist()

    @property
    def sigma_min(self) -> float:
        return float(self.sigmas[0])

    @property
    def sigma_max(self) -> float:
        return float(self.sigmas[-1])

    def sigma(self, t: float) -> float:
        """The noise level at a time step, log-linear between whole ones; `RequestError` unless 0 <= t <= T - 1."""
        if not 0 <= t <= self.timesteps - 1:
            raise RequestError(f"Time step {t} is outside the noise schedule; allowed are 0 to {self.timesteps - 1}.")
        low = min(int(t), self.timesteps - 2)
        weight = t - low
        return math.exp((1 - weight) * self._log_sigmas[low] + weight * self._log_sigmas[low + 1])

    def t(self, sigma: float) -> float:
        """The time step of a noise level, the inverse of `sigma`, usually fractional.

        A level outside [sigma_min, sigma_max] gets the nearest end, 0 or T - 1, since the model knows nothing beyond.
        `RequestError` unless sigma > 0.
        """
        log_sigma = _log(sigma)
        low = min(max(bisect_right(self._log_sigmas, log_sigma) - 1, 0), self.timesteps - 2)
        left, right = self._log_sigmas[low], self._log_sigmas[low + 1]
        return low + min(max((log_sigma - left) / (right - left), 0.0), 1.0)

    def nearest_t(self, sigma: float) -> int:
        """The whole time step whose noise level is nearest on the log scale; `RequestError` unless sigma > 0."""
        log_sigma = _log(sigma)
        return min(range(self.timesteps), key=lambda t: abs(self._log_sigmas[t] - log_sigma))


def _log(sigma: float) -> float:
    if not sigma > 0:
        raise RequestError(f"A noise level of {sigma} has no time step; it must be greater than 0.")
    return math.log(sigma)


@dataclass(frozen=True, kw_only=True)
class NoiseScheduleSpec:
    """A noise schedule as facts that fit into a file; the defaults are Stable Diffusion's."""

    kind: ScheduleKind = "scaled_linear"
    beta_start: float | None = None
    """None: the kind's own, 1e-4 (linear) or 0.00085 (scaled_linear). The cosine schedule has none."""
    beta_end: float | None = None
    """None: the kind's own, 0.02 (linear) or 0.012 (scaled_linear). The cosine schedule has none."""
    timesteps: int = 1000
    zero_terminal_snr: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(ScheduleKind):
            raise RequestError(f'Unknown noise schedule "{self.kind}".{nearest(self.kind, get_args(ScheduleKind))}')
        if self.timesteps < 2:
            raise RequestError(f"A noise schedule of {self.timesteps} time steps is too short; it needs at least 2.")
        if self.kind == "cosine":
            if self.beta_start is not None or self.beta_end is not None:
                raise RequestError("The cosine noise schedule takes no beta_start or beta_end; leave them out.")
            return
        start, end = self._betas()
        if not 0 < start <= end < 1:
            raise RequestError(f"Betas from {start} to {end} make no noise schedule; needed is 0 < start <= end < 1.")

    def _betas(self) -> tuple[float, float]:
        start, end = _DEFAULT_BETAS[self.kind]
        return start if self.beta_start is None else self.beta_start, end if self.beta_end is None else self.beta_end

    def build(self) -> NoiseSchedule:
        """The schedule itself; equal specs share one."""
        return _build(self)


@lru_cache(maxsize=16)
def _build(spec: NoiseScheduleSpec) -> NoiseSchedule:
    match spec.kind:
        case "linear":
            schedule = NoiseSchedule.linear(*spec._betas(), spec.timesteps)
        case "scaled_linear":
            schedule = NoiseSchedule.scaled_linear(*spec._betas(), spec.timesteps)
        case "cosine":
            schedule = NoiseSchedule.cosine(timesteps=spec.timesteps)
    return schedule.zero_terminal_snr() if spec.zero_terminal_snr else schedule
