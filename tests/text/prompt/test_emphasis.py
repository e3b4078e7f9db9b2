"""The emphasis formulas, by numbers worked out by hand."""

import pytest
import torch

from inkbloom.core.errors import RequestError
from inkbloom.text.prompt.emphasis import no_norm, original, toward

Z = torch.tensor([[[1.0, 3.0], [2.0, 2.0]]])
WEIGHTS = torch.tensor([[2.0, 1.0]])


def test_no_norm():
    assert no_norm(Z, WEIGHTS).tolist() == [[[2, 6], [2, 2]]]


def test_original_restores_the_mean():
    # mean 2 before, (2 + 6 + 2 + 2) / 4 = 3 after: times 2/3
    assert original(Z, WEIGHTS).flatten().tolist() == pytest.approx([4 / 3, 4, 4 / 3, 4 / 3], rel=1e-6)
    assert torch.equal(original(Z, torch.ones(1, 2)), Z)


def test_original_takes_the_mean_over_all_texts():
    z = torch.cat([Z, 2 * Z])
    weights = torch.tensor([[2.0, 1.0], [1.0, 1.0]])
    # mean (2 + 4) / 2 = 3 before, (3 + 4) / 2 = 3.5 after
    assert original(z, weights)[1].flatten().tolist() == pytest.approx([12 / 7, 36 / 7, 24 / 7, 24 / 7], rel=1e-6)


def test_counts_are_the_same_as_repeated_rows():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2, 5, 3, generator=generator) + 1
    weights = torch.rand(2, 5, generator=generator) + 0.5
    repeated = original(z[[0, 1, 1, 1]], weights[[0, 1, 1, 1]])
    torch.testing.assert_close(original(z, weights, torch.tensor([1.0, 3.0])), repeated[:2], rtol=1e-5, atol=1e-6)


def test_a_mean_of_0_without_weights_stays():
    z = torch.tensor([[[-1.0, 1.0], [2.0, -2.0]]])
    assert torch.equal(original(z, torch.ones(1, 2)), z)


def test_a_mean_of_0_cannot_be_restored():
    with pytest.raises(RequestError, match=r'^Emphasis "Original" cannot restore the mean.*Use "No norm"'):
        original(Z, torch.zeros(1, 2))


def test_toward_the_empty_prompt():
    empty = torch.tensor([[[0.0, 1.0], [5.0, 5.0]]])
    assert toward(Z, WEIGHTS, empty).tolist() == [[[2, 5], [2, 2]]]
    assert torch.equal(toward(Z, torch.ones(1, 2), empty / 3), Z)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_precision_stays_and_inputs_too(dtype):
    z = Z.to(dtype)
    before = z.clone()
    for weighted in (no_norm(z, WEIGHTS), original(z, WEIGHTS), toward(z, WEIGHTS, z)):
        assert weighted.dtype == dtype
    assert torch.equal(z, before)
