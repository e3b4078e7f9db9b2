"""diffusers' schedulers step by step with the same model: where the method is the same, so is the result.

Their tables are recomputed in float64, so that the comparison sees formulas and not rounding: 1e-9 of the largest
number, or of the data, which are at 1.
"""

import math

import diffusers
import pytest
import torch

from inkbloom.sampling.registry import find_sampler
from inkbloom.sampling.schedules import NoiseSchedule

# Older ways with NumPy inside of diffusers, no concern of ours.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

SHAPE = (1, 2, 3, 3)
SEED = 11
SCHEDULE = NoiseSchedule.scaled_linear()
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
START = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


class Mixture:
    """The exact denoiser of data at -1 and 1 with deviation 1/4 around each."""

    def __call__(self, x, sigma):
        variance = 1 / 16 + sigma**2
        return (x / 16 + sigma**2 * torch.tanh(x / variance)) / variance


class Draws:
    """The draws that a scheduler makes from a generator with this seed."""

    def __init__(self, dtype=torch.float64):
        self.generator, self.dtype = torch.Generator().manual_seed(SEED), dtype

    def normal(self):
        return torch.randn(SHAPE, generator=self.generator, dtype=self.dtype).double()

    def brownian(self, sigma, sigma_next):
        return self.normal()


def eps(x, sigma):
    return (x - Mixture()(x, sigma)) / sigma


def seeded(scheduler):
    """The generator, where this scheduler's `step` takes one."""
    takes = "generator" in scheduler.step.__code__.co_varnames
    return {"generator": torch.Generator().manual_seed(SEED)} if takes else {}


def follow_sigmas(scheduler, count, *, scaled):
    """Run a scheduler that knows sigmas; its samples are `scaled` (x = x0 + sigma * noise) or variance preserving."""
    scheduler.set_timesteps(count)
    sigmas = scheduler.sigmas = scheduler.sigmas.double()
    more = seeded(scheduler)
    x = START * sigmas[0].item() if scaled else START * (sigmas[0] / (1 + sigmas[0] ** 2).sqrt()).item()
    for index, t in enumerate(scheduler.timesteps):
        sigma = sigmas[index].item()
        outer = x if scaled else x * math.sqrt(1 + sigma**2)
        x = scheduler.step(eps(outer, sigma), t, x, **more).prev_sample
    last = sigmas[-1].item()
    return x if scaled else x * math.sqrt(1 + last**2), sigmas


def follow_timesteps(scheduler, count, end, **more):
    """Run a scheduler that looks levels up in alphas_cumprod; `end` is the level where it stops."""
    scheduler.alphas_cumprod = SCHEDULE.alphas_cumprod
    scheduler.alphas, scheduler.betas = SCHEDULE.alphas, SCHEDULE.betas
    if hasattr(scheduler, "final_alpha_cumprod") and scheduler.final_alpha_cumprod < 1:
        scheduler.final_alpha_cumprod = SCHEDULE.alphas_cumprod[0]
    scheduler.set_timesteps(count)
    more |= seeded(scheduler)
    first = SCHEDULE.sigmas[scheduler.timesteps[0]].item()
    x = START * (first / math.sqrt(1 + first**2))
    for t in scheduler.timesteps:
        sigma = SCHEDULE.sigmas[t].item()
        x = scheduler.step(eps(x * math.sqrt(1 + sigma**2), sigma), t, x, **more).prev_sample
    levels = [SCHEDULE.sigmas[t].item() for t in dict.fromkeys(scheduler.timesteps.tolist())]
    return x * math.sqrt(1 + end**2), torch.tensor([*levels, end])


def assert_same(name, expected, sigmas, tolerance=1e-9, draws=None, **options):
    sampler = find_sampler(name)
    noise = {"noise": draws or Draws()} if sampler.stochastic else {}
    result = sampler.function(Mixture(), START * sigmas[0].item(), sigmas, **noise, **options)
    assert expected.isfinite().all()
    assert (result - expected).abs().max() <= tolerance * max(1.0, expected.abs().max())


@pytest.mark.parametrize("count", [1, 2, 7, 20])
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_ddim(count, eta):
    scheduler = diffusers.DDIMScheduler(**BETAS, clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    expected, sigmas = follow_timesteps(scheduler, count, SCHEDULE.sigma_min, eta=eta)
    assert_same("DDIM", expected, sigmas, eta=eta)


@pytest.mark.parametrize("count", [1, 2, 7, 20])
def test_ddpm(count):
    """diffusers' last variance is clamped to 1e-20, ours is 0."""
    scheduler = diffusers.DDPMScheduler(**BETAS, clip_sample=False, steps_offset=1)
    expected, sigmas = follow_timesteps(scheduler, count, 0.0)
    assert_same("DDPM", expected, sigmas)


@pytest.mark.parametrize("count", [2, 3, 7, 20])
def test_plms(count):
    scheduler = diffusers.PNDMScheduler(**BETAS, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1)
    expected, sigmas = follow_timesteps(scheduler, count, SCHEDULE.sigma_min)
    assert_same("PLMS", expected, sigmas)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_lcm(count):
    """Within 1e-4: diffusers applies the boundary scalings, which are that close to 0 and 1."""
    scheduler = diffusers.LCMScheduler(**BETAS, clip_sample=False)
    expected, sigmas = follow_timesteps(scheduler, count, 0.0)
    assert_same("LCM", expected, sigmas, tolerance=1e-4)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0])
def test_tcd(count, gamma):
    scheduler = diffusers.TCDScheduler(**BETAS, clip_sample=False)
    expected, sigmas = follow_timesteps(scheduler, count, SCHEDULE.sigma_min, eta=gamma)
    assert_same("TCD", expected, sigmas, gamma=gamma)


@pytest.mark.parametrize("count", [1, 2, 7, 20])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("Euler", diffusers.EulerDiscreteScheduler), ("Euler a", diffusers.EulerAncestralDiscreteScheduler)],
)
def test_euler(name, kind, count):
    """Within 1e-5: these two turn the sample into float32 for the step."""
    assert_same(name, *follow_sigmas(kind(**BETAS), count, scaled=True), tolerance=1e-5)


@pytest.mark.parametrize("count", [2, 7, 20])
@pytest.mark.parametrize(
    ("name", "kind", "tolerance"),
    [
        ("Heun", diffusers.HeunDiscreteScheduler, 1e-9),
        ("DPM2", diffusers.KDPM2DiscreteScheduler, 1e-5),
        ("DPM2 a", diffusers.KDPM2AncestralDiscreteScheduler, 1e-5),
    ],
)
def test_two_stages(name, kind, tolerance, count):
    """These schedulers list each level twice. Within 1e-5 for DPM2, whose middle levels come from float32 sigmas."""
    if name == "DPM2 a" and count == 2:
        pytest.skip("diffusers' sigma_down, a difference of squares in float32, is 0.7 % off in so long a step")
    scheduler = kind(**BETAS)
    scheduler.set_timesteps(count)
    for levels in ("sigmas", "sigmas_interpol", "sigmas_up", "sigmas_down"):
        if hasattr(scheduler, levels):
            setattr(scheduler, levels, getattr(scheduler, levels).double())
    middle = {
        "Heun": scheduler.sigmas,
        "DPM2": getattr(scheduler, "sigmas_interpol", None),
        "DPM2 a": getattr(scheduler, "sigmas_interpol", scheduler.sigmas).roll(1),
    }[name]
    more = seeded(scheduler)
    x = START * scheduler.sigmas[0].item()
    for index, t in enumerate(scheduler.timesteps):
        sigma = (middle if index % 2 == 1 else scheduler.sigmas)[index].item()
        x = scheduler.step(eps(x, sigma), t, x, **more).prev_sample
    assert_same(name, x, scheduler.sigmas.unique_consecutive(), tolerance=tolerance)


@pytest.mark.parametrize("count", [1, 2, 7, 20])
@pytest.mark.parametrize(
    ("name", "algorithm", "order", "solver_type", "options"),
    [
        ("DPM++ 2M", "dpmsolver++", 2, "midpoint", {}),
        ("DPM++ 2M SDE", "dpmsolver++", 2, "midpoint", {"eta": 0.0}),
        ("DPM++ 2M SDE", "sde-dpmsolver++", 2, "midpoint", {}),
        ("DPM++ 2M SDE Heun", "dpmsolver++", 2, "heun", {"eta": 0.0}),
        ("DPM++ 2M SDE Heun", "sde-dpmsolver++", 2, "heun", {}),
        ("DPM++ 3M SDE", "dpmsolver++", 3, "heun", {"eta": 0.0}),
    ],
)
def test_dpm_solver_pp(name, algorithm, order, solver_type, options, count):
    """Within 1e-5: this scheduler, too, steps in float32.

    Of order 3 only the ODE is the same: diffusers' SDE subtracts 1/2 from the weight of D2 where k-diffusion adds it,
    so that the weight does not vanish with the step.
    """
    scheduler = diffusers.DPMSolverMultistepScheduler(
        **BETAS, algorithm_type=algorithm, solver_order=order, solver_type=solver_type, lower_order_final=False
    )
    expected, sigmas = follow_sigmas(scheduler, count, scaled=False)
    assert_same(name, expected, sigmas, tolerance=1e-5, draws=Draws(dtype=torch.float32), **options)


@pytest.mark.parametrize("count", [2, 7, 20])
def test_dpm_solver_of_compvis(count):
    scheduler = diffusers.DPMSolverMultistepScheduler(**BETAS, final_sigmas_type="sigma_min")
    assert_same("DPM-Solver", *follow_sigmas(scheduler, count, scaled=False), tolerance=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(("variant", "end"), [("bh1", "sigma_min"), ("bh2", "sigma_min"), ("bh2", "zero")])
def test_unipc(variant, end, order, count):
    """ "bh1" to 0 is left out: diffusers answers with NaN there."""
    scheduler = diffusers.UniPCMultistepScheduler(
        **BETAS, solver_type=variant, solver_order=order, final_sigmas_type=end, timestep_spacing="leading"
    )
    expected, sigmas = follow_sigmas(scheduler, count, scaled=False)
    assert_same("UniPC", expected, sigmas, order=order, variant=variant)


@pytest.mark.parametrize("count", [2, 3, 7, 20])
def test_deis(count):
    scheduler = diffusers.DEISMultistepScheduler(**BETAS, solver_order=3, timestep_spacing="leading")
    assert_same("DEIS", *follow_sigmas(scheduler, count, scaled=False))
