import pytest
import torch

from inkbloom.training.starter.backgrounds import NUM_VARIATIONS, paint
from inkbloom.training.starter.catalogue import COLORS, PLACE_NAMES

PAINTED = [name for name in PLACE_NAMES if name != "plain"]


def _random(count: int) -> torch.Tensor:
    return torch.rand(count, NUM_VARIATIONS, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("place", PAINTED)
def test_a_place_stays_in_range_and_varies_little(place):
    pictures = paint(place, None, _random(8), 64)
    assert pictures.shape == (8, 3, 64, 64)
    assert 0 <= pictures.min() <= pictures.max() <= 1
    deviation = (pictures - pictures.mean(dim=0)).abs().mean()
    assert 0 < deviation < 0.04


def test_places_look_different():
    means = torch.stack([paint(place, None, _random(8), 64).mean(dim=0) for place in PAINTED])
    for index in range(1, len(means)):
        assert (means[:index] - means[index]).abs().mean(dim=(1, 2, 3)).min() > 0.05, PAINTED[index]


@pytest.mark.parametrize("place", PAINTED)
def test_twice_the_size_shows_the_same_picture(place):
    u = _random(2)
    halved = torch.nn.functional.avg_pool2d(paint(place, None, u, 128), 2)
    assert (halved - paint(place, None, u, 64)).abs().mean() < 0.01


@pytest.mark.parametrize("color", COLORS, ids=lambda color: color.name)
def test_plain_is_one_colour(color):
    picture = paint("plain", color.name, _random(1), 32)
    expected = torch.tensor(color.rgb)[None, :, None, None].expand(1, 3, 32, 32)
    assert torch.equal(picture, expected)
