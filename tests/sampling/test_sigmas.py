import math

import mpmath
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler

from inkbloom.core.errors import RequestError
from inkbloom.sampling.schedules import NoiseSchedule
from inkbloom.sampling.sigmas import all_schedules, find_schedule, make_sigmas, split_name

STABLE_DIFFUSION = NoiseSchedule.scaled_linear()
ZERO_SNR = STABLE_DIFFUSION.zero_terminal_snr()
NAMES = [schedule.name for schedule in all_schedules()]
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def sigmas_of(name: str, steps: int, noise_schedule: NoiseSchedule = STABLE_DIFFUSION, **options) -> np.ndarray:
    return make_sigmas(name, steps, noise_schedule, **options).numpy()


def training_sigmas() -> np.ndarray:
    """Stable Diffusion's, from its published formula, high t last."""
    alphas_cumprod = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
    return np.sqrt((1 - alphas_cumprod) / alphas_cumprod)


def test_a1111s_schedules_in_its_order_then_the_others() -> None:
    assert [(schedule.name, schedule.label, schedule.aliases) for schedule in all_schedules()] == [
        ("automatic", "Automatic", ()),
        ("uniform", "Uniform", ()),
        ("karras", "Karras", ()),
        ("exponential", "Exponential", ()),
        ("polyexponential", "Polyexponential", ()),
        ("sgm_uniform", "SGM Uniform", ("SGMUniform",)),
        ("kl_optimal", "KL Optimal", ()),
        ("align_your_steps", "Align Your Steps", ()),
        ("simple", "Simple", ()),
        ("normal", "Normal", ()),
        ("ddim", "DDIM", ()),
        ("beta", "Beta", ()),
        ("leading", "Leading", ()),
        ("time_uniform", "Time Uniform", ()),
        ("trailing", "Trailing", ()),
    ]


@pytest.mark.parametrize("noise_schedule", [STABLE_DIFFUSION, ZERO_SNR, NoiseSchedule.cosine()])
@pytest.mark.parametrize("discard_penultimate", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_schedule_decreases_over_steps_plus_one_points(
    name: str, discard_penultimate: bool, noise_schedule: NoiseSchedule
) -> None:
    for steps in (1, 2, 3, 7, 20, 150):
        sigmas = make_sigmas(name, steps, noise_schedule, discard_penultimate=discard_penultimate)
        points = len(range(0, 1000, 1000 // (steps + discard_penultimate))) + 1 - discard_penultimate
        assert len(sigmas) == (points if name in ("ddim", "leading") else steps + 1)
        assert sigmas.dtype == torch.float64
        assert bool(sigmas.isfinite().all())
        assert bool((sigmas.diff() < 0).all())
        assert float(sigmas[-1]) >= 0
        assert (float(sigmas[-1]) == 0) == (name not in ("kl_optimal", "leading", "time_uniform"))


@pytest.mark.parametrize("name", NAMES)
def test_one_step_is_worked_out_by_hand(name: str) -> None:
    low, high = STABLE_DIFFUSION.sigma_min, STABLE_DIFFUSION.sigma_max
    t1 = float(STABLE_DIFFUSION.sigmas[1])
    expected = {"kl_optimal": [high, low], "leading": [t1, low], "ddim": [t1, 0], "align_your_steps": [14.615, 0]}
    expected["time_uniform"] = [high, low]
    np.testing.assert_allclose(sigmas_of(name, 1), expected.get(name, [high, 0]), rtol=1e-12)


@pytest.mark.parametrize("steps", [2, 5, 20])
def test_schedules_over_time_steps_against_numpy(steps: int) -> None:
    def sigma(t) -> np.ndarray:
        return np.append(np.exp(np.interp(t, np.arange(1000), np.log(training_sigmas()))), 0)

    for name in ("automatic", "uniform", "normal"):
        np.testing.assert_allclose(sigmas_of(name, steps), sigma(np.linspace(999, 0, steps)), rtol=1e-11)
    np.testing.assert_allclose(sigmas_of("time_uniform", steps), sigma(np.linspace(999, 0, steps + 1))[:-1], rtol=1e-11)
    np.testing.assert_allclose(sigmas_of("sgm_uniform", steps), sigma(np.linspace(999, 0, steps + 1)[:-1]), rtol=1e-11)
    stride = 1000 // steps
    every = [training_sigmas()[-(1 + stride * i)] for i in range(steps)]
    np.testing.assert_allclose(sigmas_of("simple", steps), [*every, 0], rtol=1e-11)
    every = training_sigmas()[1::stride][::-1]
    np.testing.assert_allclose(sigmas_of("ddim", steps), [*every, 0], rtol=1e-11)
    np.testing.assert_allclose(sigmas_of("leading", steps), [*every, training_sigmas()[0]], rtol=1e-11)


def test_schedules_over_sigma_against_numpy() -> None:
    high, low, n = 10.0, 0.1, 6
    span = {"sigma_min": low, "sigma_max": high}
    ramp = np.linspace(0, 1, n)
    for rho in (7, 3):
        powers = (high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho
        np.testing.assert_allclose(sigmas_of("karras", n, **span, rho=rho), [*powers, 0], rtol=1e-13)
        powers = np.exp((1 - ramp) ** rho * (np.log(high) - np.log(low)) + np.log(low))
        np.testing.assert_allclose(sigmas_of("polyexponential", n, **span, rho=rho), [*powers, 0], rtol=1e-13)
    np.testing.assert_array_equal(sigmas_of("karras", n, **span), sigmas_of("karras", n, **span, rho=7))
    logs = [*np.exp(np.linspace(np.log(high), np.log(low), n)), 0]
    np.testing.assert_allclose(sigmas_of("exponential", n, **span), logs, rtol=1e-13)
    np.testing.assert_allclose(sigmas_of("polyexponential", n, **span), logs, rtol=1e-13)
    i = np.arange(n + 1) / n
    tangents = np.tan(i * np.arctan(low) + (1 - i) * np.arctan(high))
    np.testing.assert_allclose(sigmas_of("kl_optimal", n, **span), tangents, rtol=1e-13)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' call of NumPy
@pytest.mark.parametrize("steps", [2, 5, 20])
@pytest.mark.parametrize("name", ["karras", "exponential"])
def test_karras_and_exponential_are_those_of_diffusers(name: str, steps: int) -> None:
    peer = EulerDiscreteScheduler(**BETAS, **{f"use_{name}_sigmas": True})
    peer.set_timesteps(steps)
    np.testing.assert_allclose(sigmas_of(name, steps), peer.sigmas.numpy(), rtol=3e-5)  # theirs is float32


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 20, 30, 48, 61, 100])
def test_trailing_is_that_of_diffusers_at_every_count(steps: int) -> None:
    for rescaled, noise_schedule in ((False, STABLE_DIFFUSION), (True, ZERO_SNR)):
        peer = DDIMScheduler(**BETAS, timestep_spacing="trailing", rescale_betas_zero_snr=rescaled)
        peer.set_timesteps(steps)
        times = [noise_schedule.nearest_t(sigma) for sigma in sigmas_of("trailing", steps, noise_schedule)[:-1]]
        assert times == [max(t, 0) for t in peer.timesteps.tolist()[:steps]]
    assert sigmas_of("trailing", steps, ZERO_SNR)[0] == pytest.approx(4518.7637, abs=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 4, 10, 20, 50, 100, 250])
def test_leading_is_that_of_diffusers_where_steps_divide_1000(steps: int) -> None:
    peer = DDIMScheduler(**BETAS, timestep_spacing="leading", steps_offset=1)
    peer.set_timesteps(steps)
    assert [STABLE_DIFFUSION.nearest_t(sigma) for sigma in sigmas_of("leading", steps)] == [*peer.timesteps.tolist(), 0]


@pytest.mark.parametrize("name", ["leading", "ddim"])
def test_leading_is_that_of_compvis_where_steps_do_not_divide_1000(name: str) -> None:
    for steps in (3, 15, 30, 334):
        times = [STABLE_DIFFUSION.nearest_t(sigma) for sigma in sigmas_of(name, steps)[:-1]]
        assert times == sorted(np.clip(np.arange(0, 1000, 1000 // steps) + 1, 0, 999).tolist(), reverse=True)


@pytest.mark.parametrize(
    ("family", "anchors"),
    [
        ("sd1", [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029]),
        ("sdxl", [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029]),
    ],
)
def test_align_your_steps(family: str, anchors: list[float]) -> None:
    np.testing.assert_allclose(sigmas_of("align_your_steps", 11, family=family), [*anchors, 0], rtol=1e-13)
    for steps in (2, 10, 25):
        between = np.exp(np.interp(np.linspace(0, 1, steps), np.linspace(0, 1, 11), np.log(anchors)))
        np.testing.assert_allclose(sigmas_of("align_your_steps", steps, family=family), [*between, 0], rtol=1e-13)


@pytest.mark.parametrize(("alpha", "beta"), [(0.6, 0.6), (0.1, 5.0), (2.0, 0.5), (1.0, 1.0), (40.0, 60.0)])
def test_beta_inverts_the_distribution_function(alpha: float, beta: float) -> None:
    steps, low, high = 9, 1.0, 11.0
    sigmas = sigmas_of("beta", steps, sigma_min=low, sigma_max=high, beta_alpha=alpha, beta_beta=beta)
    assert (sigmas[0], sigmas[-2], sigmas[-1]) == (high, low, 0)
    for sigma, probability in zip(sigmas[1:-2], np.linspace(1, 0, steps)[1:-1], strict=True):
        quantile = (sigma - low) / (high - low)
        # The exact quantile is within 1e-14
        left, right = max(quantile - 1e-14, 0), min(quantile + 1e-14, 1)
        below, above = (mpmath.betainc(alpha, beta, 0, end, regularized=True) for end in (left, right))
        assert below < probability < above


def test_beta_with_extreme_shapes_still_ends_in_the_range() -> None:
    sigmas = sigmas_of("beta", 4, beta_alpha=3.0, beta_beta=0.2)
    assert sigmas[0] == STABLE_DIFFUSION.sigma_max
    assert sigmas[1] > 0.99 * sigmas[0]


def test_the_range_of_normal_and_sgm_uniform_is_in_time_steps() -> None:
    for name, end in (("normal", 1.0), ("sgm_uniform", None)):
        sigmas = sigmas_of(name, 4, sigma_min=1.0, sigma_max=8.0)
        times = [STABLE_DIFFUSION.t(sigma) for sigma in sigmas[:-1]]
        np.testing.assert_allclose(np.diff(times), np.diff(times)[0], rtol=1e-9)
        assert sigmas[0] == pytest.approx(8.0, rel=1e-12)
        assert end is None or sigmas[-2] == pytest.approx(end, rel=1e-12)


def test_discarding_the_penultimate_makes_one_step_more_first() -> None:
    longer = sigmas_of("karras", 6)
    np.testing.assert_array_equal(sigmas_of("karras", 5, discard_penultimate=True), [*longer[:-2], 0])


@pytest.mark.parametrize("name", ["karras", "KARRAS", " Karras "])
def test_names_and_labels_find_whatever_the_case(name: str) -> None:
    assert find_schedule(name).name == "karras"
    assert find_schedule("SGMUniform") is find_schedule("sgm uniform") is find_schedule("sgm_uniform")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("DPM++ 2M Karras", ("DPM++ 2M", "karras")),
        ("DPM++ 2M SDE Exponential", ("DPM++ 2M SDE", "exponential")),
        ("Euler SGM Uniform", ("Euler", "sgm_uniform")),
        ("Euler SGMUniform", ("Euler", "sgm_uniform")),
        ("Euler a align_your_steps", ("Euler a", "align_your_steps")),
        ("dpm++ 2m karras", ("dpm++ 2m", "karras")),
        ("Heun Automatic", ("Heun", "automatic")),
        ("Euler a", ("Euler a", None)),
        ("DDIM", ("DDIM", None)),
        ("Karras", ("Karras", None)),
    ],
)
def test_combined_names_split(name: str, parts: tuple[str, str | None]) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize(
    ("name", "steps", "options", "message"),
    [
        ("karas", 5, {}, r'Unknown schedule "karas"\. Did you mean "karras"'),
        ("karras", 0, {}, r"0 steps cannot be made; at least 1 is needed\."),
        ("simple", 5, {"rho": 3}, r'Schedule "simple" takes no rho; these do: "karras", "polyexponential"\.'),
        ("uniform", 5, {"sigma_max": 3}, r'Schedule "uniform" takes no sigma_max; these do: "karras", "expon'),
        ("karras", 5, {"rho": 0}, r"rho 0 is out of range; it must be greater than 0 and finite\."),
        ("karras", 5, {"sigma_max": math.inf}, r"sigma_max inf is out of range"),
        ("karras", 5, {"sigma_min": 20.0}, r"sigma_min 20 must be less than sigma_max 14\.6146\."),
        ("beta", 5, {"beta_alpha": -1}, r"beta_alpha -1 is out of range"),
        ("simple", 1001, {}, r'Schedule "simple" has no 1001 different noise levels; use fewer steps\.'),
        ("leading", 600, {}, r'Schedule "leading" has no 600 different noise levels; use fewer steps\.'),
    ],
)
def test_bad_requests(name: str, steps: int, options: dict, message: str) -> None:
    with pytest.raises(RequestError, match=f"^{message}"):
        make_sigmas(name, steps, STABLE_DIFFUSION, **options)
