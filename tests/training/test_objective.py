"""Targets, losses and weights against diffusers' and kohya's formulas on the same tensors, to 1e-5."""

import dataclasses

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from torch.nn import functional as F

from inkbloom.core.errors import TrainingError
from inkbloom.families.sd1 import SD1
from inkbloom.training.noising import Noised
from inkbloom.training.objective import Objective, ObjectiveSettings

PREDICTIONS = ("epsilon", "v_prediction", "sample")
T = torch.tensor([0, 17, 500, 999])


def peer(prediction: str, *, zero_snr: bool = False) -> DDPMScheduler:
    return DDPMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=prediction,
        rescale_betas_zero_snr=zero_snr,
    )


def draws() -> tuple[torch.Tensor, Noised]:
    """A network's output, and what it was asked."""
    output, x0, noise = torch.randn(3, len(T), 4, 8, 8, generator=torch.Generator().manual_seed(0))
    return output, Noised(peer("epsilon").add_noise(x0, noise, T), T, x0, noise)


def wanted(prediction: str, noised: Noised, scheduler: DDPMScheduler) -> torch.Tensor:
    velocity = scheduler.get_velocity(noised.x0, noised.noise, noised.t)
    return {"epsilon": noised.noise, "v_prediction": velocity, "sample": noised.x0}[prediction]


def losses(prediction: str, **settings: object) -> torch.Tensor:
    output, noised = draws()
    return Objective(ObjectiveSettings(prediction=prediction, **settings), SD1).losses(output, noised)


def close(ours: torch.Tensor, theirs: torch.Tensor, rtol: float = 1e-5) -> None:
    torch.testing.assert_close(ours, theirs.float(), rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_loss_is_diffusers(prediction: str) -> None:
    output, noised = draws()
    target = wanted(prediction, noised, peer(prediction))
    close(losses(prediction), F.mse_loss(output, target, reduction="none").mean((1, 2, 3)))
    close(losses(prediction, loss="l1"), F.l1_loss(output, target, reduction="none").mean((1, 2, 3)))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_min_snr_is_that_of_diffusers_examples(prediction: str) -> None:
    """2e-4 relative at t = 0, where diffusers' float32 has lost digits of 1 - alpha-bar = 8.5e-4."""
    snr = compute_snr(peer(prediction), T)
    weights = torch.stack([snr, 5.0 * torch.ones_like(T)], dim=1).min(dim=1)[0]
    weights = weights / (snr + 1 if prediction == "v_prediction" else snr)
    ours = losses(prediction, min_snr_gamma=5.0)
    close(ours[1:], (losses(prediction) * weights)[1:])
    close(ours[:1], (losses(prediction) * weights)[:1], rtol=2e-4)


def snr_at(t: torch.Tensor = T) -> torch.Tensor:
    alpha_bar = (1 - peer("epsilon").betas.double()).cumprod(0)[t]
    return alpha_bar / (1 - alpha_bar)


def test_all_forms_of_min_snr_weigh_the_error_of_x0_alike() -> None:
    """With an output of each prediction that stands for the same x0."""
    output, noised = draws()
    alpha, sigma = (
        part[:, None, None, None].float() for part in ((snr_at() / (snr_at() + 1)) ** 0.5, (snr_at() + 1) ** -0.5)
    )
    x0 = output
    eps = (noised.x - alpha * x0) / sigma
    outputs = {"sample": x0, "epsilon": eps, "v_prediction": alpha * eps - sigma * x0}
    for name, factor in (
        ("min_snr_gamma", snr_at().clamp(max=5)),
        ("soft_min_snr_gamma", snr_at() * 5 / (snr_at() + 5)),
    ):
        expected = factor * (x0 - noised.x0).double().square().mean((1, 2, 3))
        for prediction, said in outputs.items():
            objective = Objective(ObjectiveSettings(prediction=prediction, **{name: 5.0}), SD1)
            # 1e-3: at t = 0, eps is the small difference of two large numbers
            close(objective.losses(said, noised), expected, rtol=1e-3)


def test_the_other_weights_are_kohyas() -> None:
    snr = snr_at()
    capped = snr.clamp(max=1000)
    scale = capped / (capped + 1)
    close(losses("epsilon", debiased_estimation=True), losses("epsilon") / capped.sqrt())
    close(losses("v_prediction", debiased_estimation=True), losses("v_prediction") / (capped + 1))
    close(losses("v_prediction", scale_v_loss=True), losses("v_prediction") * scale)
    plain = losses("epsilon")
    close(losses("epsilon", v_like_loss=0.7), plain + plain / scale * 0.7)
    both = losses("epsilon", min_snr_gamma=5.0, debiased_estimation=True)
    close(both, plain * snr.clamp(max=5) / snr / capped.sqrt())


@pytest.mark.parametrize("schedule", ["constant", "exponential", "snr"])
@pytest.mark.parametrize("loss", ["huber", "smooth_l1"])
def test_huber_losses_are_kohyas(loss: str, schedule: str) -> None:
    output, noised = draws()
    scheduler = peer("epsilon")
    sigma = ((1 - scheduler.alphas_cumprod[T]) / scheduler.alphas_cumprod[T]) ** 0.5
    c = {
        "constant": torch.full((4,), 0.1 * 2),
        "exponential": 0.1 ** (T / 1000) * 2,
        "snr": (1 - 0.1) / (1 + sigma) ** 2 + 0.1,
    }[schedule][:, None, None, None]
    root = ((output - noised.noise) ** 2 + c**2) ** 0.5 - c
    expected = (2 * c * root if loss == "huber" else 2 * root).mean((1, 2, 3))
    close(losses("epsilon", loss=loss, huber_schedule=schedule, huber_scale=2.0), expected)


def test_masks_and_weights() -> None:
    output, noised = draws()
    masks, weights = torch.rand(4, 1, 8, 8) * 2, torch.tensor([1.0, 0.0, 0.5, 2.0])
    ours = Objective(ObjectiveSettings(), SD1).losses(output, noised, masks, weights)
    close(ours, ((output - noised.noise) ** 2 * masks).mean((1, 2, 3)) * weights)


def test_zero_terminal_snr_is_diffusers_and_changes_what_the_model_is() -> None:
    """1e-4: diffusers rescales in float32."""
    settings = ObjectiveSettings(prediction="v_prediction", zero_terminal_snr=True, min_snr_gamma=5.0)
    objective = Objective(settings, SD1)
    theirs = peer("v_prediction", zero_snr=True)
    torch.testing.assert_close(
        objective.noise_schedule.alphas_cumprod.float(), theirs.alphas_cumprod, atol=1e-6, rtol=1e-4
    )
    output, noised = draws()
    target = wanted("v_prediction", noised, theirs)
    torch.testing.assert_close(objective.target(noised), target, atol=1e-4, rtol=0)
    assert objective.losses(output, noised).isfinite().all()
    assert objective.spec == dataclasses.replace(
        SD1,
        prediction="v_prediction",
        noise_schedule=dataclasses.replace(SD1.noise_schedule, zero_terminal_snr=True),
        default_schedule="trailing",
    )
    assert Objective(ObjectiveSettings(), SD1).spec == SD1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prediction": "v"}, 'prediction is "v". Known: epsilon, v_prediction, sample.'),
        ({"loss": "hubert"}, 'loss is "hubert". Did you mean "huber"?'),
        ({"min_snr_gamma": 0.0}, "min_snr_gamma is 0.0; it must be above 0."),
        ({"huber_c": 2.0}, "huber_c is 2.0; it must be above 0 and at most 1."),
        ({"noise_offset": -1.0}, "noise_offset is -1.0; it must be at least 0."),
        (
            {"min_snr_gamma": 5.0, "soft_min_snr_gamma": 5.0},
            "min_snr_gamma and soft_min_snr_gamma are two forms of one weight; give one of them.",
        ),
        (
            {"zero_terminal_snr": True},
            "zero_terminal_snr does not go with the prediction epsilon: in pure noise it says nothing of the picture. "
            "Set prediction to v_prediction or sample.",
        ),
        ({"scale_v_loss": True}, "scale_v_loss is for the prediction v_prediction; this model's is epsilon."),
        (
            {"prediction": "v_prediction", "v_like_loss": 0.5},
            "v_like_loss is for the prediction epsilon; this model's is v_prediction.",
        ),
        (
            {"prediction": "sample", "debiased_estimation": True},
            "debiased_estimation is for the prediction epsilon or v_prediction; this model's is sample.",
        ),
        ({"max_timestep": 2000}, "max_timestep is 2000; the model's noise schedule has 1000 time steps."),
    ],
)
def test_what_cannot_be(settings: dict, message: str) -> None:
    with pytest.raises(TrainingError) as error:
        Objective(ObjectiveSettings(**settings), SD1)
    assert str(error.value) == message
