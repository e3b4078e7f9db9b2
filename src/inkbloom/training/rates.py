"""Learning rates: how far each step goes.

A rate is asked `at(step, progress)`: the number of steps done, and the part of the budget used. The usual schedules of
the field are here as *factors* of a peak rate, w being the steps of warm-up and T those of the whole run:

    constant              1
    constant_with_warmup  min(1, step / w), as all below begin
    linear                1 - u                      with u = (step - w) / (T - w), or the part of the clock's time
    cosine                (1 + cos(2 pi c u)) / 2    c cycles; 1/2 goes down once (Loshchilov and Hutter 2017, Eq. 5)
    cosine_with_restarts  (1 + cos(pi (c u mod 1))) / 2
    polynomial            (1 - u)^power
    inverse_sqrt          sqrt(w / step)             (Vaswani et al. 2017, Eq. 3); w is 10,000 without warm-up
    warmup_stable_decay   1, and half a cosine down in the last `decay_part` of the run (Hu et al. 2024, section 4)
    piecewise             what `rate_rules` say: "1:10, 0.1:20, 0.01" is 1 before step 10, 0.1 before 20, then 0.01

Those that go down end at `rate_floor`: factor = floor + (1 - floor) * the above.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from inkbloom.core.errors import TrainingError, nearest

ScheduleName = Literal[
    "constant",
    "constant_with_warmup",
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "inverse_sqrt",
    "warmup_stable_decay",
    "piecewise",
]

_UNWARMED_INVERSE_SQRT = 10_000


class Rate(Protocol):
    def at(self, step: int, progress: float) -> float:
        """The learning rate of step `step` (from 0), when `progress` (0 to 1) of the budget is used."""
        ...


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


@dataclass(frozen=True, kw_only=True)
class ScheduledRate:
    """`peak` times one of the schedules above. `TrainingError` for what cannot be followed."""

    peak: float
    schedule: ScheduleName = "constant"
    warmup_steps: int = 0
    total_steps: int | None = None
    """None where only the clock ends the run: decays then follow the part of its time, and reach their end with it."""
    cycles: float | None = None
    """None: half a cycle of a cosine, or one without restarts."""
    power: float = 1.0
    floor: float = 0.0
    decay_part: float = 0.1
    rules: str = ""

    def __post_init__(self) -> None:
        if self.schedule not in get_args(ScheduleName):
            near = nearest(self.schedule, get_args(ScheduleName))
            raise TrainingError(f'Unknown schedule "{self.schedule}".{near}')
        if self.warmup_steps < 0:
            raise TrainingError(f"warmup_steps is {self.warmup_steps}; it must be at least 0.")
        if self.cycles is not None and not self.cycles > 0:
            raise TrainingError(f"schedule_cycles is {self.cycles}; it must be above 0.")
        if not self.power > 0:
            raise TrainingError(f"schedule_power is {self.power}; it must be above 0.")
        if not 0 <= self.floor <= 1:
            raise TrainingError(f"rate_floor is {self.floor}; it must be from 0 to 1.")
        if not 0 < self.decay_part <= 1:
            raise TrainingError(f"decay_part is {self.decay_part}; it must be above 0 and at most 1.")
        if self.schedule == "piecewise":
            _parse_rules(self.rules)
        elif self.rules:
            raise TrainingError(f'rate_rules is "{self.rules}", but the schedule is "{self.schedule}", not piecewise.')

    def at(self, step: int, progress: float) -> float:
        return self.peak * self._factor(step, progress)

    def _factor(self, step: int, progress: float) -> float:
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "piecewise":
            rules, last = _parse_rules(self.rules)
            return next((factor for end, factor in rules if step < end), last)
        if step < self.warmup_steps:
            return step / self.warmup_steps
        if self.schedule == "constant_with_warmup":
            return 1.0
        if self.schedule == "inverse_sqrt":
            scale = self.warmup_steps or _UNWARMED_INVERSE_SQRT
            return math.sqrt(scale / (step - self.warmup_steps + scale))
        return self.floor + (1.0 - self.floor) * self._decay(step, progress)

    def _decay(self, step: int, progress: float) -> float:
        """From 1 after the warm-up to 0 at the end."""
        used = whole = progress
        if self.total_steps is not None:
            used = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
            whole = step / self.total_steps
        if self.schedule == "cosine":
            cycles = 0.5 if self.cycles is None else self.cycles
            return 0.5 * (1.0 + math.cos(2.0 * math.pi * cycles * used))
        if used >= 1.0:
            return 0.0
        if self.schedule == "cosine_with_restarts":
            return 0.5 * (1.0 + math.cos(math.pi * ((self.cycles or 1.0) * used % 1.0)))
        if self.schedule == "warmup_stable_decay":
            down = max(0.0, (whole - 1.0) / self.decay_part + 1.0)
            return 0.5 * (1.0 + math.cos(math.pi * down))
        return (1.0 - used) ** (self.power if self.schedule == "polynomial" else 1.0)


def _parse_rules(rules: str) -> tuple[list[tuple[int, float]], float]:
    """("ends before step", factor) in rising order, and the factor after them."""
    try:
        *parts, last = rules.split(",")
        pairs = [(int(end), float(factor)) for factor, end in (part.split(":") for part in parts)]
        return sorted(pairs), float(last)
    except ValueError as error:
        raise TrainingError(
            f'rate_rules is "{rules}"; it must be like "1:1000, 0.1:2000, 0.01": factor:step, and a factor at the end.'
        ) from error
