"""The diffusion process itself: how noise is added, what its removal aims at, and how good a model is at that.

Words: x_t = sqrt(alpha-bar_t) x0 + sqrt(1 - alpha-bar_t) noise is in the variance-preserving frame of Ho et al. 2020
(DDPM), whose equations these are; time step `t` counts from 0, so that t = 0 here is their t = 1, and what comes before
it is x0.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from inkbloom.core.types import Float, Int, Latent, Tensor
from inkbloom.sampling.denoiser import Denoiser, Noise
from inkbloom.sampling.prediction import Prediction, target
from inkbloom.sampling.schedules import NoiseSchedule

ReverseVariance = Literal["large", "small"]
"""The reverse step's fixed variance: beta_t, or the posterior's (DDPM, Section 3.2)."""


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution for each number of a batch."""

    mean: Latent
    variance: Tensor
    """Broadcasts with `mean`."""


def one_step(x_before: Latent, t: Int[Tensor, "batch"], schedule: NoiseSchedule) -> Gaussian:
    """q(x_t | x_{t-1}): mean sqrt(1 - beta_t) x_{t-1}, variance beta_t (DDPM, Eq. 2)."""
    return Gaussian(_at(schedule.alphas.sqrt(), t, x_before) * x_before, _at(schedule.betas, t, x_before))


def closed_form(x0: Latent, t: Int[Tensor, "batch"], schedule: NoiseSchedule) -> Gaussian:
    """q(x_t | x0): mean sqrt(alpha-bar_t) x0, variance 1 - alpha-bar_t (DDPM, Eq. 4)."""
    alpha_bar = schedule.alphas_cumprod
    return Gaussian(_at(alpha_bar.sqrt(), t, x0) * x0, _at(1 - alpha_bar, t, x0))


def add_noise(x0: Latent, noise: Latent, t: Int[Tensor, "batch"], schedule: NoiseSchedule) -> Latent:
    """The x_t that standard normal `noise` leads to: a draw from `closed_form`."""
    law = closed_form(x0, t, schedule)
    return law.mean + law.variance.sqrt() * noise


def posterior(x0: Latent, x_t: Latent, t: Int[Tensor, "batch"], schedule: NoiseSchedule) -> Gaussian:
    """q(x_{t-1} | x_t, x0) (DDPM, Eqs. 6 and 7); at t = 0 this is x0 with variance 0.

    mean = (sqrt(alpha-bar_{t-1}) beta_t x0 + sqrt(alpha_t) (1 - alpha-bar_{t-1}) x_t) / (1 - alpha-bar_t)
    variance = beta_t (1 - alpha-bar_{t-1}) / (1 - alpha-bar_t)
    """
    before, after = _alpha_bars_before(schedule), schedule.alphas_cumprod
    of_x0 = _at(before.sqrt() * schedule.betas / (1 - after), t, x0)
    of_x_t = _at(schedule.alphas.sqrt() * (1 - before) / (1 - after), t, x0)
    return Gaussian(of_x0 * x0 + of_x_t * x_t, _at(_posterior_variances(schedule), t, x0))


def reverse(
    denoised: Latent, x_t: Latent, t: Int[Tensor, "batch"], schedule: NoiseSchedule, variance: ReverseVariance = "small"
) -> Gaussian:
    """p(x_{t-1} | x_t) of a model that estimates x0 as `denoised`: the posterior's mean with it in place of x0.

    At t = 0 the "small" variance, which would be 0, is that of t = 1 (Nichol and Dhariwal 2021).
    """
    variances = schedule.betas if variance == "large" else _posterior_variances(schedule)
    if variance == "small":
        variances = torch.cat([variances[1:2], variances[1:]])
    return Gaussian(posterior(denoised, x_t, t, schedule).mean, _at(variances, t, x_t))


def kl(p: Gaussian, q: Gaussian) -> Latent:
    """KL(p || q) for each number, in nats: (ln(v_q / v_p) + (v_p + (m_p - m_q)^2) / v_q - 1) / 2; variances > 0."""
    ratio = p.variance / q.variance
    return (ratio - ratio.log() + (p.mean - q.mean) ** 2 / q.variance - 1) / 2


def discretised_log_likelihood(x0: Latent, law: Gaussian) -> Latent:
    """ln of the chance that a draw rounds to the 8-bit value `x0`, for each number, in nats (DDPM, Eq. 13).

    `x0` is one of the 256 values -1, -1 + 2/255, ..., 1; a draw belongs to the nearest, also beyond -1 and 1.
    """
    deviation = law.variance.double().sqrt()
    centred = x0.double() - law.mean.double()
    lower = torch.where(x0 < -1 + 1 / 255, -math.inf, (centred - 1 / 255) / deviation)
    upper = torch.where(x0 > 1 - 1 / 255, math.inf, (centred + 1 / 255) / deviation)
    # Bins right of the mean are mirrored to its left, where the difference of the two tails does not cancel
    lower, upper = torch.where(centred > 0, -upper, lower), torch.where(centred > 0, -lower, upper)
    log_upper = torch.special.log_ndtr(upper)
    return (log_upper + (-torch.expm1(torch.special.log_ndtr(lower) - log_upper)).log()).to(law.mean.dtype)


@dataclass(frozen=True)
class Bound:
    """A variational bound on -log2 p(x0), in bits per dimension (DDPM, Eq. 5), split into its terms."""

    prior: Float[Tensor, "batch"]
    """KL(q(x_T | x0) || N(0, 1)), which no model can change."""
    steps: Float[Tensor, "batch T"]
    """At t = 0 the discretised likelihood, at t > 0 KL(q(x_{t-1} | x_t, x0) || p(x_{t-1} | x_t))."""

    @property
    def total(self) -> Float[Tensor, "batch"]:
        return self.prior + self.steps.sum(1)


def variational_bound(
    denoise: Denoiser, x0: Latent, noise: Noise, schedule: NoiseSchedule, variance: ReverseVariance = "small"
) -> Bound:
    """The bound with one draw of x_t from `noise` for each t, hence unbiased. T model calls.

    `x0` holds 8-bit values in [-1, 1], as `discretised_log_likelihood` wants; of latents the first term means nothing.
    """
    every = [torch.full((len(x0),), t, device=x0.device) for t in range(schedule.timesteps)]
    standard = Gaussian(torch.zeros_like(x0), torch.ones_like(x0))
    terms = []
    for i, (t, sigma) in enumerate(zip(every, schedule.sigmas.tolist(), strict=True)):
        x_t = add_noise(x0, noise.normal(), t, schedule)
        model = reverse(denoise(x_t * math.sqrt(1 + sigma**2), sigma), x_t, t, schedule, variance)
        terms.append(kl(posterior(x0, x_t, t, schedule), model) if i else -discretised_log_likelihood(x0, model))
    prior = kl(closed_form(x0, every[-1], schedule), standard)
    return Bound(_bits(prior), torch.stack([_bits(term) for term in terms], 1))


def simple_loss(
    output: Latent, x0: Latent, noise: Latent, t: Int[Tensor, "batch"], schedule: NoiseSchedule, prediction: Prediction
) -> Float[Tensor, "batch"]:
    """Each picture's mean squared error between `output` and what it should be (DDPM, Eq. 14, where that is eps)."""
    wanted = target(prediction, x0, noise, schedule.alphas_cumprod[t.cpu()])
    return F.mse_loss(output, wanted, reduction="none").mean((1, 2, 3))


def _at(values: Float[Tensor, "T"], t: Int[Tensor, "batch"], like: Latent) -> Tensor:
    """values[t] as a (batch, 1, 1, 1) tensor of the dtype and on the device of `like`."""
    return values[t.cpu()].to(like)[:, None, None, None]


def _alpha_bars_before(schedule: NoiseSchedule) -> Float[Tensor, "T"]:
    return torch.cat([torch.ones(1, dtype=torch.float64), schedule.alphas_cumprod[:-1]])


def _posterior_variances(schedule: NoiseSchedule) -> Float[Tensor, "T"]:
    return schedule.betas * (1 - _alpha_bars_before(schedule)) / (1 - schedule.alphas_cumprod)


def _bits(nats: Latent) -> Float[Tensor, "batch"]:
    """Mean over the dimensions of each picture, in bits."""
    return nats.mean((1, 2, 3)) / math.log(2)
