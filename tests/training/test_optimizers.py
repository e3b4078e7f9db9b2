"""Every optimizer by name: that it learns, with a rate for each group, and what is refused."""

import importlib.util
from collections.abc import Callable
from typing import Any, get_args

import pytest
import schedulefree
import torch
from torch import nn

from inkbloom.core.errors import TrainingError
from inkbloom.training.job import TraineeJob
from inkbloom.training.optimizers import Group, OptimizerName, OptimizerSettings, build_optimizer, used_weight

RATES: dict[str, float] = {
    "adamw": 1e-2,
    "adafactor": 0.1,
    "lion": 1e-3,
    "prodigy": 1.0,
    "schedule_free": 3e-2,
    "sgd": 1e-2,
}


def group(name: str = "unet", rate: float = 1.0) -> Group:
    return Group(name=name, parameters=[nn.Parameter(torch.ones(3))], rate=rate)


def test_all_names_are_tested() -> None:
    assert {*RATES, "adamw8bit"} == set(get_args(OptimizerName))


@pytest.mark.parametrize("name", RATES)
def test_each_learns(toy_job: Callable[..., TraineeJob], capfd: pytest.CaptureFixture[str], name: Any) -> None:
    job = toy_job(optimizer=OptimizerSettings(optimizer=name, learning_rate=RATES[name]), text_rate=1.0)
    losses = [job.train_step(step, RATES[name])["loss"] for step in range(100)]
    assert sum(losses[-6:]) < 0.7 * sum(losses[:6])
    assert capfd.readouterr().out == ""


def test_schedule_free_averages_what_its_authors_say(toy_job: Callable[..., TraineeJob]) -> None:
    job = toy_job(optimizer=OptimizerSettings(optimizer="schedule_free", learning_rate=3e-2))
    optimizer: Any = job.learner.optimizer
    assert isinstance(optimizer, schedulefree.AdamWScheduleFree)
    parameter = job.trainee.trained["last"].weight
    assert used_weight(optimizer, parameter) is parameter  # before the first step
    for step in range(5):
        job.train_step(step, 3e-2)
    mine = used_weight(optimizer, parameter).detach().clone()
    optimizer.eval()
    torch.testing.assert_close(mine, parameter.detach(), rtol=0, atol=1e-7)


def test_schedule_free_with_no_average_shows_its_own(toy_job: Callable[..., TraineeJob]) -> None:
    job = toy_job(optimizer=OptimizerSettings(optimizer="schedule_free", learning_rate=3e-2), ema_decay=0.0)
    for step in range(5):
        job.train_step(step, 3e-2)
    parameter = job.trainee.trained["last"].weight
    raw, used = parameter.detach().clone(), used_weight(job.learner.optimizer, parameter).detach().clone()
    assert not torch.equal(raw, used)
    with job.shown():
        assert torch.equal(parameter, used)
    assert torch.equal(parameter, raw)


def test_each_group_has_its_rate() -> None:
    settings = OptimizerSettings(learning_rate=1e-3, text_learning_rate=2e-4)
    optimizer = build_optimizer([group(), group("text", rate=0.5), Group(name="none", parameters=[])], settings)
    assert [(each["name"], each["rate"]) for each in optimizer.param_groups] == [
        ("unet", 1.0),
        ("text", pytest.approx(0.1)),
    ]


def test_settings_reach_the_optimizer() -> None:
    settings = OptimizerSettings(betas=(0.8, 0.95), weight_decay=0.3)
    for name in ("adamw", "lion", "prodigy", "schedule_free"):
        of_name: Any = {"optimizer": name, "betas": settings.betas, "weight_decay": settings.weight_decay}
        (built,) = build_optimizer([group()], OptimizerSettings(**of_name)).param_groups
        assert (built["betas"], built["weight_decay"], built["lr"]) == ((0.8, 0.95), 0.3, 1e-4)
    (sgd,) = build_optimizer([group()], OptimizerSettings(optimizer="sgd", betas=(0.7, 0.0))).param_groups
    assert (sgd["momentum"], sgd["nesterov"]) == (0.7, True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "adam"}, r'^Unknown optimizer "adam"\. Did you mean "adamw"'),
        ({"schedule": "cos"}, r'^Unknown schedule "cos"\.'),
        ({"learning_rate": 0.0}, r"^learning_rate is 0\.0; it must be a number above 0\.$"),
        ({"text_learning_rate": float("nan")}, r"^text_learning_rate is nan; it must be a number above 0\.$"),
        ({"weight_decay": -0.1}, r"^weight_decay is -0\.1; it must be a number from 0 on\.$"),
        ({"max_grad_norm": float("inf")}, r"^max_grad_norm is inf; it must be a number from 0 on\.$"),
        ({"betas": (0.9, 1.0)}, r"^betas is \(0\.9, 1\.0\); it must be two numbers from 0 to below 1\.$"),
        ({"optimizer": "prodigy", "text_learning_rate": 1e-5}, r"^prodigy finds one rate for all; leave text_learn"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        OptimizerSettings(**settings)


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"^There are no parameters to train\.$"):
        build_optimizer([Group(name="unet", parameters=[])], OptimizerSettings())
    with pytest.raises(TrainingError, match=r"^prodigy finds one rate for all, but the groups of this training ask"):
        build_optimizer([group(), group("up", rate=16.0)], OptimizerSettings(optimizer="prodigy"))
    with pytest.raises(TrainingError, match=r"^betas begins with 0; schedule_free needs a first beta above 0\.$"):
        build_optimizer([group()], OptimizerSettings(optimizer="schedule_free", betas=(0.0, 0.9)))


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_a_missing_package_is_named() -> None:
    with pytest.raises(
        TrainingError,
        match=r'^The optimizer "adamw8bit" needs the package bitsandbytes: pip install bitsandbytes$',
    ):
        build_optimizer([group()], OptimizerSettings(optimizer="adamw8bit"))
