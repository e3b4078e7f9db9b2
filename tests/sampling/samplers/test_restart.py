import pytest
import torch

from inkbloom.core.rng import ImageNoise
from inkbloom.sampling.samplers.restart import restart


def karras(steps, low=0.0292, high=14.6146):
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    sigmas = (high ** (1 / 7) + ramp * (low ** (1 / 7) - high ** (1 / 7))) ** 7
    return torch.cat([sigmas, torch.zeros(1, dtype=torch.float64)])


def steps_of(count):
    seen = []
    noise = ImageNoise([1], (1, 2, 2))
    x = noise.initial() * 14.6146
    restart(
        lambda x, sigma: x / (1 + sigma**2), x, karras(count), noise=noise, on_step=lambda *now: seen.append(now[0])
    )
    return seen


@pytest.mark.parametrize(("count", "repeats", "length"), [(19, 0, 0), (20, 1, 9), (35, 1, 9), (36, 2, 9), (50, 2, 12)])
def test_repeats_are_part_of_the_steps(count, repeats, length):
    """The main pass is the Karras schedule of what is left; each repeat goes from about 2 to about 0.1."""
    steps = steps_of(count)
    assert len(steps) == count
    starts = [index for index in range(1, count) if steps[index].sigma > steps[index - 1].sigma_next]
    assert len(starts) == repeats
    for start in starts:
        again = steps[start : start + length]
        assert 1 < again[0].sigma < 3
        assert 0.05 < again[-1].sigma_next < 0.2
        assert again[-1].sigma_next == pytest.approx(steps[starts[0] - 1].sigma_next)
    repeated = {index for start in starts for index in range(start, start + length)}
    main = [step.sigma for index, step in enumerate(steps) if index not in repeated] + [0.0]
    assert main == pytest.approx(karras(count - repeats * length).tolist(), rel=1e-12)
