"""What every training does with a loss, and keeps: a network, its optimizer and its average."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from inkbloom.core.errors import TrainingError, nearest
from inkbloom.training.ema import Ema
from inkbloom.training.optimizers import averages_itself, used_weight
from inkbloom.training.world import cut_like, full

Precision = Literal["fp32", "bf16", "fp16"]

LARGEST_GRADIENT = 1.0
"""Gradients are scaled down to this norm where they are longer."""

SMALLEST_SCALE = 2.0**-10
"""Of a float16 loss. A gradient that overflows even so is not saved by any scale."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class BrokenStepError(TrainingError):
    """A loss or gradient that is not finite: nothing of this step may be kept."""

    def __init__(self, what: str, examples: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.examples = examples
        """Which it was, where that is known."""


class Learner:
    """Steps of an optimizer, clipped, scaled and averaged."""

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        ema_decay: float,
        *,
        max_grad_norm: float = LARGEST_GRADIENT,
        precision: Precision = "fp32",
    ) -> None:
        """`network` holds all parameters of `optimizer`; a group of them may have a `rate` relative to the run's.

        `ema_decay` 0 makes the average the weights themselves, `max_grad_norm` 0 leaves gradients as long as they are.
        fp16 and bf16 are for `autocast`, weights stay as they are; under fp16 losses are scaled up, so that small
        gradients are not lost (Micikevicius et al. 2018), and a step whose gradient overflows is skipped.
        """
        if precision not in get_args(Precision):
            raise TrainingError(f'Unknown precision "{precision}".{nearest(precision, get_args(Precision))}')
        self.network, self.optimizer = network, optimizer
        self.max_grad_norm = max_grad_norm or math.inf
        self.precision = precision
        self.device = next(network.parameters()).device
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "fp16")
        self._finds_average = averages_itself(optimizer)
        self.ema = Ema(network, ema_decay, copy=ema_decay > 0 or self._finds_average)

    def autocast(self) -> torch.autocast:
        """The precision of a forward pass."""
        return torch.autocast(self.device.type, _DTYPES[self.precision], enabled=self.precision != "fp32")

    def learn(self, losses: Tensor | Iterable[Tensor], learning_rate: float) -> float:
        """One optimizer step down the gradient of the losses' sum, then the average's.

        An iterable gives the losses of micro-batches, and each is let go before the next is asked for. Returns the norm
        that the gradient had before it was clipped, 0 where a step under fp16 was skipped. Raises `BrokenStepError`
        for a gradient that is not finite.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group.get("rate", 1.0)
        self.optimizer.zero_grad(set_to_none=True)
        for loss in [losses] if isinstance(losses, Tensor) else losses:
            self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        norm = full(nn.utils.clip_grad_norm_(self.network.parameters(), self.max_grad_norm)).item()
        if not math.isfinite(norm):
            if self.scaler.get_scale() > SMALLEST_SCALE and self.scaler.is_enabled():
                self.scaler.update()
                return 0.0
            raise BrokenStepError(f"the gradient became {norm}")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self._finds_average:
            self.ema.update(self.network, lambda parameter: used_weight(self.optimizer, parameter))
        else:
            self.ema.update(self.network)
        return norm

    def state_dict(self) -> dict[str, Any]:
        optimizer = self.optimizer.state_dict()
        # Names of numbers as text: torch.distributed.checkpoint takes a dictionary of numbers for a list
        optimizer["state"] = {str(i): each for i, each in optimizer["state"].items()}
        state = {"network": self.network.state_dict(), "ema": self.ema.state_dict(), "optimizer": optimizer}
        return state | {"scaler": self.scaler.state_dict()} if self.scaler.is_enabled() else state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """`state` has whole tensors, of which this process may keep its shards."""
        own = self.network.state_dict()
        self.network.load_state_dict({name: cut_like(value, own[name]) for name, value in state["network"].items()})
        self.ema.load_state_dict(state["ema"])
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        cut = {
            int(i): {
                key: cut_like(value, parameters[int(i)]) if isinstance(value, Tensor) else value
                for key, value in each.items()
            }
            for i, each in state["optimizer"]["state"].items()
        }
        self.optimizer.load_state_dict({**state["optimizer"], "state": cut})
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(state["scaler"])
