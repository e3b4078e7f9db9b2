import math

import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

from inkbloom.core.errors import RequestError
from inkbloom.sampling.guidance import ClassifierFreeGuidance, Composition
from inkbloom.sampling.prediction import ModelDenoiser, Prediction, to_denoised
from inkbloom.sampling.schedules import NoiseSchedule

SCHEDULE = NoiseSchedule.scaled_linear()
X = torch.randn((2, 4, 6, 5), generator=torch.Generator().manual_seed(0)) * 2
COND, UNCOND = torch.full((1, 7, 8), 0.5), torch.full((1, 7, 8), -0.25)


class Always:
    """The same at each call."""

    def __init__(self, *parts: torch.Tensor, weights: tuple[float | torch.Tensor, ...] = (1.0,)) -> None:
        self.composition = Composition(parts, weights)

    def at(self, call: int, /) -> Composition:
        return self.composition


class Counting:
    """At call n a conditioning full of n / 10."""

    def at(self, call: int, /) -> Composition:
        return Composition((torch.full((1, 7, 8), call / 10),))


class Network:
    """A toy network that counts how many conditionings it was asked about, for one picture each."""

    def __init__(self) -> None:
        self.answers = 0

    def __call__(self, x: torch.Tensor, t: torch.Tensor, conditioning: torch.Tensor, /) -> torch.Tensor:
        self.answers += len(x) // len(X)
        strength = conditioning.mean((1, 2))[:, None, None, None]
        return torch.tanh(x * (1 + strength)) + strength * torch.sin(3 * x)


def guide(scale: float, prediction: Prediction = "epsilon", **options) -> tuple[ClassifierFreeGuidance, Network]:
    network = Network()
    batched = options.pop("batched", True)
    model = ModelDenoiser(network, SCHEDULE, prediction, batched=batched)
    options = {"cond": Always(COND), "uncond": Always(UNCOND)} | options
    return ClassifierFreeGuidance(model=model, scale=scale, **options), network


def outputs(sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(unconditional, conditional) answers of the network, asked by hand."""
    x = X / math.sqrt(1 + sigma**2)
    uncond, cond = (Network()(x, torch.zeros(2), one.expand(2, -1, -1)) for one in (UNCOND, COND))
    return uncond, cond


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_guidance_is_its_formula(prediction: Prediction, batched: bool) -> None:
    sigma = 1.7
    denoise, network = guide(7.5, prediction, batched=batched)
    uncond, cond = outputs(sigma)
    expected = to_denoised(prediction, uncond + 7.5 * (cond - uncond), X, sigma)
    torch.testing.assert_close(denoise(X, sigma), expected, rtol=1e-5, atol=1e-5)
    assert network.answers == 2
    # The conversion is affine, so guiding denoised latents is the same
    low, high = (to_denoised(prediction, output, X, sigma) for output in (uncond, cond))
    torch.testing.assert_close(denoise(X, sigma), low + 7.5 * (high - low), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("rescale", [0.3, 1.0])
def test_rescaling_is_that_of_diffusers(prediction: Prediction, rescale: float) -> None:
    sigma = 3.0
    uncond, cond = outputs(sigma)
    theirs = rescale_noise_cfg(uncond + 9 * (cond - uncond), cond, rescale)
    denoise, _ = guide(9, prediction, rescale=rescale)
    torch.testing.assert_close(denoise(X, sigma), to_denoised(prediction, theirs, X, sigma), rtol=1e-5, atol=1e-5)


def test_scale_1_asks_nothing_unconditional() -> None:
    for denoise, network in (guide(1), guide(1, uncond=None), guide(1, rescale=0.7)):
        torch.testing.assert_close(denoise(X, 2.0), to_denoised("epsilon", outputs(2.0)[1], X, 2.0))
        assert network.answers == 1


def test_outside_the_interval_there_is_no_guidance() -> None:
    denoise, network = guide(5, interval=(0.3, 5.0))
    plain, _ = guide(1)
    for sigma, acts in ((0.2, False), (0.3, False), (0.31, True), (5.0, True), (5.1, False)):
        network.answers = 0
        denoised = denoise(X, sigma)
        assert network.answers == (2 if acts else 1)
        assert torch.allclose(denoised, plain(X, sigma)) != acts


@pytest.mark.parametrize(("scale", "interval"), [(5, (0.0, math.inf)), (1, (0.0, math.inf)), (5, (3.0, 4.0))])
def test_both_always_tells_the_unconditional_estimate(scale: float, interval: tuple[float, float]) -> None:
    denoise, network = guide(scale, interval=interval)
    denoised, uncond = denoise.both(X, 2.0)
    assert network.answers == 2
    torch.testing.assert_close(denoised, denoise(X, 2.0), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(uncond, to_denoised("epsilon", outputs(2.0)[0], X, 2.0), rtol=1e-5, atol=1e-5)


PARTS = [torch.full((1, tokens, 8), value) for tokens, value in ((7, 0.5), (14, -0.75), (7, 0.25))]
WEIGHTS = (1.0, 0.5, -0.25)


@pytest.mark.parametrize(("scale", "interval"), [(7.5, (0.0, math.inf)), (1, (0.0, math.inf)), (7.5, (3.0, 4.0))])
def test_weighted_parts_are_their_formula(scale: float, interval: tuple[float, float]) -> None:
    """Liu et al. 2022, Eq. 11, as A1111 sums it, in float64: uncond + sum_i w_i scale (cond_i - uncond)."""
    sigma = 1.7
    x = X / math.sqrt(1 + sigma**2)
    uncond, *conds = (Network()(x, torch.zeros(2), one.expand(2, -1, -1)).double() for one in (UNCOND, *PARTS))
    acting = scale if interval[0] < sigma else 1
    expected = uncond + sum(w * acting * (cond - uncond) for w, cond in zip(WEIGHTS, conds, strict=True))
    denoise, network = guide(scale, cond=Always(*PARTS, weights=WEIGHTS), interval=interval)
    expected = to_denoised("epsilon", expected, X.double(), sigma).float()
    torch.testing.assert_close(denoise(X, sigma), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(denoise.both(X, sigma)[0], expected, rtol=1e-5, atol=1e-5)
    assert network.answers == 8


@pytest.mark.parametrize("scale", [7.5, 1.0])
def test_weights_may_be_maps(scale: float) -> None:
    """Ones are plain weights; complementary halves are each what its part alone is."""
    ones, left = torch.ones(1, 1, 6, 5), torch.zeros(1, 1, 6, 5)
    left[..., :2] = 1
    plain, masked = (guide(scale, cond=Always(*PARTS, weights=w))[0](X, 1.7) for w in (WEIGHTS, _times(ones)))
    torch.testing.assert_close(masked, plain, rtol=0, atol=1e-6)
    halves, _ = guide(scale, cond=Always(*PARTS[::2], weights=(left, 1 - left)))
    first, last = (guide(scale, cond=Always(part))[0](X, 1.7) for part in PARTS[::2])
    torch.testing.assert_close(halves(X, 1.7), torch.where(left > 0, first, last), rtol=0, atol=1e-6)


def _times(mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(weight * mask for weight in WEIGHTS)


def test_one_part_of_weight_1_is_no_composition() -> None:
    """Bit for bit: its weight leaves no rounding behind."""
    x = X / math.sqrt(1 + 1.7**2)
    joined = Network()(
        x.repeat(2, 1, 1, 1), torch.zeros(4), torch.cat([UNCOND.expand(2, -1, -1), COND.expand(2, -1, -1)])
    )
    uncond, cond = joined.chunk(2)
    denoise, _ = guide(7.5)
    assert torch.equal(denoise(X, 1.7), to_denoised("epsilon", uncond + 7.5 * (cond - uncond), X, 1.7))


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_each_call_has_its_own_conditions(scale: float) -> None:
    denoise, _ = guide(scale, cond=Counting(), uncond=Counting())
    for call in range(3):
        plain, _ = guide(1, cond=Always(torch.full((1, 7, 8), call / 10)))
        found = denoise(X, 2.0) if call != 1 else denoise.both(X, 2.0)[0]
        torch.testing.assert_close(found, plain(X, 2.0), rtol=1e-5, atol=1e-5)


def test_every_guidance_counts_for_itself() -> None:
    first, second = (guide(1, cond=Counting())[0] for _ in range(2))
    assert not torch.equal(first(X, 2.0), first(X, 2.0))
    third = first(X, 2.0)
    second(X, 2.0)
    second(X, 2.0)
    assert torch.equal(second(X, 2.0), third)


def test_the_input_is_not_changed() -> None:
    before = X.clone()
    denoise, _ = guide(5, rescale=0.5)
    denoise.both(X, 2.0)
    assert torch.equal(X, before)


@pytest.mark.parametrize(
    ("scale", "options", "message"),
    [
        (math.nan, {}, r"Guidance scale nan cannot be used; it must be a finite number\."),
        (2.0, {"rescale": 1.5}, r"Guidance rescale 1\.5 is out of range; allowed are 0 to 1\."),
        (
            2.0,
            {"interval": (3.0, 3.0)},
            r"Guidance interval 3\.0 to 3\.0 is empty; needed are sigmas with 0 <= low < high",
        ),
        (7.5, {"uncond": None}, r"Guidance scale 7\.5 needs an unconditional conditioning; without one it is 1\."),
    ],
)
def test_bad_requests(scale: float, options: dict, message: str) -> None:
    with pytest.raises(RequestError, match=f"^{message}"):
        guide(scale, **options)


def test_both_and_weighted_parts_need_an_unconditional_conditioning() -> None:
    plain, _ = guide(1, uncond=None)
    weighted, _ = guide(1, uncond=None, cond=Always(COND, weights=(0.5,)))
    for call in (plain.both, weighted):
        with pytest.raises(
            RequestError, match=r"^This sampler or prompt needs an unconditional conditioning, even at guidance scale 1"
        ):
            call(X, 2.0)
