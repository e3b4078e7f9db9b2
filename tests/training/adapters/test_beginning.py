import pytest
import torch
from peft.tuners.lokr.layer import factorization

from inkbloom.checkpoints.adapters.kinds import Decomposed, Kronecker, tensors_of
from inkbloom.training.adapters import LoraSettings
from inkbloom.training.adapters.beginning import beginning, cuts

SHAPES = [(12, 8), (12, 8, 1, 1), (12, 8, 3, 3), (64, 256)]


def begin(shape: tuple[int, ...], seed: int = 0, **settings: object):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    return weight, beginning(weight, 2, 3.0, LoraSettings(**settings), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["lora", "loha", "lokr"])
@pytest.mark.parametrize("dora", [False, True])
def test_nothing_changes_and_everything_can_learn(shape: tuple[int, ...], kind: str, dora: bool) -> None:
    """Exactly zero (DoRA: 1e-6, it multiplies by a norm and divides by it), and a gradient at the first step."""
    weight, change = begin(shape, adapter_kind=kind, dora=dora)
    assert change.rank == 2 or kind == "lokr"
    assert isinstance(change, Decomposed) == dora
    torch.testing.assert_close(change.delta(weight), torch.zeros(shape), rtol=0, atol=1e-6 if dora else 0)
    tensors = [tensor.requires_grad_() for tensor in tensors_of(change).values()]
    (change.delta(weight) * torch.randn(shape)).sum().backward()
    assert any(tensor.grad is not None and tensor.grad.any() for tensor in tensors)


def test_the_same_seed_the_same_numbers() -> None:
    one, other, third = (tensors_of(begin((12, 8), seed)[1]) for seed in (0, 0, 1))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["down"], third["down"])


@pytest.mark.parametrize("factor", [-1, 2, 4, 7, 16])
def test_cuts_as_lycoris(factor: int) -> None:
    for length in (*range(1, 200), 320, 640, 768, 1280, 3072, 10240):
        assert cuts(length, factor) == tuple(sorted(factorization(length, factor)))


def test_which_factors_of_lokr_are_products() -> None:
    _, large = begin((64, 256), adapter_kind="lokr")  # 8 x 8 and 16 x 16
    assert isinstance(large, Kronecker)
    assert isinstance(large.w1, torch.Tensor)
    assert isinstance(large.w2, tuple)
    _, small = begin((12, 8), adapter_kind="lokr")  # 3 x 2 and 4 x 4, where rank 2 saves nothing
    assert isinstance(small, Kronecker)
    assert isinstance(small.w2, torch.Tensor)
    assert small.rank is None
    _, both = begin((64, 256), adapter_kind="lokr", lokr_decompose_both=True)
    assert isinstance(both, Kronecker)
    assert isinstance(both.w1, tuple)
