"""What holds for each registered sampler; a new one is tested by existing."""

import inspect
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from inkbloom.core.errors import RequestError, Stopped
from inkbloom.core.rng import ImageNoise
from inkbloom.sampling.registry import all_samplers

SAMPLERS = all_samplers()
SHAPE = (2, 3, 5)  # odd, so that vectorised loops have tails

every = pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.name)


class Mixture:
    """The exact denoiser of data at -1 and 1 with deviation 1/4 around each; counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, x, sigma):
        assert isinstance(sigma, float)
        assert sigma > 0
        self.calls += 1
        variance = 1 / 16 + sigma**2
        return x * (1 / 16 / variance) + torch.tanh(x * (1 / variance)) * (sigma**2 / variance)

    def both(self, x, sigma):
        return self(x, sigma), x * (1 / (1 + sigma**2))


def karras(steps, low=0.0292, high=14.6146, end=(0.0,)):
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    sigmas = (high ** (1 / 7) + ramp * (low ** (1 / 7) - high ** (1 / 7))) ** 7
    return torch.cat([sigmas, torch.tensor(end, dtype=torch.float64)])


def run(sampler, sigmas, *, seeds=(7,), dtype=torch.float32, denoise=None, **more):
    noise = ImageNoise(list(seeds), SHAPE, dtype=dtype)
    x = noise.initial() * sigmas[0].item()
    if sampler.stochastic:
        more["noise"] = noise
    return sampler.function(denoise or Mixture(), x, sigmas, **more)


@every
def test_registration_agrees_with_the_function(sampler):
    parameters = inspect.signature(sampler.function).parameters
    assert sampler.stochastic == ("noise" in parameters)
    assert "on_step" in parameters
    assert sampler.order in (1, 2, 3, 4)


def test_the_order_is_a1111s_then_ours():
    assert [sampler.name for sampler in SAMPLERS] == [
        "DPM++ 2M",
        "DPM++ SDE",
        "DPM++ 2M SDE",
        "DPM++ 2M SDE Heun",
        "DPM++ 2S a",
        "DPM++ 3M SDE",
        "Euler a",
        "Euler",
        "LMS",
        "Heun",
        "DPM2",
        "DPM2 a",
        "DPM fast",
        "DPM adaptive",
        "Restart",
        "DDIM",
        "DDIM CFG++",
        "PLMS",
        "UniPC",
        "LCM",
        "TCD",
        "DDPM",
        "DPM-Solver",
        "DEIS",
    ]


@every
@pytest.mark.parametrize("steps", [1, 2, 3, 12])
@pytest.mark.parametrize("end", [(0.0,), (0.01,)], ids=["to 0", "to 0.01"])
def test_few_steps_end_near_the_data(sampler, steps, end):
    """All results are numbers, and with 12 steps they lie at -1 or 1, the deviation being 1/4."""
    result = run(sampler, karras(steps, end=end))
    assert result.isfinite().all()
    assert result.shape == (1, *SHAPE)
    if steps == 12 and sampler.name not in ("LCM", "TCD"):
        assert 0.5 < result.abs().mean() < 1.5
        assert result.abs().max() < 3


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_keeps_the_dtype(sampler, dtype):
    assert run(sampler, karras(4), dtype=dtype).dtype == dtype


@every
def test_single_and_double_precision_agree(sampler):
    """float32 has 1e-7 of its largest number, 15; a few steps multiply that."""
    single = run(sampler, karras(6))
    double = run(sampler, karras(6), dtype=torch.float64)
    assert (single - double).abs().max() < 2e-4


@every
@pytest.mark.parametrize("steps", [1, 2, 24])
def test_a_sigma_of_zero_terminal_snr(sampler, steps):
    """sigma_max = 4518: nothing overflows, and 24 steps still find the data."""
    result = run(sampler, karras(steps, high=4518.7))
    assert result.isfinite().all()
    if steps == 24 and sampler.name not in ("LCM", "TCD"):
        assert 0.5 < result.abs().mean() < 1.5


@every
def test_inputs_stay_as_they_were(sampler):
    sigmas, noise = karras(6), ImageNoise([7], SHAPE)
    x = noise.initial() * 14.6146
    before = sigmas.clone(), x.clone()
    sampler.function(Mixture(), x, sigmas, **({"noise": noise} if sampler.stochastic else {}))
    assert torch.equal(sigmas, before[0])
    assert torch.equal(x, before[1])


@every
def test_eight_threads_give_one_result(sampler):
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: run(sampler, karras(8)), range(8)))
    assert all(torch.equal(result, results[0]) for result in results)


@every
def test_a_picture_does_not_depend_on_its_batch(sampler):
    seeds = (3, 1, 4)
    if sampler.calls_per_step == 0:
        with pytest.raises(RequestError, match=r"one picture; it got a batch of 3, use 1\."):
            run(sampler, karras(8), seeds=seeds)
        return
    together = run(sampler, karras(8), seeds=seeds)
    for index, seed in enumerate(seeds):
        assert torch.equal(together[index : index + 1], run(sampler, karras(8), seeds=(seed,)))


@every
def test_on_step_sees_each_step_and_the_result(sampler):
    seen = []
    result = run(sampler, karras(8), on_step=lambda step, x, denoised: seen.append((step, x, denoised)))
    assert [step.index for step, *_ in seen] == list(range(len(seen)))
    assert all(step.sigma > step.sigma_next for step, *_ in seen)
    assert all(denoised.shape == x.shape for _, x, denoised in seen)
    assert torch.equal(seen[-1][1], result)
    if not sampler.name.startswith("DPM "):
        assert len(seen) == 8


@every
def test_stops_when_asked(sampler):
    seen = []

    def stop(step, x, denoised):
        seen.append(step)
        if step.index == 1:
            raise Stopped

    with pytest.raises(Stopped):
        run(sampler, karras(8), on_step=stop)
    assert len(seen) == 2


@every
def test_calls_of_the_model(sampler):
    """`calls_per_step` for each step but the last, which takes one; DPM fast counts calls, PLMS starts with two."""
    denoise = Mixture()
    run(sampler, karras(8), denoise=denoise)
    match sampler.name:
        case "DPM adaptive":
            assert denoise.calls % 3 == 0
        case "DPM fast":
            assert denoise.calls == 8
        case "PLMS":
            assert denoise.calls == 9
        case _:
            assert denoise.calls == 7 * sampler.calls_per_step + 1


@every
def test_ends_on_the_last_denoised(sampler):
    """A last sigma of 0 gives what the model said last, bit for bit, but where the reference does otherwise."""
    if sampler.name in ("LMS", "DPM fast", "DPM adaptive"):
        pytest.skip("LMS extrapolates to 0; the DPM ones stop at the smallest positive sigma")
    seen = []
    result = run(sampler, karras(8), on_step=lambda step, x, denoised: seen.append(denoised))
    assert torch.equal(result, seen[-1])


@every
def test_noise_is_asked_for(sampler):
    deterministic = {"Euler", "Heun", "DPM2", "DDIM", "DDIM CFG++", "Restart"}  # Restart: in less than 20 steps
    if not sampler.stochastic or sampler.name in deterministic:
        assert run_without_noise(sampler).isfinite().all()
    else:
        with pytest.raises(RequestError, match=r"noise=None; pass a Noise source\.$"):
            run_without_noise(sampler)


def run_without_noise(sampler):
    return sampler.function(Mixture(), torch.ones(1, *SHAPE), karras(4))
