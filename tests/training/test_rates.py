"""Schedules against diffusers' and transformers' own, to 1e-7 of the peak."""

from typing import Any

import pytest
import torch
from diffusers.optimization import get_scheduler
from torch import nn
from transformers import optimization as transformers

from inkbloom.core.errors import TrainingError
from inkbloom.training.rates import LearningRate, ScheduledRate

TOTAL = 40
PEAK = 3e-4


def factors(scheduler: Any) -> list[float]:
    return [scheduler.lr_lambdas[0](step) for step in range(TOTAL)]


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=PEAK)


def ours(**settings: Any) -> list[float]:
    rate = ScheduledRate(peak=PEAK, total_steps=TOTAL, **settings)
    return [rate.at(step, step / TOTAL) / PEAK for step in range(TOTAL)]


@pytest.mark.parametrize("warmup", [0, 7])
@pytest.mark.parametrize(
    "name", ["constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"]
)
def test_schedules_are_those_of_diffusers(name: Any, warmup: int) -> None:
    theirs = get_scheduler(name, optimizer(), num_warmup_steps=warmup, num_training_steps=TOTAL, power=2.0)
    # The polynomial of diffusers ends at a rate of 1e-7.
    floor = 1e-7 / PEAK if name == "polynomial" else 0.0
    assert ours(schedule=name, warmup_steps=warmup, power=2.0, floor=floor) == pytest.approx(factors(theirs), abs=1e-7)


def test_restarts_and_rules_are_those_of_diffusers() -> None:
    theirs = get_scheduler(
        "cosine_with_restarts", optimizer(), num_warmup_steps=4, num_training_steps=TOTAL, num_cycles=3
    )
    assert ours(schedule="cosine_with_restarts", warmup_steps=4, cycles=3) == pytest.approx(factors(theirs), abs=1e-7)
    rules = "1:10,0.1:20,0.01:30,0.005"
    theirs = get_scheduler("piecewise_constant", optimizer(), step_rules=rules)
    assert ours(schedule="piecewise", rules=rules) == factors(theirs)
    assert ours(schedule="piecewise", rules="0.1 : 20, 1:10, 0.01:30, 0.005") == factors(theirs)


@pytest.mark.parametrize("floor", [0.0, 0.2])
def test_the_others_are_those_of_transformers(floor: float) -> None:
    theirs = transformers.get_wsd_schedule(
        optimizer(), num_warmup_steps=5, num_decay_steps=8, num_training_steps=TOTAL, min_lr_ratio=floor
    )
    wsd = ours(schedule="warmup_stable_decay", warmup_steps=5, decay_part=0.2, floor=floor)
    assert wsd[5:] == pytest.approx(factors(theirs)[5:], abs=1e-7)  # their warm-up begins at the floor
    theirs = transformers.get_cosine_with_min_lr_schedule_with_warmup(optimizer(), 5, TOTAL, min_lr_rate=floor)
    cosine = ours(schedule="cosine", warmup_steps=5, floor=floor)
    assert cosine == pytest.approx(factors(theirs), abs=1e-7)
    for warmup in (0, 9):
        theirs = transformers.get_inverse_sqrt_schedule(optimizer(), warmup)
        assert ours(schedule="inverse_sqrt", warmup_steps=warmup) == pytest.approx(factors(theirs), abs=1e-7)


@pytest.mark.parametrize("name", ["linear", "cosine", "cosine_with_restarts", "polynomial", "warmup_stable_decay"])
def test_by_the_clock_decays_follow_the_part_of_its_time(name: Any) -> None:
    by_steps = ScheduledRate(peak=PEAK, schedule=name, total_steps=TOTAL)
    by_clock = ScheduledRate(peak=PEAK, schedule=name)
    for step in range(TOTAL + 1):
        assert by_clock.at(999, step / TOTAL) == pytest.approx(by_steps.at(step, 0.0))
    assert by_clock.at(999, 1.0) == pytest.approx(0.0)


def test_the_starters_rate_warms_up_stays_and_decays() -> None:
    rate = LearningRate(peak=1.0, warmup_steps=4, decay_from=0.5, floor=0.1)
    assert [rate.at(step, 0.0) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rate.at(9, 0.5) == 1.0
    assert rate.at(9, 0.75) == pytest.approx(0.5)
    assert rate.at(9, 1.0) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "cosin"}, r'^Unknown schedule "cosin"\. Did you mean "cosine"'),
        ({"warmup_steps": -1}, r"^warmup_steps is -1; it must be at least 0\.$"),
        ({"cycles": 0}, r"^schedule_cycles is 0; it must be above 0\.$"),
        ({"power": 0.0}, r"^schedule_power is 0\.0; it must be above 0\.$"),
        ({"floor": 1.5}, r"^rate_floor is 1\.5; it must be from 0 to 1\.$"),
        ({"decay_part": 0.0}, r"^decay_part is 0\.0; it must be above 0 and at most 1\.$"),
        ({"schedule": "piecewise"}, r'^rate_rules is ""; it must be like "1:1000, 0\.1:2000, 0\.01"'),
        ({"schedule": "piecewise", "rules": "1:ten,0.1"}, r'^rate_rules is "1:ten,0\.1"; it must be like'),
        ({"rules": "1:10,0.1"}, r'^rate_rules is "1:10,0\.1", but the schedule is "constant", not piecewise\.$'),
    ],
)
def test_what_cannot_be_followed_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        ScheduledRate(peak=1.0, **settings)
