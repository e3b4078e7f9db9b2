"""The loop every training shares: budget, learning rate, checkpoints, resume.

A `Job` is what is trained: it makes its batch from (seed, step) alone, so that the step is the whole data cursor.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from inkbloom.core.errors import TrainingError


class Job(Protocol):
    name: str

    def train_step(self, step: int, learning_rate: float) -> dict[str, float]:
        """Do one optimizer step and return what to watch; "loss" is among it."""
        ...

    def evaluate(self) -> dict[str, float]:
        """Measure on data that training never sees, with fixed noise."""
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long to train: by the clock, by steps, or both (what ends first)."""

    seconds: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.seconds is None and self.steps is None:
            raise TrainingError("A training needs a budget: minutes, steps, or both.")

    def part(self, share: float) -> "Budget":
        """`share` (0 to 1) of the time, and all of the steps."""
        return Budget(seconds=None if self.seconds is None else self.seconds * share, steps=self.steps)

    def progress(self, step: int, seconds: float) -> float:
        """The part of the budget used, from 0 to 1; time before a resume counts."""
        used = [0.0]
        if self.seconds is not None:
            used.append(seconds / max(self.seconds, 1e-9))
        if self.steps is not None:
            used.append(step / max(self.steps, 1))
        return min(1.0, max(used))


@dataclass(frozen=True, kw_only=True)
class LearningRate:
    """Linear warm-up over `warmup_steps`, constant, then from `decay_from` (of the budget) linear to `floor` * peak."""

    peak: float
    warmup_steps: int = 200
    decay_from: float = 0.6
    floor: float = 0.02

    def at(self, step: int, progress: float) -> float:
        warmup = min(1.0, (step + 1) / self.warmup_steps)
        decay = 1.0 if progress <= self.decay_from else (1.0 - progress) / (1.0 - self.decay_from)
        return self.peak * warmup * max(decay, self.floor)


@dataclass(frozen=True)
class Progress:
    """What a watcher is told, every few seconds."""

    job: str
    step: int
    seconds: float
    part: float
    """Of the budget, 0 to 1."""
    steps_per_second: float
    metrics: dict[str, float]


def run(
    job: Job,
    folder: Path,
    budget: Budget,
    learning_rate: LearningRate,
    *,
    save_every: float = 120.0,
    evaluate_every: float = 120.0,
    report_every: float = 5.0,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> None:
    """Train `job` until the budget is used up, resuming from `folder` where a run stands there.

    Every `save_every` seconds the whole state goes to `folder/state.pt` (written aside, then renamed); every report to
    `folder/log.jsonl`. A loss that is not finite raises `TrainingError` and leaves the last good state in place.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state_file = folder / "state.pt"
    step, spent = 0, 0.0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True, map_location="cpu")
        job.load_state_dict(state["job"])
        step, spent = state["step"], state["seconds"]

    started = last_report = last_save = last_evaluation = time.monotonic()
    reported_step = step
    mean: dict[str, float] = {}
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        while (part := budget.progress(step, spent + time.monotonic() - started)) < 1.0:
            metrics = job.train_step(step, learning_rate.at(step, part))
            if not all(map(_is_finite, metrics.values())):
                raise TrainingError(f"{job.name}: the loss became {metrics['loss']} at step {step}; kept: {state_file}")
            step += 1
            for key, value in metrics.items():
                mean[key] = value if key not in mean else 0.98 * mean[key] + 0.02 * value

            now = time.monotonic()
            seconds = spent + now - started
            if now - last_report >= report_every:
                rate = (step - reported_step) / (now - last_report)
                if now - last_evaluation >= evaluate_every:
                    mean |= job.evaluate()
                    last_evaluation = time.monotonic()
                report = Progress(job.name, step, seconds, part, rate, dict(mean))
                log.write(json.dumps(report.__dict__) + "\n")
                log.flush()
                on_progress(report)
                last_report, reported_step = time.monotonic(), step
            if now - last_save >= save_every:
                _save(state_file, job, step, seconds)
                last_save = time.monotonic()
    _save(state_file, job, step, spent + time.monotonic() - started)


def _is_finite(value: float) -> bool:
    return value - value == 0.0


def _save(path: Path, job: Job, step: int, seconds: float) -> None:
    aside = path.with_suffix(".tmp")
    torch.save({"job": job.state_dict(), "step": step, "seconds": seconds}, aside)
    os.replace(aside, path)
