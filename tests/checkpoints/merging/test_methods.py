"""Each method against its formula, written out by hand in NumPy and float64, and against sd-mecha."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inkbloom.checkpoints.merging.methods import METHODS, Tuning, find_method
from inkbloom.core.errors import RequestError


def tuning(**changes: Any) -> Tuning:
    return Tuning(**{"multiplier": 0.3, "density": 0.2, "drop": 0.9, "seed": 0, "name": "x"} | changes)


@pytest.fixture
def tensors() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(24, 7, 3, 3, generator=generator)
    return [base + 0.3 * torch.randn(base.shape, generator=generator) for _ in range(2)] + [base]


def call(method: str, tensors: list[Tensor], **changes: Any) -> Tensor:
    how = METHODS[method]
    return how.combine(tensors[: how.models], tuning(**{"multiplier": how.multiplier} | changes))


def close(found: Tensor, expected: np.ndarray, atol: float = 1e-6) -> None:
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.double().numpy(), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("m", [0.0, 0.3, 1.0])
def test_two_models(tensors: list[Tensor], m: float) -> None:
    a, b = (t.double().numpy() for t in tensors[:2])
    close(call("weighted-sum", tensors, multiplier=m), a * (1 - m) + b * m)
    length_a, length_b = math.sqrt((a * a).sum()), math.sqrt((b * b).sum())
    angle = math.acos((a * b).sum() / length_a / length_b)
    arc = (
        math.sin((1 - m) * angle) / math.sin(angle) * a / length_a
        + math.sin(m * angle) / math.sin(angle) * b / length_b
    )
    close(call("slerp", tensors, multiplier=m), arc * (length_a * (1 - m) + length_b * m), atol=5e-6)
    columns = (a * b).sum(0) / np.sqrt((a * a).sum(0) * (b * b).sum(0))
    whole = (a * b).sum() / length_a / length_b
    for name, similarity in (("cosine-a", columns), ("cosine-b", (columns + whole) / 2)):
        close(call(name, tensors, multiplier=m), a + (1 - np.clip(similarity - m, 0, 1)) * (b - a), atol=3e-6)


@pytest.mark.parametrize("m", [-0.5, 0.3, 1.0, 2.0])
def test_three_models(tensors: list[Tensor], m: float) -> None:
    a, b, c = (t.double().numpy() for t in tensors)
    close(call("add-difference", tensors, multiplier=m), a + m * (b - c), atol=2e-6)
    kept = round(0.2 * a.size)
    trimmed = []
    for difference in (a - c, b - c):
        smallest_kept = np.sort(np.abs(difference), axis=None)[-kept]
        trimmed.append(np.where(np.abs(difference) >= smallest_kept - 1e-9, difference, 0))
    total = np.sign(trimmed[0] + trimmed[1])
    agreeing = [np.where(np.sign(one) == total, one, 0) for one in trimmed]
    count = sum((np.sign(one) == total) & (one != 0) for one in trimmed)
    mean = np.divide(sum(agreeing), count, out=np.zeros_like(a), where=count > 0)
    close(call("ties", tensors, multiplier=m), c + m * mean, atol=2e-6)


def test_one_model(tensors: list[Tensor]) -> None:
    assert call("no-interpolation", tensors) is tensors[0]


def test_ties_by_hand() -> None:
    """Two differences of four numbers, half of each kept: they agree, disagree, are alone, and were trimmed."""
    base = torch.ones(4)
    a, b = torch.tensor([4.0, 3.0, 0.5, 0.1]), torch.tensor([2.0, -5.0, 0.2, 0.1])
    a_kept = base + torch.tensor([(4.0 + 2.0) / 2, -5.0, 0.0, 0.0])
    found = call("ties", [base + a, base + b, base], density=0.5)
    assert torch.allclose(found, a_kept, atol=1e-6)


@pytest.mark.parametrize("drop", [0.0, 0.5, 0.9])
def test_dare_drops_its_share_and_keeps_the_mean(drop: float) -> None:
    base = torch.zeros(200_000)
    found = call("dare", [base + 1, base, base], multiplier=1.0, drop=drop)
    values = found.unique()
    assert values.tolist() == ([1.0] if drop == 0 else [0.0, pytest.approx(1 / (1 - drop))])
    # The mean of n numbers that are 1 / (1 - p) with the chance 1 - p: within 5 standard deviations of 1
    assert abs(found.mean().item() - 1) <= 5 * math.sqrt(drop / (1 - drop) / len(base)) + 1e-6


def test_dare_without_dropping_is_the_mean(tensors: list[Tensor]) -> None:
    a, b, _ = (t.double().numpy() for t in tensors)
    close(call("dare", tensors, drop=0.0), (a + b) / 2)


def test_dare_depends_on_seed_and_name_alone(tensors: list[Tensor]) -> None:
    first = call("dare", tensors)
    torch.rand(5)
    assert torch.equal(first, call("dare", tensors))
    assert not torch.equal(first, call("dare", tensors, seed=1))
    assert not torch.equal(first, call("dare", tensors, name="y"))


@pytest.mark.parametrize("name", ["slerp", "cosine-a", "cosine-b"])
def test_where_directions_fail(name: str) -> None:
    """Equal, zero, scalar and opposite tensors give numbers, and equal ones themselves."""
    x = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(call(name, [x, x]), x, atol=1e-6)
    for a, b in ((x, 0 * x), (0 * x, x), (x, -x), (torch.tensor(2.0), torch.tensor(3.0))):
        assert call(name, [a, b]).isfinite().all()
    assert torch.equal(call("slerp", [x, 0 * x], multiplier=0.25), 0.75 * x)


def test_unknown_method() -> None:
    with pytest.raises(RequestError, match=r'Unknown merge method "weighted_sum"\. Did you mean "weighted-sum"\?'):
        find_method("weighted_sum")


@pytest.mark.parametrize("m", [0.0, 0.3, 0.9])
def test_against_sd_mecha(tensors: list[Tensor], m: float) -> None:
    from sd_mecha.extensions.builtin.merge_methods import cosine, linear
    from sd_mecha.extensions.builtin.merge_methods import ties as their_ties

    a, b, c = tensors
    alpha = torch.tensor(m)
    keyed = {"key": "x"}
    peers = {
        "weighted-sum": linear.weighted_sum.__wrapped__({"x": a}, {"x": b}, alpha, **keyed),
        "add-difference": linear.add_difference.__wrapped__({"x": a}, {"x": b - c}, alpha, **keyed),
        "slerp": linear.slerp.__wrapped__(a, b, alpha),
        "cosine-a": cosine.add_cosine_a.__wrapped__(a, b, alpha),
        "cosine-b": cosine.add_cosine_b.__wrapped__(a, b, alpha),
    }
    for name, peer in peers.items():
        assert (call(name, tensors, multiplier=m) - peer).abs().max() < 3e-6, name
    # Its trimming keeps a number more than the paper's, so only untrimmed; it elects by sums where asked to
    peer = c + m * their_ties.ties_sum.__wrapped__(a - c, b - c, k=1.0, vote_sgn=True)
    assert (call("ties", tensors, multiplier=m, density=1.0) - peer).abs().max() < 3e-6
