"""A run that is killed and goes on ends bit for bit where an uninterrupted one does."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from inkbloom.training.job import TraineeJob
from inkbloom.training.loop import Budget, Every, Pace, run
from inkbloom.training.optimizers import OptimizerSettings
from inkbloom.training.rates import ScheduledRate
from inkbloom.training.states import States

STEPS = 120
PACE = Pace(save=Every(steps=5))
RATE = ScheduledRate(peak=1e-2, schedule="cosine", warmup_steps=5, total_steps=STEPS)


def same(a: Any, b: Any) -> bool:
    """Whether two states are the same to the bit."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(*pair) for pair in zip(a, b, strict=True))
    return a == b


def final(folder: Path) -> dict[str, Any]:
    state = States(folder).load()
    assert state is not None
    assert state["step"] == STEPS
    return state["job"]


def train(make_job: Callable[..., TraineeJob], folder: Path) -> None:
    # Dropout draws from PyTorch's global generator, whatever that was before
    torch.manual_seed(time.monotonic_ns())
    run(make_job(dropout=0.2, accumulation=2), folder, Budget(steps=STEPS), RATE, pace=PACE)


def test_a_killed_run_that_goes_on_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, toy_job: Callable[..., TraineeJob]
) -> None:
    train(toy_job, tmp_path / "whole")
    folder = tmp_path / "killed"
    killed_after: list[str] = []
    while True:
        process = subprocess.Popen([sys.executable, __file__, str(folder)])
        if len(killed_after) < 3:
            # After a state of its own, so that every run gets on
            while process.poll() is None and newest(folder) in ("", *killed_after):
                time.sleep(0.01)
            time.sleep(random.uniform(0.0, 0.2))
            process.kill()
        if process.wait() == 0:
            break
        killed_after.append(newest(folder))
    assert killed_after
    assert same(final(folder), final(tmp_path / "whole")), f"killed after {killed_after}"


def newest(folder: Path) -> str:
    paths = States(folder).paths()
    return paths[-1].name if paths else ""


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        ("adamw", {"precision": "bf16"}),
        ("adamw", {"precision": "fp16"}),
        ("adafactor", {}),
        ("lion", {}),
        ("prodigy", {}),
        ("schedule_free", {}),
        ("sgd", {}),
    ],
)
def test_every_optimizer_and_precision_goes_on_exactly(
    tmp_path: Path, toy_job: Callable[..., TraineeJob], optimizer: Any, settings: dict[str, Any]
) -> None:
    def job() -> TraineeJob:
        return toy_job(
            optimizer=OptimizerSettings(optimizer=optimizer, learning_rate=1e-2), text_rate=1.0, dropout=0.2, **settings
        )

    whole, parts = job(), job()
    run(whole, tmp_path / "whole", Budget(steps=20), RATE)
    run(job(), tmp_path / "parts", Budget(steps=9), RATE)
    run(parts, tmp_path / "parts", Budget(steps=20), RATE)
    assert same(whole.state_dict(), parts.state_dict())


if __name__ == "__main__":
    from conftest import make_toy_job  # a script finds what lies beside it

    train(make_toy_job, Path(sys.argv[1]))
