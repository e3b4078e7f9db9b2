"""Budget, learning rate, resume: on the smallest job that has all the parts, a line fitted by AdamW."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from inkbloom.core.errors import TrainingError
from inkbloom.training.ema import Ema, averaged
from inkbloom.training.loop import Budget, LearningRate, run


class LineJob:
    name = "line"

    def __init__(self, *, breaks_at: int | None = None) -> None:
        torch.manual_seed(0)
        self.model = nn.Linear(3, 1)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.0)
        self.ema = Ema(self.model, 0.9)
        self.breaks_at = breaks_at

    def train_step(self, step: int, learning_rate: float) -> dict[str, float]:
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        loss = (self.model(x) - x.sum(dim=1, keepdim=True)).square().mean()
        self.optimizer.param_groups[0]["lr"] = learning_rate
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.ema.update(self.model)
        return {"loss": math.nan if step == self.breaks_at else loss.item()}

    def evaluate(self) -> dict[str, float]:
        return {"measured": 1.0}

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])


RATE = LearningRate(peak=0.05, warmup_steps=5, decay_from=1.0)


def test_a_resumed_run_ends_bit_for_bit_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    whole, first, second = LineJob(), LineJob(), LineJob()
    run(whole, tmp_path / "whole", Budget(steps=40), RATE)
    run(first, tmp_path / "parts", Budget(steps=17), RATE)
    run(second, tmp_path / "parts", Budget(steps=40), RATE)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name])
        assert torch.equal(whole.ema.average[name], second.ema.average[name])
    assert not torch.equal(first.model.weight, whole.model.weight)


def test_a_finished_run_is_only_loaded(tmp_path: Path) -> None:
    first, again = LineJob(), LineJob()
    run(first, tmp_path, Budget(steps=5), RATE)
    run(again, tmp_path, Budget(steps=5), RATE)
    assert torch.equal(first.model.weight, again.model.weight)


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_last_good_state(tmp_path: Path) -> None:
    run(LineJob(), tmp_path, Budget(steps=10), RATE)
    good = (tmp_path / "state.pt").read_bytes()
    with pytest.raises(TrainingError, match=r"^line: the loss became nan at step 12; kept: .*state\.pt$"):
        run(LineJob(breaks_at=12), tmp_path, Budget(steps=20), RATE)
    assert (tmp_path / "state.pt").read_bytes() == good


def test_watchers_and_the_log_are_told_the_same(tmp_path: Path) -> None:
    told = []
    run(LineJob(), tmp_path, Budget(steps=5), RATE, report_every=0.0, evaluate_every=0.0, on_progress=told.append)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == [vars(report) for report in told]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5]
    assert lines[-1]["metrics"]["measured"] == 1.0


def test_budget() -> None:
    assert Budget(steps=10).progress(5, 1e9) == 0.5
    assert Budget(seconds=10.0).progress(10**9, 2.5) == 0.25
    assert Budget(seconds=10.0, steps=4).progress(3, 5.0) == 0.75
    assert Budget(seconds=10.0).progress(0, 99.0) == 1.0
    assert Budget(seconds=10.0, steps=7).part(0.3) == Budget(seconds=3.0, steps=7)
    with pytest.raises(TrainingError, match=r"^A training needs a budget"):
        Budget()


def test_learning_rate_warms_up_stays_and_decays() -> None:
    rate = LearningRate(peak=1.0, warmup_steps=4, decay_from=0.5, floor=0.1)
    assert [rate.at(step, 0.0) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rate.at(9, 0.5) == 1.0
    assert rate.at(9, 0.75) == pytest.approx(0.5)
    assert rate.at(9, 1.0) == pytest.approx(0.1)


def test_ema_against_its_formula() -> None:
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
