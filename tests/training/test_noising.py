"""Draws by (seed, step, row), and what is done to the noise, against the formulas of the peers."""

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_density_for_timestep_sampling
from torch.nn import functional as F

from inkbloom.core.errors import TrainingError
from inkbloom.sampling.schedules import NoiseSchedule
from inkbloom.training.batches import Batch, row_generator
from inkbloom.training.noising import NoisingSettings, Purpose, noised, offset_noise, pyramid_noise, time_steps

SCHEDULE = NoiseSchedule.scaled_linear()
PEER = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
LATENTS = torch.randn(8, 4, 8, 12, generator=torch.Generator().manual_seed(1))
EVERYTHING = NoisingSettings(
    noise_offset=0.1,
    noise_offset_random=True,
    noise_offset_adaptive=0.2,
    pyramid_noise_iterations=6,
    input_perturbation=0.1,
    input_perturbation_random=True,
)


def make_batch(rows: tuple[int, ...] = tuple(range(8)), step: int = 3, global_size: int = 8) -> Batch:
    latents = LATENTS[[row % len(LATENTS) for row in rows]]
    return Batch(step=step, rows=rows, global_size=global_size, captions=("",) * len(rows), latents=latents)


def drawn_time_steps(settings: NoisingSettings, steps: int, size: int = 8) -> torch.Tensor:
    rows = tuple(range(size))
    return torch.stack([time_steps(make_batch(rows, step, size), settings, 1000, seed=0) for step in range(steps)])


@pytest.mark.parametrize("settings", [NoisingSettings(), EVERYTHING], ids=["plain", "everything"])
def test_an_example_is_the_same_in_every_micro_batch(settings: NoisingSettings) -> None:
    whole = noised(make_batch(), settings, SCHEDULE, seed=5)
    for rows in ((0, 1, 2), (3,), (7, 4)):
        part = noised(make_batch(rows), settings, SCHEDULE, seed=5)
        for name in ("x", "t", "x0", "noise"):
            assert torch.equal(getattr(part, name), getattr(whole, name)[list(rows)]), name
    for other in (
        noised(make_batch(), settings, SCHEDULE, seed=6),
        noised(make_batch(step=4), settings, SCHEDULE, seed=5),
    ):
        assert not torch.equal(other.noise, whole.noise)
        assert not torch.equal(other.t, whole.t)


@pytest.mark.parametrize("settings", [NoisingSettings(), EVERYTHING], ids=["plain", "everything"])
def test_noise_is_added_as_diffusers_does(settings: NoisingSettings) -> None:
    """1e-5. With input perturbation x holds more noise than the target: what is left over is that noise."""
    ours = noised(make_batch(), settings, SCHEDULE, seed=5)
    rest = ours.x - PEER.add_noise(LATENTS, ours.noise, ours.t)
    if not settings.input_perturbation:
        torch.testing.assert_close(rest, torch.zeros_like(rest), atol=1e-5, rtol=0)
        return
    for row, t, left in zip(range(8), ours.t, rest, strict=True):
        generator = row_generator(5, 3, row, Purpose.PERTURBATION)
        xi = torch.randn(4, 8, 12, generator=generator)
        strength = 0.1 * torch.rand(1, generator=generator) * (1 - PEER.alphas_cumprod[t]).sqrt()
        torch.testing.assert_close(left, strength * xi, atol=1e-5, rtol=0)


def test_an_option_leaves_the_other_draws_alone() -> None:
    plain = noised(make_batch(), NoisingSettings(), SCHEDULE, seed=5)
    offset = noised(make_batch(), NoisingSettings(noise_offset=0.1), SCHEDULE, seed=5)
    added = offset.noise - plain.noise
    assert torch.equal(offset.t, plain.t)
    torch.testing.assert_close(added, added[:, :, :1, :1].expand_as(added), atol=1e-6, rtol=0)
    assert 0.05 < added.std() < 0.2  # 32 draws


def test_stratified_time_steps_take_one_from_each_part() -> None:
    t = drawn_time_steps(NoisingSettings(), 200)
    assert (t * 8 // 1000).sort(1).values.equal(torch.arange(8).expand(200, 8))
    assert t.min() < 5
    assert t.max() > 994
    assert t[:, 0].float().mean().sub(499.5).abs() < 70  # each row has them all: 200 draws, 3.4 standard deviations


def test_uniform_time_steps_stay_in_their_range() -> None:
    t = drawn_time_steps(NoisingSettings(timestep_sampling="uniform", min_timestep=200, max_timestep=210), 200)
    assert t.unique().tolist() == list(range(200, 210))
    assert t.flatten().bincount()[200:].float().div(160).sub(1).abs().max() < 0.3  # 1600 draws, 3.8 deviations


def test_logit_normal_time_steps_are_distributed_as_diffusers() -> None:
    """Quantiles of 1,600 draws beside 100,000 of diffusers: 0.03 is 3 standard deviations of the median's."""
    settings = NoisingSettings(timestep_sampling="logit_normal", logit_normal_mean=-0.5, logit_normal_std=0.8)
    ours = drawn_time_steps(settings, 200).flatten() / 1000
    generator = torch.Generator().manual_seed(0)
    theirs = compute_density_for_timestep_sampling("logit_normal", 100_000, -0.5, 0.8, generator=generator)
    at = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    torch.testing.assert_close(ours.quantile(at), theirs.quantile(at), atol=0.03, rtol=0)


@pytest.mark.parametrize(("strength", "adaptive"), [(0.1, 0.0), (0.05, 0.5), (0.05, -2.0)])
def test_offset_noise_is_kohyas(strength: float, adaptive: float) -> None:
    noise, x0, drawn = torch.randn(4, 6, 8), torch.randn(4, 6, 8) + 0.3, torch.randn(4, 1, 1)
    wanted = noise.clone()
    for channel in range(4):
        factor = max(0.0, strength + adaptive * abs(x0[channel].sum().item() / 48))
        wanted[channel] += factor * drawn[channel].item()
    torch.testing.assert_close(offset_noise(noise, x0, drawn, strength=strength, adaptive=adaptive), wanted)


def test_pyramid_noise_is_kohyas() -> None:
    """Its formula with the same draws: levels of 1 / r^i of the sides until a side is 1, then unit deviation."""
    noise, generator = torch.randn(4, 16, 24), torch.Generator().manual_seed(3)
    ours = pyramid_noise(noise, torch.Generator().manual_seed(3), iterations=8, discount=0.4)
    wanted, sizes = noise[None].clone(), []
    for i in range(8):
        r = torch.rand(1, generator=generator, dtype=torch.float64).item() * 2 + 2
        height, width = max(1, int(16 / r**i)), max(1, int(24 / r**i))
        sizes.append((height, width))
        level = torch.randn(1, 4, height, width, generator=generator)
        wanted += F.interpolate(level, size=(16, 24), mode="bilinear", align_corners=False) * 0.4**i
        if height == 1 or width == 1:
            break
    assert sizes[0] == (16, 24)
    assert 1 in sizes[-1]
    torch.testing.assert_close(ours, (wanted / wanted.std())[0], atol=1e-5, rtol=0)
    assert ours.std().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"timestep_sampling": "stratifed"}, 'timestep_sampling is "stratifed". Did you mean "stratified"?'),
        ({"noise_offset": -0.1}, "noise_offset is -0.1; it must be at least 0."),
        ({"noise_offset_adaptive": float("nan")}, "noise_offset_adaptive is nan; it must be finite."),
        ({"pyramid_noise_discount": 1.5}, "pyramid_noise_discount is 1.5; it must be above 0 and at most 1."),
        ({"logit_normal_std": 0.0}, "logit_normal_std is 0.0; it must be above 0."),
        ({"min_timestep": 10, "max_timestep": 10}, "max_timestep is 10; it must be above min_timestep, which is 10."),
    ],
)
def test_settings_out_of_range(settings: dict, message: str) -> None:
    with pytest.raises(TrainingError) as error:
        NoisingSettings(**settings)
    assert str(error.value) == message


@pytest.mark.parametrize(("name", "value"), [("min_timestep", 1000), ("max_timestep", 1001)])
def test_time_steps_that_the_model_does_not_have(name: str, value: int) -> None:
    with pytest.raises(TrainingError) as error:
        NoisingSettings(**{name: value}).timestep_range(1000)
    assert str(error.value) == f"{name} is {value}; the model's noise schedule has 1000 time steps."
