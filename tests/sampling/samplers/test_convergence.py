"""Samplers on a Gaussian, where everything is known: data ~ N(MEAN, DEVIATION^2).

The denoiser is exact, the ODE's solution is x(sigma') = MEAN + (x - MEAN) sqrt((d^2 + sigma'^2) / (d^2 + sigma^2)),
and the reverse SDE ends in the data's own distribution.
"""

import math
from itertools import pairwise

import pytest
import torch

from inkbloom.core.rng import ImageNoise
from inkbloom.sampling.registry import all_samplers, find_sampler

MEAN, DEVIATION = 0.7, 1.3
HIGH, LOW = 300.0, 0.01


class Gaussian:
    def __call__(self, x, sigma):
        return (DEVIATION**2 * x + sigma**2 * MEAN) / (DEVIATION**2 + sigma**2)

    def both(self, x, sigma):
        return self(x, sigma), self(x, sigma)


def exact(x, sigma, sigma_next):
    return MEAN + (x - MEAN) * math.sqrt((DEVIATION**2 + sigma_next**2) / (DEVIATION**2 + sigma**2))


def karras(steps, low=LOW, high=HIGH, rho=7.0):
    """steps + 1 points; the last is positive."""
    ramp = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    return (high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho


def quiet(sampler):
    """The options that leave the deterministic part only."""
    return {name: 0.0 for name in ("eta", "gamma", "s_noise") if name in sampler.options}


def error(sampler, steps):
    x = torch.tensor([[[[300.0, -150.0, 40.0]]]], dtype=torch.float64)
    sigmas = karras(steps)
    result = sampler.function(Gaussian(), x, sigmas, **quiet(sampler))
    return (result - exact(x, HIGH, LOW)).abs().max().item()


def slope(sampler, steps=(60, 120, 240)):
    """Least-squares slope of -log(error) over log(steps)."""
    xs = [math.log(n) for n in steps]
    ys = [-math.log(error(sampler, n)) for n in steps]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sum((x - mean_x) ** 2 for x in xs)


# The LCM only knows the denoised, the DDPM always draws, DPM adaptive has its own test; Restart is Heun below 20 steps.
SOLVERS = [sampler for sampler in all_samplers() if sampler.name not in ("LCM", "DDPM", "DPM adaptive", "Restart")]
# TCD's jumps do not shrink with more steps, so that a model which is no TCD model keeps its error.
STOCHASTIC = [
    sampler for sampler in all_samplers() if sampler.stochastic and sampler.name not in ("DPM adaptive", "TCD")
]


@pytest.mark.parametrize("sampler", SOLVERS, ids=lambda sampler: sampler.name)
def test_order_of_convergence(sampler):
    """The slope is the registered order within 0.3.

    Multistep methods start with low orders, which cannot be seen here: the run begins where noise is 230 times the
    data.
    """
    assert slope(sampler) == pytest.approx(sampler.order, abs=0.3)


def test_order_of_restarts_main_pass():
    assert slope(find_sampler("Restart"), steps=(8, 12, 19)) == pytest.approx(2, abs=0.4)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("variant", ["bh1", "bh2"])
def test_unipc_gains_one_order_by_its_corrector(order, variant):
    x = torch.tensor([[[[300.0, -150.0, 40.0]]]], dtype=torch.float64)
    errors = []
    for steps in (80, 160):
        result = find_sampler("UniPC").function(Gaussian(), x, karras(steps), order=order, variant=variant)
        errors.append((result - exact(x, HIGH, LOW)).abs().max().item())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order + 1, abs=0.35)


def test_dpm_adaptive_gets_closer_with_its_tolerance():
    """Third order: a tolerance 8 times smaller takes about twice the steps, and the error falls at least like it."""
    x = torch.tensor([[[[300.0, -150.0, 40.0]]]], dtype=torch.float64)
    counts, errors = [], []
    for factor in (1.0, 1 / 8, 1 / 64, 1 / 512):
        seen = []
        result = find_sampler("DPM adaptive").function(
            Gaussian(),
            x,
            karras(10),
            eta=0.0,
            rtol=0.01 * factor,
            atol=0.001 * factor,
            on_step=lambda step, x, denoised, seen=seen: seen.append(step),
        )
        counts.append(len(seen))
        errors.append((result - exact(x, HIGH, LOW)).abs().max().item())
    assert all(1.6 < more / less < 2.4 for less, more in pairwise(counts[1:]))
    assert all(worse / better > 6 for worse, better in pairwise(errors))


@pytest.mark.parametrize("sampler", STOCHASTIC, ids=lambda sampler: sampler.name)
def test_noise_leads_to_the_distribution_of_the_data(sampler):
    """Mean and deviation of 16384 values, all noise on: within 4 standard errors and a bias of 3 % of the deviation.

    First-order methods come out too narrow by O(1 / steps) and get four times the steps.
    """
    noise = ImageNoise([5], (4, 64, 64), dtype=torch.float64)
    high, steps = 80.0, 80 if sampler.order > 1 else 320
    x = MEAN + noise.initial() * math.sqrt(DEVIATION**2 + high**2)
    sigmas = torch.cat([karras(steps, low=0.02, high=high), torch.zeros(1, dtype=torch.float64)])
    options = {name: value for name, value in (("s_churn", 40.0), ("eta", 1.0)) if name in sampler.options}
    denoise = (lambda x, sigma: exact(x, sigma, 0.0)) if sampler.name == "LCM" else Gaussian()
    result = sampler.function(denoise, x, sigmas, noise=noise, **options)
    count = result.numel()
    assert result.mean().item() == pytest.approx(MEAN, abs=(4 / math.sqrt(count) + 0.03) * DEVIATION)
    assert result.std().item() == pytest.approx(DEVIATION, abs=(4 / math.sqrt(2 * count) + 0.03) * DEVIATION)
