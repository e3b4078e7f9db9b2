from typing import get_args

import pytest
import torch
from diffusers import DDPMScheduler, EulerDiscreteScheduler

from inkbloom.core.errors import RequestError
from inkbloom.sampling.prediction import (
    ModelDenoiser,
    Prediction,
    check_prediction,
    from_denoised,
    target,
    to_denoised,
)
from inkbloom.sampling.schedules import NoiseSchedule

SCHEDULE = NoiseSchedule.scaled_linear()
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
PREDICTIONS = get_args(Prediction)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


class Recorder:
    """A toy network whose answer depends on everything it is given; it keeps what that was."""

    def __init__(self) -> None:
        self.calls: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def __call__(self, x: torch.Tensor, t: torch.Tensor, conditioning: torch.Tensor, /) -> torch.Tensor:
        self.calls.append((x, t, conditioning))
        shift = (t / 1000).to(x.dtype) + conditioning.mean((1, 2)).to(x.dtype)
        return torch.tanh(x) + shift[:, None, None, None]


@pytest.mark.parametrize("sigma", [0.03, 0.7, 14.6])
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_conversions_invert_each_other(prediction: Prediction, sigma: float) -> None:
    x, output = normal(2, 3, 4, 5, dtype=torch.float64), normal(2, 3, 4, 5, seed=1, dtype=torch.float64)
    denoised = to_denoised(prediction, output, x, sigma)
    torch.testing.assert_close(from_denoised(prediction, denoised, x, sigma), output, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.03, 0.7, 14.6, 4518.7])
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_target_is_what_denoises_exactly(prediction: Prediction, sigma: float) -> None:
    x0, noise = normal(2, 3, 4, 5, dtype=torch.float64), normal(2, 3, 4, 5, seed=1, dtype=torch.float64)
    wanted = target(prediction, x0, noise, torch.full((2,), 1 / (1 + sigma**2), dtype=torch.float64))
    denoised = to_denoised(prediction, wanted, x0 + sigma * noise, sigma)
    torch.testing.assert_close(denoised, x0, rtol=1e-9, atol=1e-11)


def test_targets_are_those_of_diffusers() -> None:
    x0, noise, t = normal(3, 4, 5, 6), normal(3, 4, 5, 6, seed=1), torch.tensor([0, 500, 999])
    peer = DDPMScheduler(**BETAS)
    ours = target("v_prediction", x0, noise, SCHEDULE.alphas_cumprod[t])
    torch.testing.assert_close(ours, peer.get_velocity(x0, noise, t), rtol=0, atol=2e-6)
    assert target("epsilon", x0, noise, SCHEDULE.alphas_cumprod[t]) is noise
    assert target("sample", x0, noise, SCHEDULE.alphas_cumprod[t]) is x0


def test_the_velocity_at_zero_terminal_snr_is_minus_the_picture() -> None:
    x0, noise = normal(1, 4, 5, 6), normal(1, 4, 5, 6, seed=1)
    assert torch.equal(target("v_prediction", x0, noise, torch.zeros(1)), -x0)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' call of NumPy
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_denoised_is_the_original_sample_of_diffusers(prediction: Prediction) -> None:
    # Their own step, on their own sigmas
    peer = EulerDiscreteScheduler(**BETAS, prediction_type=prediction)
    peer.set_timesteps(10)
    for i, t in enumerate(peer.timesteps):
        sigma = float(peer.sigmas[i])
        x, output = normal(1, 4, 5, 6, seed=i) * (1 + sigma**2) ** 0.5, normal(1, 4, 5, 6, seed=i + 100)
        peer.scale_model_input(x, t)
        theirs = peer.step(output, t, x).pred_original_sample
        torch.testing.assert_close(to_denoised(prediction, output, x, sigma), theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_model_sees_unit_variance_and_the_time_step(prediction: Prediction) -> None:
    model, sigma, x = Recorder(), SCHEDULE.sigma(321.5), normal(2, 4, 5, 6) * 3
    conditioning, before = normal(2, 7, 8, seed=5), x.clone()
    denoised = ModelDenoiser(model, SCHEDULE, prediction)(x, sigma, conditioning)
    ((seen, t, given),) = model.calls
    torch.testing.assert_close(seen, x * (1 + sigma**2) ** -0.5, rtol=1e-6, atol=0)
    torch.testing.assert_close(t, torch.full((2,), 321.5), rtol=1e-7, atol=0)
    assert t.dtype == torch.float32
    assert torch.equal(given, conditioning)
    expected = to_denoised(prediction, Recorder()(seen, t, given), x, sigma)
    torch.testing.assert_close(denoised, expected, rtol=0, atol=0)
    assert torch.equal(x, before)


def test_several_conditionings_in_one_call_or_one_each() -> None:
    x, sigma = normal(2, 4, 5, 6), 2.0
    short, long = normal(1, 7, 8, seed=1), normal(1, 14, 8, seed=2)
    for conditionings, batched, shapes in (
        ([short, -short], True, [(4, 7, 8)]),
        ([short, -short], False, [(2, 7, 8)] * 2),
        ([short, long], True, [(2, 7, 8), (2, 14, 8)]),
    ):
        model = Recorder()
        outputs = ModelDenoiser(model, SCHEDULE, "epsilon", batched=batched).outputs(x, sigma, conditionings)
        assert [tuple(given.shape) for _, _, given in model.calls] == shapes
        for output, conditioning in zip(outputs, conditionings, strict=True):
            (alone,) = ModelDenoiser(Recorder(), SCHEDULE, "epsilon").outputs(x, sigma, [conditioning])
            torch.testing.assert_close(output, alone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("of_x", "asked", "seen", "result"),
    [
        (torch.float32, torch.bfloat16, torch.bfloat16, torch.float32),
        (torch.float32, None, torch.float32, torch.float32),
        (torch.float16, None, torch.float16, torch.float32),
        (torch.float64, None, torch.float64, torch.float64),
    ],
)
def test_precision(of_x: torch.dtype, asked: torch.dtype | None, seen: torch.dtype, result: torch.dtype) -> None:
    model = Recorder()
    denoised = ModelDenoiser(model, SCHEDULE, "v_prediction", asked)(normal(1, 4, 5, 6).to(of_x), 1.0, normal(1, 7, 8))
    assert model.calls[0][0].dtype == seen
    assert denoised.dtype == result


def test_unknown_predictions_are_refused() -> None:
    message = r'^Unknown prediction "v-prediction"\. Did you mean "v_prediction"'
    with pytest.raises(RequestError, match=message):
        check_prediction("v-prediction")
    with pytest.raises(RequestError, match=message):
        ModelDenoiser(Recorder(), SCHEDULE, "v-prediction")  # type: ignore[arg-type]
