"""The first step out of pure noise, on a Gaussian whose denoiser is exact."""

import math

import pytest
import torch

from inkbloom.core.rng import ImageNoise
from inkbloom.sampling.pure_noise import sample
from inkbloom.sampling.registry import Sampler, all_samplers, find_sampler
from inkbloom.sampling.schedules import NoiseSchedule
from inkbloom.sampling.sigmas import make_sigmas

MEAN, DEVIATION = 0.5, 1.0
ZERO_SNR = NoiseSchedule.scaled_linear().zero_terminal_snr()
SHAPE = (1, 64, 64)


class Gaussian:
    """The exact denoiser of data that are N(MEAN, DEVIATION^2)."""

    def __call__(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        return (DEVIATION**2 * x + sigma**2 * MEAN) / (DEVIATION**2 + sigma**2)

    def both(self, x: torch.Tensor, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
        return self(x, sigma), self(x, sigma)


@pytest.mark.parametrize("sampler", all_samplers(), ids=lambda sampler: sampler.name)
def test_every_sampler_ends_near_the_data_in_eight_trailing_steps(sampler: Sampler) -> None:
    """Deviation within a factor of 2; without the first step of DDIM, Heun and PLMS end at more than 10 times it."""
    noise = ImageNoise([0], SHAPE, dtype=torch.float64)
    sigmas = make_sigmas("trailing", 8, ZERO_SNR)
    seen = []
    options = {"noise": noise} if sampler.stochastic else {}
    x = noise.initial() * math.hypot(1.0, sigmas[0].item())
    x = sample(sampler, Gaussian(), x, sigmas, on_step=lambda step, x, denoised: seen.append(step.index), **options)
    assert x.mean().item() == pytest.approx(MEAN, abs=0.2)
    assert DEVIATION / 2 < x.std().item() < DEVIATION * 2
    assert seen[0] == 0
    if sampler.calls_per_step and sampler.name not in ("Restart", "DPM fast"):
        assert seen == list(range(8))


def test_other_runs_are_the_samplers_own() -> None:
    sigmas = make_sigmas("karras", 5, NoiseSchedule.scaled_linear())
    x = ImageNoise([0], SHAPE).initial() * sigmas[0].item()
    heun = find_sampler("Heun")
    own = heun.function(Gaussian(), x, sigmas)
    assert torch.equal(sample(heun, Gaussian(), x, sigmas, on_step=lambda *_: None), own)
