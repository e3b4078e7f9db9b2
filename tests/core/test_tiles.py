from itertools import pairwise

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from inkbloom.core.errors import RequestError
from inkbloom.core.tiles import Tiling, bell, blended, even, ramp, starts


@given(st.integers(1, 60), st.integers(2, 12), st.integers(0, 11), st.sampled_from([1, 8]))
def test_windows_cover_all_and_overlap(length: int, size: int, overlap: int, step: int) -> None:
    overlap = min(overlap, size - 1)
    length, size, overlap = length * step, size * step, overlap * step
    found = starts(length, size, overlap, step)
    assert found[0] == 0
    assert found[-1] == max(0, length - size)
    assert all(start % step == 0 for start in found)
    assert all(a + size - b >= overlap - step for a, b in pairwise(found))
    assert all(b <= a + size for a, b in pairwise(found))


@pytest.mark.parametrize("weights", [ramp, even, bell])
@pytest.mark.parametrize("wrap", [(False, False), (True, False), (True, True)])
def test_what_sees_single_places_comes_out_exactly(weights, wrap) -> None:
    x = torch.randn(2, 3, 21, 34)
    tiling = Tiling(size=8, overlap=3, weights=weights, wrap=wrap)
    torch.testing.assert_close(blended(x, lambda window: 2 * window + 1, tiling, at_once=3), 2 * x + 1)


def test_resolution_may_change() -> None:
    x = torch.randn(1, 2, 24, 40)
    tiling = Tiling(size=16, overlap=8, step=8)
    up = blended(x, lambda window: window.repeat_interleave(2, 2).repeat_interleave(2, 3), tiling, up=2)
    torch.testing.assert_close(up, x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    down = blended(x, lambda window: torch.nn.functional.avg_pool2d(window, 8), tiling, down=8)
    torch.testing.assert_close(down, torch.nn.functional.avg_pool2d(x, 8))


def test_windows_that_wrap_see_the_other_side() -> None:
    x = torch.randn(1, 1, 12, 16)

    def smooth(window: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(window, (1, 3), stride=1, padding=(0, 1))

    # Edges of windows are cut off, where the Gaussian counts almost nothing
    tiling = Tiling(size=8, overlap=6, weights=ramp, wrap=(False, True))
    wrapped = torch.nn.functional.avg_pool2d(
        torch.nn.functional.pad(x, (1, 1, 0, 0), mode="circular"), (1, 3), stride=1
    )
    plain = blended(x, smooth, Tiling(size=8, overlap=6, weights=ramp))
    near = blended(x, smooth, tiling)
    assert (near - wrapped)[..., 0].abs().max() < 0.5 * (plain - wrapped)[..., 0].abs().max()


def test_gaussian_has_the_papers_variance() -> None:
    weights = bell(101, 0)
    place = (torch.arange(101) - 50) / 101
    variance = (weights * place.square()).sum() / weights.sum()
    assert abs(variance.item() - 0.01) < 1e-4


def test_overlap_must_be_smaller_than_a_tile() -> None:
    with pytest.raises(RequestError) as caught:
        Tiling(size=64, overlap=64)
    assert str(caught.value) == "Tiles of 64 cannot overlap by 64; allowed are 0 to 63."
