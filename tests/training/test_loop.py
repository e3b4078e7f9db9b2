"""Budget, pace, watchers, stops and refusals: on the smallest job that has all the parts."""

import json
import math
import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from inkbloom.core.errors import Stopped, TrainingError
from inkbloom.training.loop import Budget, Every, Job, Pace, Progress, RunSettings, run, stop_on_signals
from inkbloom.training.rates import LearningRate
from inkbloom.training.states import States


class LineJob:
    name = "line"
    examples_per_step = 8

    def __init__(self, *, breaks_at: int | None = None) -> None:
        torch.manual_seed(0)
        self.model = nn.Linear(3, 1)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.0)
        self.breaks_at = breaks_at
        self.evaluated: list[torch.Tensor] = []
        self.is_shown = False

    def train_step(self, step: int, learning_rate: float) -> dict[str, float]:
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        loss = (self.model(x) - x.sum(dim=1, keepdim=True)).square().mean()
        self.optimizer.param_groups[0]["lr"] = learning_rate
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": math.nan if step == self.breaks_at else loss.item()}

    def evaluate(self) -> dict[str, float]:
        self.evaluated.append(self.model.weight.detach().clone())
        return {"measured": 1.0}

    @contextmanager
    def shown(self) -> Any:
        self.is_shown = True
        yield
        self.is_shown = False

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


RATE = LearningRate(peak=0.05, warmup_steps=5, decay_from=1.0)
EACH = Pace(report=Every(steps=1), evaluate=Every(), save=Every())


def steps(folder: Path) -> list[int]:
    return [int(path.stem.removeprefix("state-")) for path in States(folder).paths()]


def test_a_finished_run_is_only_loaded(tmp_path: Path) -> None:
    first, again = LineJob(), LineJob()
    run(first, tmp_path, Budget(steps=5), RATE)
    stamp = States(tmp_path).paths()[-1].stat().st_mtime_ns
    run(again, tmp_path, Budget(steps=5), RATE)
    assert torch.equal(first.model.weight, again.model.weight)
    assert len(first.evaluated) == 1
    assert not again.evaluated
    assert States(tmp_path).paths()[-1].stat().st_mtime_ns == stamp


def test_states_come_by_steps_or_by_the_clock_and_at_the_end(tmp_path: Path) -> None:
    run(LineJob(), tmp_path / "steps", Budget(steps=10), RATE, pace=Pace(save=Every(steps=4)), keep=9)
    assert steps(tmp_path / "steps") == [4, 8, 10]
    run(LineJob(), tmp_path / "clock", Budget(steps=3), RATE, pace=Pace(save=Every(seconds=0.0)), keep=9)
    assert steps(tmp_path / "clock") == [1, 2, 3]
    run(LineJob(), tmp_path / "never", Budget(steps=3), RATE, pace=Pace(save=Every()))
    assert steps(tmp_path / "never") == [3]


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_last_good_state(tmp_path: Path) -> None:
    run(LineJob(), tmp_path, Budget(steps=10), RATE)
    (good,) = States(tmp_path).paths()
    content = good.read_bytes()
    with pytest.raises(TrainingError) as error:
        run(LineJob(breaks_at=12), tmp_path, Budget(steps=20), RATE)
    assert str(error.value) == f"line: the loss became nan at step 12; kept: {good}"
    assert States(tmp_path).paths() == [good]
    assert good.read_bytes() == content


def test_watchers_and_the_log_are_told_the_same(tmp_path: Path) -> None:
    told: list[Progress] = []
    run(LineJob(), tmp_path, Budget(steps=5), RATE, pace=EACH, on_progress=told.append)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == [vars(report) for report in told]
    assert [report.step for report in told] == [1, 2, 3, 4, 5, 5]  # once more after the last evaluation
    assert [report.part for report in told] == [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]
    assert [report.learning_rate for report in told] == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05, 0.05])
    assert told[-1].metrics["measured"] == 1.0
    for report in told:
        assert report.samples_per_second == pytest.approx(8 * report.steps_per_second)
        assert report.seconds_left == pytest.approx((5 - report.step) / report.steps_per_second)


def test_measurements_and_samples_have_their_pace(tmp_path: Path) -> None:
    job, samples, told = LineJob(), [], []

    def on_samples(step: int, given: Job) -> None:
        assert given is job
        assert job.is_shown
        samples.append(step)

    pace = Pace(evaluate=Every(steps=2), samples=Every(steps=3), report=Every())
    run(job, tmp_path, Budget(steps=7), RATE, pace=pace, on_samples=on_samples, on_progress=told.append)
    assert samples == [0, 3, 6]
    assert len(job.evaluated) == 4
    assert [report.step for report in told] == [2, 4, 6, 7]


@pytest.mark.parametrize("how", ["stop", "on_progress", "on_samples", "an interrupt", "a request to end"])
def test_a_stop_keeps_the_state_and_the_same_call_goes_on(tmp_path: Path, how: str) -> None:
    def leave(*_: object) -> None:
        raise Stopped

    def interrupt(progress: Progress) -> None:
        if progress.step == 3:
            os.kill(os.getpid(), signal.SIGTERM if how == "a request to end" else signal.SIGINT)

    options: dict[str, Any] = {
        "stop": {"stop": iter([False, False, False, True]).__next__},
        "on_progress": {"on_progress": lambda progress: leave() if progress.step == 3 else None},
        "on_samples": {"on_samples": lambda step, job: leave() if step == 3 else None},
    }.get(how, {"on_progress": interrupt})
    job, pace = LineJob(), Pace(report=Every(steps=1), samples=Every(steps=3))
    handler = signal.getsignal(signal.SIGINT)
    with stop_on_signals() as stop, pytest.raises(Stopped) as stopped:
        run(job, tmp_path, Budget(steps=20), RATE, pace=pace, **({"stop": stop} | options))
    assert signal.getsignal(signal.SIGINT) is handler
    assert str(stopped.value) == f"line stopped after 3 steps; the same call goes on from {tmp_path}."
    assert steps(tmp_path) == [3]
    assert not job.evaluated
    whole, again = LineJob(), LineJob()
    run(whole, tmp_path / "whole", Budget(steps=20), RATE)
    run(again, tmp_path, Budget(steps=20), RATE)
    assert torch.equal(again.model.weight, whole.model.weight)


def test_another_configuration_is_refused_but_more_steps_are_not(tmp_path: Path) -> None:
    config = {"learning_rate": 1e-4, "rank": 4, "data": (Path("a"),), "steps": 3, "loss": "l2", "seed": 0}
    run(LineJob(), tmp_path, Budget(steps=3), RATE, config=config)
    run(LineJob(), tmp_path, Budget(steps=4), RATE, config={**config, "steps": 4, "keep": 7})
    with pytest.raises(TrainingError) as error:
        run(LineJob(), tmp_path, Budget(steps=9), RATE, config={**config, "rank": 8})
    assert str(error.value) == (
        f"{tmp_path} holds a run of another configuration: rank was 4, is 8. Take another folder, or the old values."
    )
    other = {"learning_rate": 1e-3, "rank": 8, "data": (Path("b"),), "loss": "l1", "seed": 0}
    with pytest.raises(
        TrainingError, match=r"learning_rate was 0\.0001, is 0\.001; .*data was \['a'\].*; and 1 more\."
    ):
        run(LineJob(), tmp_path, Budget(steps=9), RATE, config=other)
    job = LineJob()
    job.name = "curve"
    with pytest.raises(TrainingError, match=r" holds a run of line, not of curve; take another folder\.$"):
        run(job, tmp_path, Budget(steps=9), RATE)
    assert steps(tmp_path) == [3, 4]


def test_a_damaged_state_is_told_of(tmp_path: Path) -> None:
    run(LineJob(), tmp_path, Budget(steps=4), RATE, pace=Pace(save=Every(steps=2)))
    States(tmp_path).paths()[-1].write_bytes(b"nothing")
    warnings: list[str] = []
    again, whole = LineJob(), LineJob()
    run(again, tmp_path, Budget(steps=4), RATE, on_warning=warnings.append)
    run(whole, tmp_path / "whole", Budget(steps=4), RATE)
    assert len(warnings) == 1
    assert torch.equal(again.model.weight, whole.model.weight)


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").mkdir()
    with pytest.raises(TrainingError, match=r"^.* cannot be written \(Is a directory\); no state was saved yet$"):
        run(LineJob(), tmp_path, Budget(steps=3), RATE, pace=EACH)


def test_by_the_clock_time_before_a_resume_counts(tmp_path: Path) -> None:
    class Slow(LineJob):
        def train_step(self, step: int, learning_rate: float) -> dict[str, float]:
            time.sleep(0.01)
            return super().train_step(step, learning_rate)

    run(Slow(), tmp_path, Budget(seconds=0.1), RATE)
    (first,) = steps(tmp_path)
    run(Slow(), tmp_path, Budget(seconds=0.1), RATE)
    assert 1 <= first <= 10
    assert steps(tmp_path) == [first]


def test_budget() -> None:
    assert Budget(steps=10).progress(5, 1e9) == 0.5
    assert Budget(seconds=10.0).progress(10**9, 2.5) == 0.25
    assert Budget(seconds=10.0, steps=4).progress(3, 5.0) == 0.75
    assert Budget(seconds=10.0).progress(0, 99.0) == 1.0
    assert Budget(seconds=10.0, steps=7).part(0.3) == Budget(seconds=3.0, steps=7)
    assert Budget(seconds=10.0).left(5, 4.0, 1.0) == 6.0
    assert Budget(seconds=10.0, steps=7).left(5, 4.0, 2.0) == 1.0
    with pytest.raises(TrainingError, match=r"^A training needs a budget"):
        Budget()


def test_settings_are_a_budget_and_a_pace() -> None:
    assert RunSettings(steps=10, epochs=2.5).budget(3) == Budget(steps=8)
    assert RunSettings(minutes=2.0).budget(3) == Budget(seconds=120.0)
    with pytest.raises(TrainingError, match=r"^A training needs a budget"):
        RunSettings().budget(3)
    pace = RunSettings(save_every=5, save_minutes=None, evaluate_every=7, sample_every=9).pace()
    assert pace == Pace(save=Every(steps=5), evaluate=Every(steps=7), samples=Every(steps=9))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, r"^steps is 0; it must be at least 1\.$"),
        ({"keep": 0}, r"^keep is 0; it must be at least 1\.$"),
        ({"accumulation": -1}, r"^accumulation is -1; it must be at least 1\.$"),
        ({"minutes": 0.0}, r"^minutes is 0\.0; it must be above 0\.$"),
        ({"ema_decay": 1.0}, r"^ema_decay is 1\.0; it must be from 0 to below 1\.$"),
        ({"precision": "bf61"}, r'^Unknown precision "bf61"\. Did you mean "bf16"'),
        ({"strategy": "dp"}, r'^Unknown strategy "dp"\. Did you mean "ddp"'),
        (
            {"precision": "fp16", "strategy": "fsdp"},
            r"^precision fp16 cannot be combined with strategy fsdp; take bf16",
        ),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        RunSettings(**settings)
