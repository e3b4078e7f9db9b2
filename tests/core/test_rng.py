import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inkbloom.core.errors import RequestError
from inkbloom.core.philox import PhiloxGenerator
from inkbloom.core.rng import ImageNoise, Variation, slerp

SHAPE = (4, 6, 5)
SOURCES = ("cpu", "nv")


def test_a_cpu_stream_is_that_of_one_generator_for_each_seed() -> None:
    noise = ImageNoise([3, 5], SHAPE)
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in (3, 5)]
    expected = [torch.stack([torch.randn(SHAPE, generator=generator) for generator in generators]) for _ in range(3)]
    drawn = [noise.initial(), noise.normal(), noise.normal()]
    for ours, theirs in zip(drawn, expected, strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(noise.initial(), expected[0])


def test_an_nv_stream_is_that_of_philox() -> None:
    noise = ImageNoise([9], SHAPE, source="nv")
    generator = PhiloxGenerator(9)
    assert torch.equal(noise.initial()[0], torch.from_numpy(generator.randn(SHAPE)))
    assert torch.equal(noise.normal()[0], torch.from_numpy(generator.randn(SHAPE)))


def test_draws_do_not_depend_on_asking_for_the_initial_noise() -> None:
    asked = ImageNoise([1], SHAPE)
    asked.initial()
    assert torch.equal(asked.normal(), ImageNoise([1], SHAPE).normal())


@pytest.mark.parametrize("source", SOURCES)
def test_the_seed_delta_reseeds_all_but_the_initial_noise(source) -> None:
    noise = ImageNoise([1, 2**64 - 1], SHAPE, source=source, eta_noise_seed_delta=31337)
    assert torch.equal(noise.initial(), ImageNoise([1, 2**64 - 1], SHAPE, source=source).initial())
    # The first later draw is the very first of the shifted seeds, which wrap around at 2**64
    assert torch.equal(noise.normal(), ImageNoise([31338, 31336], SHAPE, source=source).initial())


@pytest.mark.parametrize("source", SOURCES)
def test_a_picture_does_not_depend_on_its_batch(source) -> None:
    seeds = [11, 12, 13]
    batch = ImageNoise(seeds, SHAPE, source=source)
    alone = [ImageNoise([seed], SHAPE, source=source) for seed in seeds]

    def draw(noise: ImageNoise) -> list[torch.Tensor]:
        path = [noise.brownian(14.6, 5.0), noise.brownian(14.6, 9.0), noise.brownian(5.0, 0.0)]
        return [noise.initial(), noise.normal(), *path, noise.normal()]

    together = draw(batch)
    for i, noise in enumerate(alone):
        for ours, theirs in zip(together, draw(noise), strict=True):
            assert torch.equal(ours[i : i + 1], theirs)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.001, 5000), min_size=3, max_size=8, unique=True))
def test_increments_of_parts_add_up_to_that_of_the_whole(points: list[float]) -> None:
    noise = ImageNoise([0, 1], SHAPE)
    whole = noise.brownian(max(points), 0.0) * math.sqrt(max(points))
    for point in points[:-1]:
        if point < max(points):
            noise.brownian(max(points), point)
    levels = [*sorted(points, reverse=True), 0.0]
    parts = sum(noise.brownian(high, low) * math.sqrt(high - low) for high, low in pairwise(levels))
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-4 * math.sqrt(max(points)))


def test_the_same_questions_get_the_same_path_and_it_is_not_used_up() -> None:
    one, other = ImageNoise([4], SHAPE), ImageNoise([4], SHAPE)
    other.normal()  # the path has streams of its own
    for interval in ((10.0, 3.0), (10.0, 6.0), (6.0, 3.0), (20.0, 10.0)):
        assert torch.equal(one.brownian(*interval), other.brownian(*interval))
    assert torch.equal(one.brownian(10.0, 6.0), other.brownian(10.0, 6.0))
    assert not torch.equal(one.brownian(10.0, 6.0), one.initial())


@pytest.mark.parametrize("source", SOURCES)
def test_increments_are_unit_normal_and_independent_of_each_other(source) -> None:
    noise = ImageNoise([8], (4, 100, 100), source=source)
    # Refined out of order, so that extension and both sides of a bridge are covered
    noise.brownian(9.0, 1.0)
    increments = torch.stack([noise.brownian(9.0, 4.0), noise.brownian(4.0, 1.0), noise.brownian(25.0, 9.0)])
    flat = increments.flatten(1).double()
    count = flat.shape[1]
    assert bool((flat.mean(1).abs() < 5 / math.sqrt(count)).all())
    covariance = flat @ flat.T / count
    assert bool(((covariance - torch.eye(3)).abs() < 5 * math.sqrt(2 / count)).all())


def test_dtype_and_copies() -> None:
    noise = ImageNoise([1], SHAPE, dtype=torch.float64)
    assert noise.initial().dtype == noise.normal().dtype == noise.brownian(2.0, 1.0).dtype == torch.float64
    assert torch.equal(noise.initial(), ImageNoise([1], SHAPE).initial().double())
    for ask in (ImageNoise([1], SHAPE).initial, noise.initial):
        before = ask().clone()
        ask().zero_()
        assert torch.equal(ask(), before)


@pytest.mark.parametrize(
    ("seeds", "options", "message"),
    [
        ([-1], {}, r"Seed -1 is out of range; allowed are 0 to 18446744073709551615\."),
        ([0, 2**64], {}, r"Seed 18446744073709551616 is out of range"),
        ([], {}, r"Noise needs a seed for each picture; none was given\."),
        ([0], {"source": "gpu"}, r'Unknown noise source "gpu"\. Did you mean "cpu"'),
    ],
)
def test_bad_requests(seeds: list[int], options: dict, message: str) -> None:
    with pytest.raises(RequestError, match=f"^{message}"):
        ImageNoise(seeds, SHAPE, **options)


@pytest.mark.parametrize(("sigma", "sigma_next"), [(1.0, 1.0), (1.0, 2.0), (1.0, -0.5), (math.nan, 0.0)])
def test_a_brownian_step_goes_down(sigma: float, sigma_next: float) -> None:
    with pytest.raises(RequestError, match=rf"^No Brownian step from sigma {sigma} to {sigma_next}; it must go down"):
        ImageNoise([0], SHAPE).brownian(sigma, sigma_next)


def peer_slerp(amount: float, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Shoemake's formula by columns of one picture, each column for itself, in float64."""
    result = torch.empty_like(low, dtype=torch.float64)
    for c in range(low.shape[0]):
        for x in range(low.shape[2]):
            a, b = low[c, :, x].double(), high[c, :, x].double()
            omega = math.acos((a / a.norm() @ (b / b.norm())).item())
            parts = math.sin((1 - amount) * omega) * a + math.sin(amount * omega) * b
            result[c, :, x] = parts / math.sin(omega)
    return result


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_a_variation_goes_towards_the_noise_of_its_seed(source, strength: float) -> None:
    """Against the formula in float64: 1e-5."""
    from_seed, to_seed = (ImageNoise([seed], SHAPE, source=source).initial()[0] for seed in (3, 90))
    varied = ImageNoise([3], SHAPE, source=source, variation=Variation(seeds=[90], strength=strength))
    expected = peer_slerp(strength, from_seed, to_seed)
    torch.testing.assert_close(varied.initial()[0].double(), expected, rtol=0, atol=1e-5)
    # Later draws are the seed's own
    assert torch.equal(varied.normal(), ImageNoise([3], SHAPE, source=source).normal())


def test_slerp_of_one_direction_is_straight() -> None:
    a = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(slerp(a, 2 * a, 0.5), 1.5 * a)
    assert torch.equal(slerp(a, -a + 1, 0.0).isfinite(), torch.ones(SHAPE, dtype=torch.bool))


@pytest.mark.parametrize("old", [(4, 3), (8, 9), (10, 3), (6, 5)])
def test_seed_resize_sets_the_noise_of_a_size_into_the_middle(old: tuple[int, int]) -> None:
    noise = ImageNoise([5], SHAPE, resize_from=old).initial()[0]
    whole, small = ImageNoise([5], SHAPE).initial()[0], ImageNoise([5], (4, *old)).initial()[0]
    expected = whole.clone()
    # As A1111: dx, dy from the middle; what lies outside of either is left out
    dy, dx = (SHAPE[1] - old[0]) // 2, (SHAPE[2] - old[1]) // 2
    for y in range(SHAPE[1]):
        for x in range(SHAPE[2]):
            inner = y - dy, x - dx
            if all(0 <= place < side for place, side in zip(inner, old, strict=True)):
                expected[:, y, x] = small[:, inner[0], inner[1]]
    assert torch.equal(noise, expected)


def test_given_noise_is_every_pictures() -> None:
    given_noise = torch.randn(1, *SHAPE)
    noise = ImageNoise([1, 2], SHAPE, initial=given_noise)
    assert torch.equal(noise.initial(), given_noise.expand(2, -1, -1, -1))
    assert torch.equal(noise.normal(), ImageNoise([1, 2], SHAPE).normal())
