"""Optimizers by name, and the parameter groups they are given.

PyTorch's own are AdamW (Loshchilov and Hutter 2019), Adafactor (Shazeer and Stern 2018) and SGD with Nesterov's
momentum. The others come with the packages of their authors: AdamW with a state of 8 bits (Dettmers et al. 2022), Lion
(Chen et al. 2023), Prodigy (Mishchenko and Defazio 2024), and schedule-free AdamW (Defazio et al. 2024).
"""

from __future__ import annotations

import contextlib
import importlib
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from inkbloom.core.errors import TrainingError, nearest
from inkbloom.training.rates import Rate, ScheduledRate, ScheduleName
from inkbloom.training.world import is_shard

OptimizerName = Literal["adamw", "adamw8bit", "adafactor", "lion", "prodigy", "schedule_free", "sgd"]

TEXT_GROUP = "text"
"""The group that `text_learning_rate` is for."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Parameters with a learning rate of their own."""

    name: str
    parameters: list[nn.Parameter]
    rate: float = 1.0
    """Relative to the run's."""


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    optimizer: OptimizerName = "adamw"
    """How gradients become steps: adamw, adamw8bit (a quarter of its memory; needs bitsandbytes), adafactor (almost
    none), lion (needs lion-pytorch; a third of AdamW's rate), prodigy (needs prodigyopt; finds its rate: set
    learning_rate to 1), schedule_free (needs schedulefree) or sgd."""
    learning_rate: float = 1e-4
    """The largest learning rate."""
    text_learning_rate: float | None = None
    """The same for the text encoder, where that is trained. None: learning_rate."""
    weight_decay: float = 0.01
    """How strongly weights are drawn to zero."""
    betas: tuple[float, float] | None = None
    """Memory of the gradients' mean and of their squares, 0 to below 1; the first is sgd's momentum. None: (0.9, 0.99)
    for lion, (0.9, 0.999) for the others."""
    schedule: ScheduleName = "constant"
    """How the rate goes on: constant, constant_with_warmup, linear, cosine, cosine_with_restarts, polynomial,
    inverse_sqrt, warmup_stable_decay or piecewise."""
    warmup_steps: int = 0
    """Steps in which the rate rises from 0 (all schedules but constant and piecewise)."""
    schedule_cycles: float | None = None
    """Cycles of the two cosines. None: half a cycle, or one of those with restarts."""
    schedule_power: float = 1.0
    """The exponent of polynomial."""
    rate_floor: float = 0.0
    """Where decays end, as a part of the largest rate."""
    decay_part: float = 0.1
    """The last part of the run, in which warmup_stable_decay goes down."""
    rate_rules: str = ""
    """The factors of piecewise: "1:1000, 0.1:2000, 0.01" is 1 before step 1000, 0.1 before step 2000, then 0.01."""
    max_grad_norm: float = 1.0
    """Longer gradients are scaled down to this length. 0: never."""

    def __post_init__(self) -> None:
        if self.optimizer not in get_args(OptimizerName):
            near = nearest(self.optimizer, get_args(OptimizerName))
            raise TrainingError(f'Unknown optimizer "{self.optimizer}".{near}')
        for name in ("learning_rate", "text_learning_rate"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise TrainingError(f"{name} is {value}; it must be a number above 0.")
        for name in ("weight_decay", "max_grad_norm"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise TrainingError(f"{name} is {value}; it must be a number from 0 on.")
        if self.betas is not None and not (len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas)):
            raise TrainingError(f"betas is {self.betas}; it must be two numbers from 0 to below 1.")
        if self.optimizer == "prodigy" and self.text_learning_rate not in (None, self.learning_rate):
            raise TrainingError(
                "prodigy finds one rate for all; leave text_learning_rate out, or take another optimizer."
            )
        self.rate(None)

    def rate(self, total_steps: int | None) -> Rate:
        """The learning rate of a run of so many steps; None: the clock ends it."""
        return ScheduledRate(
            peak=self.learning_rate,
            schedule=self.schedule,
            warmup_steps=self.warmup_steps,
            total_steps=total_steps,
            cycles=self.schedule_cycles,
            power=self.schedule_power,
            floor=self.rate_floor,
            decay_part=self.decay_part,
            rules=self.rate_rules,
        )


def build_optimizer(groups: Sequence[Group], settings: OptimizerSettings) -> torch.optim.Optimizer:
    """The optimizer of these groups; each of its groups has the `name` and the relative `rate` that `Learner` reads.

    `TrainingError` where there is nothing to train, where a package is missing, or for shards of an optimizer that
    looks at whole tensors.
    """
    groups = [group for group in groups if group.parameters]
    if not groups:
        raise TrainingError("There are no parameters to train.")
    if settings.optimizer not in _BY_ELEMENT and any(is_shard(p) for g in groups for p in g.parameters):
        raise TrainingError(
            f'The optimizer "{settings.optimizer}" needs whole tensors, but strategy fsdp shards them; '
            f"take one of {', '.join(_BY_ELEMENT)}, or ddp."
        )
    parameters: list[dict[str, Any]] = []
    for group in groups:
        rate = group.rate
        if group.name == TEXT_GROUP and settings.text_learning_rate is not None:
            rate *= settings.text_learning_rate / settings.learning_rate
        parameters.append({"params": group.parameters, "name": group.name, "rate": rate})
    if settings.optimizer == "prodigy" and len({group["rate"] for group in parameters}) > 1:
        raise TrainingError("prodigy finds one rate for all, but the groups of this training ask for several.")
    return _BUILDERS[settings.optimizer](parameters, settings)


def averages_itself(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the weights an optimizer works on are not those to be used, but y of schedule-free's x, y and z."""
    return "train_mode" in optimizer.param_groups[0]


def used_weight(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> Tensor:
    """Schedule-free's x, from y = (1 - beta) z + beta x (Defazio et al. 2024, Eq. 3); others' weights as they are."""
    state = optimizer.state.get(parameter, {})
    if "z" not in state:
        return parameter
    beta = optimizer.param_groups[0]["betas"][0]
    return parameter.lerp(state["z"], 1.0 - 1.0 / beta)


def _adamw(parameters: list[dict[str, Any]], settings: OptimizerSettings) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, fused=True, betas=settings.betas or (0.9, 0.999), **_common(settings))


def _adamw8bit(parameters: list[dict[str, Any]], settings: OptimizerSettings) -> torch.optim.Optimizer:
    module = _package("bitsandbytes", "bitsandbytes", settings)
    return module.optim.AdamW8bit(parameters, betas=settings.betas or (0.9, 0.999), **_common(settings))


def _adafactor(parameters: list[dict[str, Any]], settings: OptimizerSettings) -> torch.optim.Optimizer:
    return torch.optim.Adafactor(parameters, **_common(settings))


def _lion(parameters: list[dict[str, Any]], settings: OptimizerSettings) -> torch.optim.Optimizer:
    module = _package("lion_pytorch", "lion-pytorch", settings)
    return module.Lion(parameters, betas=settings.betas or (0.9, 0.99), **_common(settings))


def _prodigy(parameters: list[dict[str, Any]], settings: OptimizerSettings) -> torch.optim.Optimizer:
    module = _package("prodigyopt", "prodigyopt", settings)
    # Its authors' advice for diffusion models. It greets on the standard output, which belongs to the command line.
    with contextlib.redirect_stdout(io.StringIO()):
        return module.Prodigy(
            parameters,
            betas=settings.betas or (0.9, 0.999),
            use_bias_correction=True,
            safeguard_warmup=True,
            **_common(settings),
        )


def _schedule_free(parameters: list[dict[str, Any]], settings: OptimizerSettings) -> torch.optim.Optimizer:
    module = _package("schedulefree", "schedulefree", settings)
    if settings.betas is not None and settings.betas[0] == 0:
        raise TrainingError("betas begins with 0; schedule_free needs a first beta above 0.")
    optimizer = module.AdamWScheduleFree(parameters, betas=settings.betas or (0.9, 0.999), **_common(settings))
    optimizer.train()
    return optimizer


def _sgd(parameters: list[dict[str, Any]], settings: OptimizerSettings) -> torch.optim.Optimizer:
    momentum = settings.betas[0] if settings.betas else 0.9
    return torch.optim.SGD(parameters, momentum=momentum, nesterov=momentum > 0, **_common(settings))


def _common(settings: OptimizerSettings) -> dict[str, Any]:
    return {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}


def _package(module: str, distribution: str, settings: OptimizerSettings) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise TrainingError(
            f'The optimizer "{settings.optimizer}" needs the package {distribution}: pip install {distribution}'
        ) from error


_BUILDERS: dict[OptimizerName, Callable[[list[dict[str, Any]], OptimizerSettings], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "adamw8bit": _adamw8bit,
    "adafactor": _adafactor,
    "lion": _lion,
    "prodigy": _prodigy,
    "schedule_free": _schedule_free,
    "sgd": _sgd,
}

_BY_ELEMENT: tuple[OptimizerName, ...] = ("adamw", "lion", "schedule_free", "sgd")
"""Those that treat each number by itself, so that any shard of a tensor will do."""
