"""How good a model is on pictures that it never trained on, in numbers that compare runs.

Time steps and noise are fixed, and nothing of the objective but its target is used: no weights, masks, offsets. So the
loss of two runs compares where they predict the same thing on the same noise schedule, whatever their other settings,
and the bound wherever their latents are the same.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from inkbloom.core.types import Float, Int, Latent, Tensor
from inkbloom.sampling.prediction import Prediction
from inkbloom.sampling.process import Gaussian, add_noise, closed_form, kl
from inkbloom.sampling.schedules import NoiseSchedule
from inkbloom.training.batches import Batch, Batches, row_generator
from inkbloom.training.denoising import Denoising
from inkbloom.training.noising import Noised, Purpose, check_range

_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """`TrainingError` where a value is outside its range."""

    held_out_timesteps: int = 4
    """At so many time steps the loss on each held-out picture is measured."""
    bound_timesteps: int = 4
    """The same for the variational bound in bits per dimension; 0 leaves it out."""

    def __post_init__(self) -> None:
        check_range("held_out_timesteps", self.held_out_timesteps, 1)
        check_range("bound_timesteps", self.bound_timesteps)


@dataclass(frozen=True)
class HeldOut:
    """Measures a trainee, with its weights as they are, on an epoch of `batches`, which should not change captions."""

    trainee: Denoising
    batches: Batches
    settings: EvaluationSettings
    rows_at_once: int = 8
    """So many pictures go through the network together."""

    @torch.no_grad()
    def __call__(self) -> dict[str, float]:
        """`held_out_loss`, the mean squared error of the prediction; `bits_per_dim`, the variational bound.

        The bound (Ho et al. 2020, Eq. 5) is in bits for each number of a latent, without its term at t = 0, which is
        about 8-bit values. Of its other terms `bound_timesteps` are taken for each picture, by `bound_density`. Model
        calls: held_out_timesteps + bound_timesteps for each picture.
        """
        schedule, prediction = self.trainee.objective.noise_schedule, self.trainee.objective.prediction
        even = torch.full((schedule.timesteps,), 1 / schedule.timesteps, dtype=torch.float64)
        loss = self._mean(torch.ones_like(even), even, self.settings.held_out_timesteps, Purpose.HELD_OUT_LOSS)
        if not self.settings.bound_timesteps:
            return {"held_out_loss": loss}
        density = bound_density(schedule)
        terms = bound_weights(prediction, schedule) / density
        prior = torch.cat([prior_bits(batch, schedule) for batch in self._batches()]).mean().item()
        bound = prior + self._mean(terms, density, self.settings.bound_timesteps, Purpose.HELD_OUT_BOUND)
        return {"held_out_loss": loss, "bits_per_dim": bound}

    def _mean(self, factors: Tensor, density: Tensor, count: int, purpose: Purpose) -> float:
        """The mean of factors[t] times the squared error over pictures, and over time steps by their `density`."""
        cumulative = density.cumsum(0)
        values = []
        for batch in self._batches():
            generators = [row_generator(0, batch.step, row, purpose) for row in batch.rows]
            # Each picture's time steps are spread evenly, and those of all pictures together are so too
            indices = torch.tensor(batch.rows, dtype=torch.float64) + batch.step * batch.global_size
            for k in range(count):
                u = (indices * _GOLDEN % 1 + k) / count
                t = torch.searchsorted(cumulative, u, right=True).clamp(max=len(density) - 1)
                noise = torch.stack([torch.randn(_latents(batch)[0].shape, generator=one) for one in generators])
                values.append(factors[t] * self._errors(batch, noise, t))
        return torch.cat(values).mean().item()

    def _errors(self, batch: Batch, noise: Latent, t: Int[Tensor, "batch"]) -> Float[Tensor, "batch"]:
        x0, objective = _latents(batch), self.trainee.objective
        noised = Noised(add_noise(x0, noise, t, objective.noise_schedule), t, x0, noise).to(self.trainee.device)
        error = self.trainee.output(noised.x, noised.t, batch).float() - objective.target(noised)
        return error.square().mean((1, 2, 3)).double().cpu()

    def _batches(self) -> Iterator[Batch]:
        rows = range(self.batches.global_size)
        for step in range(self.batches.steps_per_epoch):
            for start in rows[:: self.rows_at_once]:
                yield self.batches.batch(step, rows[start : start + self.rows_at_once])


def bound_weights(prediction: Prediction, schedule: NoiseSchedule) -> Float[Tensor, "T"]:
    """What a mean squared error of the prediction at each t > 0 adds to the bound, in bits per dimension; 0 at t = 0.

    (SNR(t - 1) - SNR(t)) / 2 for the error of x0, where the reverse step has the posterior's variance (Kingma et al.
    2021, Eq. 14); that is SNR(t) times less for the error of eps, and SNR(t) + 1 times less for that of v.
    """
    snr = schedule.alphas_cumprod / (1 - schedule.alphas_cumprod)
    of_x0 = {"epsilon": snr, "v_prediction": snr + 1, "sample": torch.ones_like(snr)}[prediction]
    return torch.cat([torch.zeros(1, dtype=torch.float64), (snr[:-1] - snr[1:]) / (2 * of_x0[1:])]) / math.log(2)


def bound_density(schedule: NoiseSchedule) -> Float[Tensor, "T"]:
    """How often each time step is drawn for the bound: as its term would be for white data of unit variance, about.

    Most of the bound comes from the cleanest time steps. That data's x0 is known up to a variance of 1 / (SNR + 1), so
    that the term at t is near ln(SNR(t - 1) + 1) - ln(SNR(t) + 1), halved.
    """
    log_precision = -(1 - schedule.alphas_cumprod).log()  # SNR + 1 = 1 / (1 - alpha-bar)
    terms = torch.cat([torch.zeros(1, dtype=torch.float64), log_precision[:-1] - log_precision[1:]])
    return terms / terms.sum()


def prior_bits(batch: Batch, schedule: NoiseSchedule) -> Float[Tensor, "batch"]:
    """The bound's first term, KL(q(x_T | x0) || N(0, 1)), which no model can change, in bits per dimension."""
    x0 = _latents(batch)
    last = torch.full((len(x0),), schedule.timesteps - 1)
    standard = Gaussian(torch.zeros_like(x0), torch.ones_like(x0))
    return kl(closed_form(x0, last, schedule), standard).mean((1, 2, 3)) / math.log(2)


def _latents(batch: Batch) -> Latent:
    assert batch.latents is not None, "the data set of a diffusion training has latents"
    return batch.latents
