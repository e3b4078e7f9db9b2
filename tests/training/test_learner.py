"""A step: sums of micro-batches, rates, clipping, average, precision, and what is not taken."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inkbloom.core.errors import TrainingError
from inkbloom.training.learner import SMALLEST_SCALE, BrokenStepError, Learner


def network() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 2)


def learner(model: nn.Module, **settings: Any) -> Learner:
    return Learner(model, torch.optim.SGD(model.parameters(), lr=0.0), 0.5, **settings)


X = torch.linspace(-1, 1, 24).reshape(6, 4)


def test_micro_batches_add_up_and_are_let_go_one_by_one() -> None:
    whole, parts = network(), network()
    norm = learner(whole).learn(whole(X).square().sum() / 6, 0.1)

    def losses() -> Iterator[Tensor]:
        for i, part in enumerate(X.split(2)):
            assert (parts.weight.grad is None) == (i == 0)
            yield parts(part).square().sum() / 6

    assert learner(parts).learn(losses(), 0.1) == pytest.approx(norm, rel=1e-6)
    torch.testing.assert_close(parts.weight, whole.weight, rtol=0, atol=1e-7)


def test_a_group_has_its_rate_and_long_gradients_are_cut() -> None:
    model = network()
    before = copy.deepcopy(model)
    optimizer = torch.optim.SGD([{"params": [model.weight], "rate": 0.5}, {"params": [model.bias]}], lr=0.0)
    loss = 100 * model(X).sum()
    gradients = torch.autograd.grad(loss, [model.weight, model.bias], retain_graph=True)
    norm = Learner(model, optimizer, 0.5, max_grad_norm=2.0).learn(loss, 0.1)
    length = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
    assert norm == pytest.approx(length, rel=1e-6)
    for rate, name, gradient in zip((0.05, 0.1), ("weight", "bias"), gradients, strict=True):
        moved = before.get_parameter(name) - model.get_parameter(name)
        torch.testing.assert_close(moved, rate * gradient * 2.0 / length, rtol=1e-4, atol=1e-6)


def test_without_a_limit_gradients_are_left_alone() -> None:
    model = network()
    learner(model, max_grad_norm=0.0).learn(100 * model(X).sum(), 1e-3)
    assert model.bias.grad is not None
    assert model.bias.grad.tolist() == [600.0, 600.0]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_changes_nothing(value: float) -> None:
    model = network()
    mine, before = learner(model), copy.deepcopy(model)
    with pytest.raises(BrokenStepError, match=r"^the gradient became nan$"):
        mine.learn(model(X).sum() * value - model(X).sum() * value, 0.1)
    assert torch.equal(model.weight, before.weight)
    assert mine.ema.updates == 0


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", "float32"), ("bf16", "bfloat16"), ("fp16", "float16")])
def test_precision_is_that_of_the_forward_pass(precision: Any, dtype: str) -> None:
    model = network()
    mine = learner(model, precision=precision)
    with mine.autocast():
        assert model(X).dtype == getattr(torch, dtype)
    with pytest.raises(TrainingError, match=r'^Unknown precision "fp8"\. Did you mean "fp32" or "fp16"'):
        learner(model, precision="fp8")


def test_under_float16_a_step_that_overflows_is_skipped_and_the_scale_lowered() -> None:
    model, exact = network(), network()
    mine, reference = learner(model, precision="fp16"), learner(exact)
    before = copy.deepcopy(model.state_dict())

    def loss() -> Tensor:
        with mine.autocast():
            return model(X).float().square().sum()

    norms = []
    while not norms or norms[-1] == 0.0:
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert mine.ema.updates == 0
        norms.append(mine.learn(loss(), 0.1))
    assert len(norms) > 1
    assert mine.scaler.get_scale() == 2.0 ** (17 - len(norms))
    assert norms[-1] == pytest.approx(reference.learn(exact(X).square().sum(), 0.1), rel=1e-2)
    torch.testing.assert_close(model.weight, exact.weight, rtol=1e-2, atol=1e-2)

    # The scale goes on with the run
    again = learner(network(), precision="fp16")
    again.load_state_dict(copy.deepcopy(mine.state_dict()))
    assert again.scaler.state_dict() == mine.scaler.state_dict()


def test_under_float16_a_gradient_beyond_every_scale_is_an_error() -> None:
    model = network()
    mine = learner(model, precision="fp16")
    while mine.scaler.get_scale() > SMALLEST_SCALE:
        assert mine.learn(model(X).sum() * math.inf, 0.1) == 0.0
    with pytest.raises(BrokenStepError, match=r"^the gradient became (nan|inf)$"):
        mine.learn(model(X).sum() * math.inf, 0.1)
