import math

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from inkbloom.core.rng import ImageNoise
from inkbloom.sampling.prediction import Prediction
from inkbloom.sampling.process import (
    Gaussian,
    ReverseVariance,
    add_noise,
    closed_form,
    discretised_log_likelihood,
    kl,
    one_step,
    posterior,
    reverse,
    simple_loss,
    variational_bound,
)
from inkbloom.sampling.schedules import NoiseSchedule

STABLE_DIFFUSION = NoiseSchedule.scaled_linear()
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
SHORT = NoiseSchedule.linear(0.05, 0.5, timesteps=6)


def number(value: float, batch: int = 1) -> torch.Tensor:
    return torch.full((batch, 1, 1, 1), value, dtype=torch.float64)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def diffusers_in_float64(**config) -> DDPMScheduler:
    """The peer with its table in double precision: its own float32 table cancels to 4 digits at low t."""
    peer = DDPMScheduler(**BETAS, clip_sample=False, **config)
    peer.alphas_cumprod = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2, 0)
    return peer


def at(t: int, batch: int = 1) -> torch.Tensor:
    return torch.full((batch,), t)


@pytest.mark.parametrize("schedule", [SHORT, SHORT.zero_terminal_snr(), NoiseSchedule.cosine(timesteps=100)])
def test_one_step_kernels_compose_to_the_closed_form(schedule: NoiseSchedule) -> None:
    mean, variance = number(0.8), number(0.0)
    for t in range(schedule.timesteps):
        step = one_step(mean, at(t), schedule)
        mean, variance = step.mean, schedule.alphas[t] * variance + step.variance
        direct = closed_form(number(0.8), at(t), schedule)
        torch.testing.assert_close(mean, direct.mean, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(variance, direct.variance, rtol=1e-11, atol=1e-14)


def test_noise_is_added_as_in_diffusers_at_a_time_step_for_each_picture() -> None:
    x0, noise, t = normal(3, 4, 5, 6), normal(3, 4, 5, 6, seed=1), torch.tensor([0, 400, 999])
    theirs = diffusers_in_float64().add_noise(x0, noise, t)
    torch.testing.assert_close(add_noise(x0, noise, t, STABLE_DIFFUSION), theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("t", [1, 3, 5])
def test_the_posterior_is_bayes_on_a_grid(t: int) -> None:
    x0, x_t, grid = 0.7, -0.4, np.linspace(-8, 8, 20_001)

    def density(x: np.ndarray | float, law: Gaussian) -> np.ndarray:
        mean, variance = law.mean.numpy().squeeze(), law.variance.numpy().squeeze()
        return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)

    prior = density(grid, closed_form(number(x0), at(t - 1), SHORT))
    points = torch.from_numpy(grid)[:, None, None, None]
    weights = prior * density(x_t, one_step(points, at(t, len(grid)), SHORT))
    weights /= weights.sum()
    mean = (weights * grid).sum()
    ours = posterior(number(x0), number(x_t), at(t), SHORT)
    assert ours.mean.item() == pytest.approx(mean, rel=1e-9)
    assert ours.variance.item() == pytest.approx((weights * (grid - mean) ** 2).sum(), rel=1e-9)


def test_the_posterior_of_the_first_step_is_x0() -> None:
    law = posterior(number(0.7), number(-3.0), at(0), SHORT)
    assert (law.mean.item(), law.variance.item()) == pytest.approx((0.7, 0.0))


@pytest.mark.parametrize(("variance", "name"), [("large", "fixed_large"), ("small", "fixed_small")])
def test_reverse_steps_are_those_of_diffusers(variance: ReverseVariance, name: str) -> None:
    peer = diffusers_in_float64(prediction_type="sample", variance_type=name)
    x_t, denoised = normal(1, 4, 5, 6), normal(1, 4, 5, 6, seed=1)
    for t in (1, 10, 500, 999):
        law = reverse(denoised, x_t, at(t), STABLE_DIFFUSION, variance)
        generator, again = (torch.Generator().manual_seed(3) for _ in range(2))
        theirs = peer.step(denoised, t, x_t, generator=generator).prev_sample
        ours = law.mean + law.variance.sqrt() * torch.randn(x_t.shape, generator=again, dtype=torch.float64)
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


def test_the_small_variance_of_the_first_step_is_that_of_the_second() -> None:
    small = [reverse(number(0.0), number(0.0), at(t), SHORT, "small").variance.item() for t in (0, 1)]
    assert small[0] == small[1] > 0
    assert reverse(number(0.0), number(0.0), at(0), SHORT, "large").variance.item() == pytest.approx(0.05)


def test_kl_against_torch() -> None:
    p = Gaussian(normal(2, 3, 4, 5), normal(2, 3, 4, 5, seed=1).exp())
    q = Gaussian(normal(2, 3, 4, 5, seed=2), normal(2, 3, 4, 5, seed=3).exp())
    laws = [torch.distributions.Normal(law.mean, law.variance.sqrt()) for law in (p, q)]
    torch.testing.assert_close(kl(p, q), torch.distributions.kl_divergence(*laws), rtol=1e-12, atol=1e-12)


def test_the_256_bins_share_out_the_whole_probability() -> None:
    values = torch.linspace(-1, 1, 256, dtype=torch.float64)[:, None, None, None]
    for mean, deviation in ((0.0, 0.3), (-1.2, 0.01), (0.999, 0.004), (0.1, 2.0)):
        law = Gaussian(number(mean), number(deviation**2))
        logs = discretised_log_likelihood(values, law)
        assert bool(logs.isfinite().all())  # even 500 deviations away
        assert logs.exp().sum().item() == pytest.approx(1, abs=1e-12)
        # Inner bins, against an integral of the density by Simpson's rule
        points = values[1:-1].squeeze()[:, None] + torch.linspace(-1, 1, 201, dtype=torch.float64) / 255
        density = torch.distributions.Normal(law.mean.squeeze(), deviation).log_prob(points).exp()
        simpson = torch.tensor([1.0, *[4.0, 2.0] * 99, 4.0, 1.0], dtype=torch.float64) / 3 * (2 / 255 / 200)
        torch.testing.assert_close(logs[1:-1].exp().squeeze(), density @ simpson, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("variance", ["large", "small"])
def test_the_bound_is_the_expected_ratio_of_paths(variance: ReverseVariance) -> None:
    # DDPM, Eq. 3, by Monte Carlo over whole paths, against Eq. 5, whose terms need single points only
    x0_value, count = -1 + 2 * 200 / 255, 100_000
    x0 = number(x0_value, count)

    def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
        return 0.9 * x / (1 + sigma**2) + 0.05  # near the optimum for unit-variance data, but wrong

    def log_density(x: torch.Tensor, law: Gaussian) -> torch.Tensor:
        return torch.distributions.Normal(law.mean, law.variance.sqrt()).log_prob(x)

    ratio = torch.zeros_like(x0)
    x = x0
    for t in range(SHORT.timesteps):
        forward = one_step(x, at(t, count), SHORT)
        x_t = forward.mean + forward.variance.sqrt() * normal(count, 1, 1, 1, seed=t)
        sigma = float(SHORT.sigmas[t])
        backward = reverse(denoise(x_t * math.sqrt(1 + sigma**2), sigma), x_t, at(t, count), SHORT, variance)
        ratio += log_density(x_t, forward)
        ratio -= log_density(x, backward) if t else discretised_log_likelihood(x0, backward)
        x = x_t
    ratio -= log_density(x, Gaussian(number(0.0), number(1.0)))
    by_paths = ratio.flatten() / math.log(2)

    noise = ImageNoise(range(2000), (1, 1, 1), dtype=torch.float64)
    bound = variational_bound(denoise, number(x0_value, 2000), noise, SHORT, variance)
    assert bound.steps.shape == (2000, SHORT.timesteps)
    error = (by_paths.var() / count + bound.total.var() / 2000).sqrt()
    assert abs(by_paths.mean() - bound.total.mean()) < 4 * error
    assert 4 * error < 0.1 * abs(by_paths.mean())  # else this test would say little


def test_the_prior_term_vanishes_only_with_zero_terminal_snr() -> None:
    x0 = number(1.0)

    def prior(schedule: NoiseSchedule) -> float:
        noise = ImageNoise([0], (1, 1, 1), dtype=torch.float64)
        return variational_bound(lambda x, sigma: x0, x0, noise, schedule).prior.item()

    alpha_bar = float(SHORT.alphas_cumprod[-1])
    expected = (1 - alpha_bar - math.log(1 - alpha_bar) + alpha_bar - 1) / 2 / math.log(2)
    assert prior(SHORT) == pytest.approx(expected, rel=1e-12)
    assert prior(SHORT.zero_terminal_snr()) == 0


def test_a_model_that_knows_the_picture_pays_only_for_the_prior_and_the_last_rounding() -> None:
    x0 = number(1.0)
    bound = variational_bound(lambda x, sigma: x0, x0, ImageNoise([0], (1, 1, 1), dtype=torch.float64), SHORT)
    torch.testing.assert_close(bound.steps[:, 1:], torch.zeros(1, 5, dtype=torch.float64), rtol=0, atol=1e-12)
    assert bound.steps[0, 0].item() > 0
    assert bound.total.item() == pytest.approx(bound.prior.item() + bound.steps[0, 0].item())


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_the_simple_loss_of_each_prediction(prediction: Prediction) -> None:
    x0, noise, t = normal(3, 4, 5, 6), normal(3, 4, 5, 6, seed=1), torch.tensor([0, 500, 999])
    wanted = {"epsilon": noise, "v_prediction": diffusers_in_float64().get_velocity(x0, noise, t), "sample": x0}
    output = normal(3, 4, 5, 6, seed=2)
    expected = ((output - wanted[prediction]) ** 2).mean((1, 2, 3))
    ours = simple_loss(output, x0, noise, t, STABLE_DIFFUSION, prediction)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=0)
