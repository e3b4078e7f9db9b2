"""The diffusion objective against diffusers', and that it learns."""

import copy

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from inkbloom.models.clip_text import ClipText, ClipTextSpec
from inkbloom.models.unet import UNet, UNetLevel, UNetSpec
from inkbloom.sampling.schedules import NoiseSchedule
from inkbloom.training.diffusion import DiffusionJob, DiffusionSettings, LatentData

UNET = UNetSpec(
    levels=(
        UNetLevel(channels=16, num_blocks=1, transformer_depth=0, num_heads=1),
        UNetLevel(channels=32, num_blocks=1, transformer_depth=1, num_heads=2),
    ),
    context_dim=16,
    norm_groups=8,
)
TEXT = ClipTextSpec(width=16, num_layers=1, num_heads=2, vocab_size=32, max_tokens=8)


def make_job(prediction="v_prediction", weights=None, **settings) -> DiffusionJob:
    torch.manual_seed(0)
    latents = torch.randn(2, 4, 8, 8)
    ids = torch.randint(0, 32, (len(latents), 8))
    return DiffusionJob(
        UNet(UNET),
        ClipText(TEXT),
        NoiseSchedule.scaled_linear(),
        prediction,
        data=LatentData(
            latents=latents,
            captions=lambda indices, step: ids[indices],
            empty=torch.zeros(1, 8, dtype=torch.long),
            weights=weights,
        ),
        held_out=(latents, ids),
        settings=DiffusionSettings(batch_size=8, **settings),
    )


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_the_loss_is_that_of_diffusers_parts(prediction: str) -> None:
    """1e-3 relative: the networks run in bfloat16 on both sides, the rest in float32."""
    job = make_job(prediction)
    peer = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction)
    latents, noise = torch.randn(2, 3, 4, 8, 8)
    t, ids = torch.tensor([0, 500, 999]), torch.randint(0, 32, (3, 8))
    noised = peer.add_noise(latents, noise, t)
    wanted = {"epsilon": noise, "v_prediction": peer.get_velocity(latents, noise, t), "sample": latents}[prediction]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        predicted = job.unet(noised, t, job.text(ids)).float()
    expected = (predicted - wanted).square()
    torch.testing.assert_close(job._errors(latents, noise, t, ids).mean(), expected.mean(), rtol=1e-3, atol=0)


def test_it_learns_and_the_state_goes_round() -> None:
    job = make_job(empty_captions=0.0, ema_decay=0.9)
    before = job.evaluate()["held_out_loss"]
    losses = [job.train_step(step, 3e-3)["loss"] for step in range(80)]
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:5])
    assert job.evaluate()["held_out_loss"] < before
    twin = make_job(empty_captions=0.0, ema_decay=0.9)
    twin.load_state_dict(copy.deepcopy(job.state_dict()))
    assert twin.train_step(80, 1e-3) == job.train_step(80, 1e-3)


def test_captions_are_left_out_at_the_rate_asked_for() -> None:
    seen = []
    job = make_job(empty_captions=0.5)
    job._errors = lambda latents, noise, t, ids: seen.append(ids) or job.unet.conv_in.bias.sum()[None]
    for step in range(40):
        job.train_step(step, 0.0)
    empty = torch.cat(seen).eq(0).all(dim=1).float().mean().item()
    assert 0.4 < empty < 0.6  # 320 draws: 3.5 standard deviations


def test_time_steps_are_spread_over_the_whole_range() -> None:
    seen = []
    job = make_job()
    job._errors = lambda latents, noise, t, ids: seen.append(t) or job.unet.conv_in.bias.sum()[None]
    for step in range(20):
        job.train_step(step, 0.0)
    for t in seen:
        assert sorted((t * 8 // 1000).tolist()) == list(range(8))
    assert min(map(int, torch.cat(seen))) < 20
    assert max(map(int, torch.cat(seen))) > 980


def test_weights_choose_where_it_learns_and_the_text_encoder_stays() -> None:
    left = torch.zeros(2, 1, 8, 8)
    left[..., :4] = 1.0
    job = make_job(weights=left, empty_captions=0.0)
    text = {name: value.clone() for name, value in job.text.state_dict().items()}
    latents, ids = job.held_out
    t, noise = torch.tensor([500, 800]), torch.randn(2, 4, 8, 8)
    before = job._errors(latents, noise, t, ids).detach()
    for step in range(80):
        job.train_step(step, 3e-3)
    gain = (before - job._errors(latents, noise, t, ids).detach()).mean(dim=(0, 1, 2))
    assert gain[:4].mean() > 3 * gain[4:].mean()
    assert all(torch.equal(value, text[name]) for name, value in job.text.state_dict().items())
