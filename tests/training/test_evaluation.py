"""Held-out loss and variational bound: fixed, and equal to the process's own terms."""

import copy
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch

from inkbloom.checkpoints import LoadedModel
from inkbloom.core.errors import TrainingError
from inkbloom.core.rng import ImageNoise
from inkbloom.sampling.prediction import ModelDenoiser
from inkbloom.sampling.process import add_noise, simple_loss, variational_bound
from inkbloom.sampling.schedules import NoiseScheduleSpec
from inkbloom.training.batches import Batch
from inkbloom.training.denoising import Denoising
from inkbloom.training.evaluation import EvaluationSettings, HeldOut, bound_density, bound_weights, prior_bits
from inkbloom.training.objective import Objective, ObjectiveSettings

STEPS = 12
"""A short noise schedule, so that its bound can be summed up whole."""


@dataclass
class Pictures:
    """Five pictures, in batches of four and of one."""

    global_size: int = 4
    steps_per_epoch: int = 2

    def batch(self, step: int, rows: Sequence[int]) -> Batch:
        everything = torch.randn(8, 4, 8, 8, generator=torch.Generator().manual_seed(1)) * 0.8
        numbers = [step * 4 + row for row in rows]
        return Batch(
            step=step,
            rows=tuple(rows),
            global_size=4,
            captions=tuple(f"picture {i}" for i in numbers),
            latents=everything[numbers],
        )


def make_trainee(model: LoadedModel, prediction: str, **settings: object) -> Denoising:
    schedule = NoiseScheduleSpec(
        beta_start=0.02, beta_end=0.5, timesteps=STEPS, zero_terminal_snr=prediction != "epsilon"
    )
    spec = dataclasses.replace(model.spec, prediction=prediction, noise_schedule=schedule)
    model = dataclasses.replace(copy.deepcopy(model), spec=spec)
    return Denoising(model, Objective(ObjectiveSettings(**settings), spec))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@torch.no_grad()
def test_the_bound_is_the_process_s(tiny_model: LoadedModel, prediction: str) -> None:
    """Its terms, from our squared errors, against `variational_bound` with the same noise: 1e-4 relative."""
    trainee = make_trainee(tiny_model, prediction)
    schedule, batch = trainee.objective.noise_schedule, Pictures().batch(0, [0, 1])
    conditioning = trainee.conditioning(batch.captions)
    denoiser = ModelDenoiser(trainee.unet, schedule, trainee.objective.prediction)
    seeds = [1, 2]
    bound = variational_bound(
        lambda x, sigma: denoiser(x, sigma, conditioning), batch.latents, ImageNoise(seeds, (4, 8, 8)), schedule
    )
    noise = ImageNoise(seeds, (4, 8, 8))
    weights = bound_weights(trainee.objective.prediction, schedule)
    for t in range(STEPS):
        drawn, at = noise.normal(), torch.full((2,), t)
        output = trainee.output(add_noise(batch.latents, drawn, at, schedule), at, batch)
        error = simple_loss(output, batch.latents, drawn, at, schedule, trainee.objective.prediction)
        if t:
            torch.testing.assert_close((weights[t] * error).float(), bound.steps[:, t], rtol=1e-4, atol=1e-6)
    assert weights[0] == 0
    torch.testing.assert_close(prior_bits(batch, schedule), bound.prior)


@torch.no_grad()
def test_few_time_steps_estimate_the_whole_bound(tiny_model: LoadedModel) -> None:
    """To 3 % with 40 time steps a picture."""
    trainee = make_trainee(tiny_model, "v_prediction")
    schedule = trainee.objective.noise_schedule
    pictures = Pictures(steps_per_epoch=1)
    batch = pictures.batch(0, range(4))
    totals = []
    for seed in range(4):
        noise = torch.randn(STEPS, 4, 4, 8, 8, generator=torch.Generator().manual_seed(seed))
        terms = []
        for t, weight in enumerate(bound_weights("v_prediction", schedule)):
            at = torch.full((4,), t)
            output = trainee.output(add_noise(batch.latents, noise[t], at, schedule), at, batch)
            terms.append(weight * simple_loss(output, batch.latents, noise[t], at, schedule, "v_prediction").mean())
        totals.append(torch.stack(terms))
    whole = torch.stack(totals).mean(0).sum() + prior_bits(batch, schedule).mean()
    settings = EvaluationSettings(held_out_timesteps=1, bound_timesteps=40)
    assert HeldOut(trainee, pictures, settings)()["bits_per_dim"] == pytest.approx(whole.item(), rel=0.03)


def test_the_density_covers_all_terms_but_the_first(tiny_model: LoadedModel) -> None:
    schedule = tiny_model.spec.noise_schedule.build()
    density = bound_density(schedule)
    assert density[0] == 0
    assert density.sum().item() == pytest.approx(1)
    assert (density[1:] > 0).all()
    # White data's own terms, which it is for: the draws then all count alike
    snr = schedule.alphas_cumprod / (1 - schedule.alphas_cumprod)
    terms = bound_weights("sample", schedule) / (snr + 1)
    assert (terms[1:] / density[1:]).std() < 0.2 * (terms[1:] / density[1:]).mean()


def test_it_is_the_same_again_and_whatever_is_trained_on(tiny_model: LoadedModel) -> None:
    settings = EvaluationSettings(held_out_timesteps=2, bound_timesteps=2)
    plain = make_trainee(tiny_model, "v_prediction")
    first = HeldOut(plain, Pictures(), settings)()
    assert set(first) == {"held_out_loss", "bits_per_dim"}
    assert HeldOut(plain, Pictures(), settings)() == first
    for name, value in HeldOut(plain, Pictures(), settings, rows_at_once=3)().items():
        assert value == pytest.approx(first[name], rel=1e-5)
    other = make_trainee(
        tiny_model, "v_prediction", loss="huber", min_snr_gamma=5.0, noise_offset=0.5, input_perturbation=0.5
    )
    other.seed = 9
    assert HeldOut(other, Pictures(), settings)() == first
    with torch.no_grad():
        other.unet.conv_out.bias += 0.5
    worse = HeldOut(other, Pictures(), settings)()
    assert worse["held_out_loss"] > first["held_out_loss"] + 0.1
    assert worse["bits_per_dim"] > first["bits_per_dim"]


def test_without_the_bound(tiny_model: LoadedModel) -> None:
    trainee = make_trainee(tiny_model, "epsilon")
    result = HeldOut(trainee, Pictures(), EvaluationSettings(bound_timesteps=0))()
    assert set(result) == {"held_out_loss"}
    assert math.isfinite(result["held_out_loss"])
    with pytest.raises(TrainingError) as error:
        EvaluationSettings(held_out_timesteps=0)
    assert str(error.value) == "held_out_timesteps is 0; it must be at least 1."
