import math

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, EulerDiscreteScheduler
from hypothesis import given
from hypothesis import strategies as st

from inkbloom.core.errors import RequestError
from inkbloom.sampling.schedules import NoiseSchedule, NoiseScheduleSpec

STABLE_DIFFUSION = NoiseSchedule.scaled_linear()


@pytest.mark.parametrize(
    ("ours", "config"),
    [
        (NoiseSchedule.linear(), {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}),
        (STABLE_DIFFUSION, {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}),
        (NoiseSchedule.cosine(), {"beta_schedule": "squaredcos_cap_v2"}),
        (NoiseSchedule.linear(0.001, 0.2, 50), {"beta_start": 0.001, "beta_end": 0.2, "num_train_timesteps": 50}),
        (
            STABLE_DIFFUSION.zero_terminal_snr(),
            {
                "beta_schedule": "scaled_linear",
                "beta_start": 0.00085,
                "beta_end": 0.012,
                "rescale_betas_zero_snr": True,
            },
        ),
    ],
)
def test_the_levels_are_those_of_diffusers(ours: NoiseSchedule, config: dict) -> None:
    peer = DDPMScheduler(**config)
    # diffusers multiplies a thousand numbers in float32
    torch.testing.assert_close(ours.alphas_cumprod.float(), peer.alphas_cumprod, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(ours.betas.float(), peer.betas, rtol=1e-4, atol=1e-6)
    assert ours.alphas_cumprod.dtype == torch.float64
    torch.testing.assert_close(ours.alphas, 1 - ours.betas, rtol=0, atol=1e-15)


def test_published_numbers_of_stable_diffusion() -> None:
    assert STABLE_DIFFUSION.timesteps == 1000
    assert float(STABLE_DIFFUSION.alphas_cumprod[-1]) == pytest.approx(0.0047, abs=5e-5)
    assert STABLE_DIFFUSION.sigma_min == pytest.approx(0.0292, abs=5e-5)
    assert STABLE_DIFFUSION.sigma_max == pytest.approx(14.6146, abs=5e-5)
    peer = EulerDiscreteScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    # diffusers' 1 - alpha-bar loses digits in float32 where alpha-bar is near 1
    torch.testing.assert_close(STABLE_DIFFUSION.sigmas.flip(0).float(), peer.sigmas[:-1], rtol=2e-5, atol=0)


def test_zero_terminal_snr_keeps_the_first_and_empties_the_last() -> None:
    rescaled = STABLE_DIFFUSION.zero_terminal_snr()
    assert float(rescaled.alphas_cumprod[0]) == pytest.approx(float(STABLE_DIFFUSION.alphas_cumprod[0]), rel=1e-15)
    assert float(rescaled.alphas_cumprod[-1]) == 0
    assert float(rescaled.betas[-1]) == 1
    assert rescaled.sigma_max == pytest.approx(4518.7637, abs=1e-4)
    assert bool(rescaled.sigmas.diff().gt(0).all())


@pytest.mark.parametrize("schedule", [STABLE_DIFFUSION, STABLE_DIFFUSION.zero_terminal_snr(), NoiseSchedule.cosine()])
def test_sigma_is_log_linear_between_whole_time_steps(schedule: NoiseSchedule) -> None:
    log_sigmas = schedule.sigmas.log().numpy()
    for t in (0, 0.25, 1, 17.5, 499.999, 998.5, 999):
        expected = math.exp(np.interp(t, np.arange(1000), log_sigmas))
        assert schedule.sigma(t) == pytest.approx(expected, rel=1e-13)
        assert schedule.t(schedule.sigma(t)) == pytest.approx(t, abs=1e-9)


@given(st.floats(0, 999))
def test_t_inverts_sigma(t: float) -> None:
    assert STABLE_DIFFUSION.t(STABLE_DIFFUSION.sigma(t)) == pytest.approx(t, abs=1e-9)


def test_whole_time_steps_stay_whole_in_float32() -> None:
    for t in range(1000):
        sigma = STABLE_DIFFUSION.sigma(t)
        assert torch.tensor(STABLE_DIFFUSION.t(sigma), dtype=torch.float32).item() == t
        assert STABLE_DIFFUSION.nearest_t(sigma * 1.0001) == t


def test_levels_outside_the_range_get_the_nearest_end() -> None:
    assert STABLE_DIFFUSION.t(1e-6) == 0
    assert STABLE_DIFFUSION.t(1e6) == 999
    assert STABLE_DIFFUSION.nearest_t(1e6) == 999


def test_the_shortest_schedule() -> None:
    schedule = NoiseSchedule.linear(0.1, 0.5, timesteps=2)
    assert schedule.t(schedule.sigma(0.5)) == pytest.approx(0.5)
    assert schedule.t(schedule.sigma(1)) == 1


@pytest.mark.parametrize("t", [-0.1, 999.1, math.nan])
def test_time_steps_outside_are_refused(t: float) -> None:
    with pytest.raises(RequestError, match=rf"^Time step {t} is outside the noise schedule; allowed are 0 to 999\.$"):
        STABLE_DIFFUSION.sigma(t)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan])
def test_levels_without_a_time_step_are_refused(sigma: float) -> None:
    for ask in (STABLE_DIFFUSION.t, STABLE_DIFFUSION.nearest_t):
        with pytest.raises(RequestError, match=f"^A noise level of {sigma} has no time step; it must be greater"):
            ask(sigma)


@pytest.mark.parametrize(
    ("spec", "schedule"),
    [
        (NoiseScheduleSpec(), STABLE_DIFFUSION),
        (NoiseScheduleSpec(zero_terminal_snr=True), STABLE_DIFFUSION.zero_terminal_snr()),
        (NoiseScheduleSpec(kind="linear"), NoiseSchedule.linear()),
        (NoiseScheduleSpec(kind="cosine", timesteps=100), NoiseSchedule.cosine(timesteps=100)),
        (NoiseScheduleSpec(beta_start=0.002, beta_end=0.3, timesteps=9), NoiseSchedule.scaled_linear(0.002, 0.3, 9)),
    ],
)
def test_a_spec_builds_its_schedule_once(spec: NoiseScheduleSpec, schedule: NoiseSchedule) -> None:
    assert torch.equal(spec.build().alphas_cumprod, schedule.alphas_cumprod)
    assert spec.build() is spec.build()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "scaled-linear"}, r'Unknown noise schedule "scaled-linear"\. Did you mean "scaled_linear"'),
        ({"timesteps": 1}, r"A noise schedule of 1 time steps is too short; it needs at least 2\."),
        ({"beta_start": 0.02}, r"Betas from 0\.02 to 0\.012 make no noise schedule; needed is 0 < start <= end < 1\."),
        ({"kind": "cosine", "beta_end": 0.1}, r"The cosine noise schedule takes no beta_start or beta_end"),
    ],
)
def test_specs_are_checked(fields: dict, message: str) -> None:
    with pytest.raises(RequestError, match=f"^{message}"):
        NoiseScheduleSpec(**fields)
