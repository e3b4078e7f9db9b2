import threading

import pytest
import torch
from torch import nn

from inkbloom.checkpoints import LoadedModel
from inkbloom.nn.seamless import seamless

AXES = {"x": (3,), "y": (2,), "both": (2, 3)}


@pytest.mark.parametrize("tiling", AXES)
def test_networks_know_no_edge(tiny_model: LoadedModel, tiling) -> None:
    """A latent rolled along the axes gives all rolled; relative error at most 1e-5."""
    torch.manual_seed(0)
    x, context = torch.randn(1, 4, 8, 8), torch.randn(1, 77, 64)
    shifts, dims = [4] * len(AXES[tiling]), AXES[tiling]
    assert tiny_model.unet is not None
    assert tiny_model.autoencoder is not None
    with torch.inference_mode(), seamless(tiling):
        for network, scale in (
            (lambda z: tiny_model.unet(z, torch.tensor([300.0]), context), 1),
            (tiny_model.autoencoder.decode, 8),
        ):
            expected = network(x).roll([scale * shift for shift in shifts], dims)
            found = network(x.roll(shifts, dims))
            assert (found - expected).norm() < 1e-5 * expected.norm()
    with torch.inference_mode():
        plain = tiny_model.autoencoder.decode(x.roll(shifts, dims))
    assert (plain - expected).norm() > 0.01 * expected.norm()


def test_it_is_padding_by_the_other_side() -> None:
    torch.manual_seed(0)
    ours = nn.Conv2d(3, 4, 3, stride=2, padding=1)
    theirs = nn.Conv2d(3, 4, 3, stride=2, padding=1, padding_mode="circular")
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 8, 8)
    before = ours(x)
    with seamless("both"):
        torch.testing.assert_close(ours(x), theirs(x))
    with seamless("none"):
        assert torch.equal(ours(x), before)


def test_errors_and_threads_leave_nothing_behind() -> None:
    conv, x = nn.Conv2d(1, 1, 3, padding=1), torch.randn(1, 1, 4, 4)
    before, elsewhere = conv(x), []

    def fail() -> None:
        with seamless("both"):
            assert not torch.equal(conv(x), before)
            thread = threading.Thread(target=lambda: elsewhere.append(conv(x)))
            thread.start()
            thread.join()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.equal(conv(x), before)
    assert torch.equal(elsewhere[0], before)
