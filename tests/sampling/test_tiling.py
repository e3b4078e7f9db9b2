import pytest
import torch
from torch import Tensor

from inkbloom.nn.seamless import seamless
from inkbloom.sampling.tiling import TiledModel


class Counting:
    """Answers what depends on single places, on t and on the conditioning; and how much it was asked at once."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, x: Tensor, t: Tensor, conditioning: Tensor, steering: object = None, /) -> Tensor:
        self.asked.append(tuple(x.shape))
        return x * conditioning.mean(dim=(1, 2))[:, None, None, None] + t[:, None, None, None]


@pytest.mark.parametrize("method", ["multidiffusion", "mixture"])
def test_windows_add_up_to_the_whole(method) -> None:
    x, t, conditioning = torch.randn(2, 4, 20, 28), torch.tensor([1.0, 2.0]), torch.randn(2, 7, 5)
    network = Counting()
    whole = network(x, t, conditioning)
    model = TiledModel(network=network, size=8, overlap=4, method=method, at_once=3)
    torch.testing.assert_close(model(x, t, conditioning), whole)
    # 4 windows down, 6 across, three at once; the batch of each goes together
    assert network.asked[1:] == [(6, 4, 8, 8)] * 8


def test_multidiffusion_is_the_plain_average() -> None:
    def place(x: Tensor, t: Tensor, conditioning: Tensor, steering: object = None, /) -> Tensor:
        """A ramp over each window, so that windows disagree."""
        return torch.arange(x.shape[3], dtype=x.dtype).expand_as(x)

    x = torch.zeros(1, 1, 4, 6)
    model = TiledModel(network=place, size=4, overlap=2)
    # Windows begin at 0 and 2: Bar-Tal et al. 2023, Eq. 5, by hand
    expected = torch.tensor([0.0, 1.0, (2 + 0) / 2, (3 + 1) / 2, 2.0, 3.0])
    torch.testing.assert_close(model(x, torch.zeros(1), torch.zeros(1, 1, 1))[0, 0, 0], expected)


def test_what_fits_is_asked_once() -> None:
    network = Counting()
    x, t, conditioning = torch.randn(1, 4, 8, 8), torch.ones(1), torch.randn(1, 7, 5)
    model = TiledModel(network=network, size=8, overlap=4)
    torch.testing.assert_close(model(x, t, conditioning), network(x, t, conditioning))
    assert network.asked == [(1, 4, 8, 8)] * 2
    with seamless("x"):
        assert model(x, t, conditioning).shape == x.shape
    assert network.asked[-1] == (3, 4, 8, 8)
