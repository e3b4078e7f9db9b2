"""The average against its formula, and what it does to a module."""

import pytest
import torch
from torch import nn

from inkbloom.training.ema import Ema, averaged


def test_the_formula() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    ema = Ema(model, decay=0.5)
    expected = 1.0
    for n, value in enumerate((2.0, 3.0, 5.0, 8.0)):
        nn.init.constant_(model.weight, value)
        ema.update(model)
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
    assert ema.average["weight"].item() == pytest.approx(expected, rel=1e-6)
    with averaged(model, ema):
        assert model.weight.item() == pytest.approx(expected, rel=1e-6)
    assert model.weight.item() == 8.0


def test_it_is_float32_whatever_the_weights_are() -> None:
    model = nn.Linear(4, 4, dtype=torch.bfloat16)
    ema = Ema(model, decay=0.999)
    ema.update(model)
    assert {average.dtype for average in ema.average.values()} == {torch.float32}
    ema.copy_to(model)
    assert model.weight.dtype == torch.bfloat16


def test_without_a_copy_it_is_the_weights_themselves() -> None:
    model = nn.Linear(4, 4)
    ema = Ema(model, decay=0.0, copy=False)
    nn.init.constant_(model.weight, 3.0)
    ema.update(model)
    assert ema.average["weight"].data_ptr() == model.weight.data_ptr()
    with averaged(model, ema):
        assert (model.weight == 3.0).all()
    assert (model.weight == 3.0).all()


def test_something_else_can_be_averaged_than_the_parameters() -> None:
    model = nn.Linear(4, 4)
    ema = Ema(model, decay=0.0)
    ema.update(model, lambda parameter: parameter * 2)
    assert torch.equal(ema.average["weight"], model.weight * 2)


def test_its_state_comes_back() -> None:
    model, other = nn.Linear(4, 4), nn.Linear(4, 4)
    ema, again = Ema(model, decay=0.9), Ema(other, decay=0.9)
    ema.update(model)
    again.load_state_dict(ema.state_dict())
    assert again.updates == 1
    assert all(torch.equal(again.average[name], average) for name, average in ema.average.items())
