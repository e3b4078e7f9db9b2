"""The loop every training shares: budget, states, watchers, stop and resume.

A `Job` is what is trained: it makes its batch from (seed, step) alone, so that the step is the whole data cursor.
"""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol, get_args

from inkbloom.core.errors import Stopped, TrainingError, nearest
from inkbloom.training.learner import BrokenStepError, Precision
from inkbloom.training.rates import Rate
from inkbloom.training.states import States
from inkbloom.training.world import Strategy, World


class Job(Protocol):
    """What is trained. It may also have `examples_per_step`, and `shown()`, a context in which its networks have the
    weights to be judged by: `on_samples` is called inside."""

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

    def part(self, share: float) -> Budget:
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

    def left(self, step: int, seconds: float, steps_per_second: float) -> float:
        """Seconds to the end, at this speed."""
        by_clock = math.inf if self.seconds is None else self.seconds - seconds
        by_steps = math.inf if self.steps is None else (self.steps - step) / max(steps_per_second, 1e-9)
        return max(0.0, min(by_clock, by_steps))


@dataclass(frozen=True, kw_only=True)
class Every:
    """When to do a thing: at multiples of `steps`, when `seconds` have gone by, at what comes first; or never."""

    steps: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often a run does what is not training."""

    save: Every = Every(seconds=120.0)
    evaluate: Every = Every(seconds=120.0)
    """And at the end."""
    report: Every = Every(seconds=5.0)
    """And after an evaluation."""
    samples: Every = Every()
    """By steps also before the first one."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    steps: int | None = None
    """Optimizer steps in all."""
    epochs: float | None = None
    """Rounds through the data in all."""
    minutes: float | None = None
    """Time in all; what ends first of steps, epochs and minutes ends the run."""
    save_every: int | None = None
    """Steps from one saved state to the next. None: by save_minutes alone."""
    save_minutes: float | None = 5.0
    """Minutes from one saved state to the next. None: by save_every alone."""
    keep: int = 2
    """How many of the last saved states stay."""
    evaluate_every: int | None = None
    """Steps from one held-out measurement to the next. None: at the end alone."""
    sample_every: int | None = None
    """Steps from one grid of sample pictures to the next. None: none."""
    seed: int = 0
    """Of all chance: new weights, order of data, captions, noise."""
    precision: Precision = "fp32"
    """Of the networks' work: fp32, bf16, or fp16 with a scaled loss. Weights that learn stay float32."""
    accumulation: int = 1
    """Micro-batches that a batch is worked off in: less memory, as much time."""
    gradient_checkpointing: bool = False
    """Work activations out again on the way back: much less memory, a third more time."""
    ema_decay: float = 0.999
    """Memory of the weights' moving average, which is what is saved as the result. 0: the last weights."""
    strategy: Strategy = "ddp"
    """With several processes: ddp, each holds everything; fsdp, each holds a part of what learns."""

    def __post_init__(self) -> None:
        for name in ("steps", "save_every", "keep", "evaluate_every", "sample_every", "accumulation"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise TrainingError(f"{name} is {value}; it must be at least 1.")
        for name in ("epochs", "minutes", "save_minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise TrainingError(f"{name} is {value}; it must be above 0.")
        if not 0 <= self.ema_decay < 1:
            raise TrainingError(f"ema_decay is {self.ema_decay}; it must be from 0 to below 1.")
        for name, allowed in (("precision", get_args(Precision)), ("strategy", get_args(Strategy))):
            value = getattr(self, name)
            if value not in allowed:
                raise TrainingError(f'Unknown {name} "{value}".{nearest(value, allowed)}')
        if self.precision == "fp16" and self.strategy == "fsdp":
            raise TrainingError("precision fp16 cannot be combined with strategy fsdp; take bf16, or ddp.")

    def budget(self, steps_per_epoch: int) -> Budget:
        """`TrainingError` where neither steps, epochs nor minutes are said."""
        limits = [self.steps, None if self.epochs is None else math.ceil(self.epochs * steps_per_epoch)]
        steps = min((limit for limit in limits if limit is not None), default=None)
        return Budget(steps=steps, seconds=None if self.minutes is None else self.minutes * 60)

    def pace(self) -> Pace:
        return Pace(
            save=Every(steps=self.save_every, seconds=None if self.save_minutes is None else self.save_minutes * 60),
            evaluate=Every(steps=self.evaluate_every),
            samples=Every(steps=self.sample_every),
        )


MAY_CHANGE = {
    *("steps", "epochs", "minutes", "save_every", "save_minutes", "keep", "evaluate_every", "sample_every"),
    *("accumulation", "gradient_checkpointing", "strategy", "loader_threads", "loader_ahead", "cache_folder"),
    *("output", "name", "result_precision", "as_folder", "lora_spelling", "held_out_timesteps", "bound_timesteps"),
}
"""Fields of a configuration with which a run can go on although they differ: they do not touch what is learned."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a watcher is told, every few seconds."""

    job: str
    step: int
    seconds: float
    part: float
    """Of the budget, 0 to 1."""
    seconds_left: float
    steps_per_second: float
    """Of training alone, without evaluations, samples and saves."""
    samples_per_second: float | None
    """None where the job does not say how many a step has."""
    learning_rate: float
    metrics: dict[str, float]


def run(
    job: Job,
    folder: Path,
    budget: Budget,
    learning_rate: Rate,
    *,
    pace: Pace | None = None,
    keep: int = 2,
    config: Mapping[str, Any] | None = None,
    world: World | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_samples: Callable[[int, Job], None] = lambda step, job: None,
    on_warning: Callable[[str], None] = lambda warning: None,
) -> None:
    """Train `job` until the budget is used up, resuming from `folder` where a run stands there.

    The state goes to `folder/state-*` (see `States`), every report to `folder/log.jsonl`. `config` is the run's
    configuration; one that differs from the state's in more than `MAY_CHANGE` is refused. Callbacks are called between
    steps, in the main process; `Stopped` raised from one, or a `stop()` that says True, saves the state and raises
    `Stopped`. A loss or gradient that is not finite, and a disk that is full, raise `TrainingError` and leave the last
    good state in place.
    """
    world = world or World()
    states = States(folder, keep=keep, world=world)
    training = _Run(
        job=job,
        budget=budget,
        rate=learning_rate,
        pace=pace or Pace(),
        states=states,
        config=None if config is None else json.loads(json.dumps(config, default=str)),
        stop=stop,
        on_progress=on_progress,
        on_samples=on_samples,
    )
    training.resume(on_warning)
    training.go()


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Inside, an interrupt (Ctrl-C) or a request to end only makes the `stop` that this gives say True, for `run`.

    A second one acts as usual. To be used in the main thread.
    """
    asked = False
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: Any) -> None:
        nonlocal asked
        asked = True
        restore()

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    for number in usual:
        signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        restore()


@dataclass(kw_only=True)
class _Run:
    job: Job
    budget: Budget
    rate: Rate
    pace: Pace
    states: States
    config: dict[str, Any] | None
    stop: Callable[[], bool]
    on_progress: Callable[[Progress], None]
    on_samples: Callable[[int, Job], None]

    def resume(self, on_warning: Callable[[str], None]) -> None:
        self.step, self.seconds = 0, 0.0
        state = self.states.load(on_warning)
        if state is not None:
            self._check_same(state)
            self.job.load_state_dict(state["job"])
            self.step, self.seconds = state["step"], state["seconds"]
        self.started = time.monotonic() - self.seconds
        self.stopping = self.asked = False
        self.last = {each.name: self.seconds for each in fields(Pace)}
        self.saved = self.evaluated = self.reported = self.step
        self.training_seconds = self.speed = self.learning_rate = 0.0
        self.mean: dict[str, float] = {}

    def go(self) -> None:
        if self.step == 0 and self.pace.samples.steps is not None:
            self._show_samples()
        while not self._ends():
            self._train()
            self._watch()
        if self.saved < self.step:
            self._save()
        if self.stopping:
            raise Stopped(
                f"{self.job.name} stopped after {self.step} steps; the same call goes on from {self.states.folder}."
            )
        if self.evaluated < self.step:
            self._evaluate()
            self._report()

    def _ends(self) -> bool:
        wanted = self.asked or self.stop()
        wanted, self.seconds = self.states.world.agree(wanted, time.monotonic() - self.started)
        part = self.budget.progress(self.step, self.seconds)
        self.learning_rate = self.rate.at(self.step, part)
        self.stopping = wanted and part < 1.0
        return self.stopping or part >= 1.0

    def _train(self) -> None:
        started = time.monotonic()
        try:
            metrics = self.job.train_step(self.step, self.learning_rate)
            for name, value in metrics.items():
                if not math.isfinite(value):
                    raise BrokenStepError(f"the {name.replace('_', ' ')} became {value}")
        except BrokenStepError as error:
            of = f" of {' and '.join(error.examples)}" if error.examples else ""
            raise TrainingError(f"{self.job.name}: {error}{of} at step {self.step}; {self.states.kept()}") from error
        self.step += 1
        self.training_seconds += time.monotonic() - started
        for key, value in metrics.items():
            self.mean[key] = value if key not in self.mean else 0.98 * self.mean[key] + 0.02 * value

    def _watch(self) -> None:
        if evaluates := self._due("evaluate"):
            self._evaluate()
        if self._due("report") or evaluates:
            self._report()
        if self._due("samples"):
            self._show_samples()
        if self._due("save"):
            self._save()

    def _due(self, what: str) -> bool:
        every: Every = getattr(self.pace, what)
        due = every.steps is not None and self.step % every.steps == 0
        due |= every.seconds is not None and self.seconds - self.last[what] >= every.seconds
        if due:
            self.last[what] = self.seconds
        return due

    def _evaluate(self) -> None:
        self.mean |= self.job.evaluate()
        self.evaluated = self.step

    def _report(self) -> None:
        if self.step > self.reported:
            self.speed = (self.step - self.reported) / max(self.training_seconds, 1e-9)
        self.reported, self.training_seconds = self.step, 0.0
        examples = getattr(self.job, "examples_per_step", None)
        report = Progress(
            job=self.job.name,
            step=self.step,
            seconds=self.seconds,
            part=self.budget.progress(self.step, self.seconds),
            seconds_left=self.budget.left(self.step, self.seconds, self.speed),
            steps_per_second=self.speed,
            samples_per_second=None if examples is None else self.speed * examples,
            learning_rate=self.learning_rate,
            metrics=dict(self.mean),
        )
        if self.states.world.main:
            try:
                with (self.states.folder / "log.jsonl").open("a", encoding="utf-8") as log:
                    log.write(json.dumps(vars(report)) + "\n")
            except OSError as error:
                raise TrainingError(f"{self.states.reason(error)}; {self.states.kept()}") from error
            self._tell(self.on_progress, report)

    def _show_samples(self) -> None:
        shown: Callable[[], AbstractContextManager[None]] = getattr(self.job, "shown", nullcontext)
        with shown():
            if self.states.world.main:
                self._tell(self.on_samples, self.step, self.job)

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        try:
            callback(*arguments)
        except Stopped:
            self.asked = True

    def _save(self) -> None:
        state = {"job": self.job.state_dict(), "name": self.job.name, "step": self.step, "seconds": self.seconds}
        self.states.save(self.step, state | {"config": None if self.config is None else json.dumps(self.config)})
        self.saved = self.step

    def _check_same(self, state: dict[str, Any]) -> None:
        folder = self.states.folder
        if state["name"] != self.job.name:
            raise TrainingError(
                f"{folder} holds a run of {state['name']}, not of {self.job.name}; take another folder."
            )
        if self.config is None or state["config"] is None:
            return
        old, new = json.loads(state["config"]), self.config
        names = [name for name in old | new if name not in MAY_CHANGE and old.get(name) != new.get(name)]
        if names:
            told = "; ".join(f"{name} was {old.get(name)!r}, is {new.get(name)!r}" for name in names[:3])
            more = f"; and {len(names) - 3} more" if len(names) > 3 else ""
            raise TrainingError(
                f"{folder} holds a run of another configuration: {told}{more}. Take another folder, or the old values."
            )
