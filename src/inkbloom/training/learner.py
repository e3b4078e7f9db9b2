"""What every training does with a loss, and keeps: a network, its optimizer and its average."""

from typing import Any

import torch
from torch import Tensor, nn

from inkbloom.training.ema import Ema

LARGEST_GRADIENT = 1.0
"""Gradients are scaled down to this norm where they are longer."""


class Learner:
    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer, ema_decay: float) -> None:
        """`optimizer` has one group, the parameters of `network`."""
        self.network, self.optimizer = network, optimizer
        self.ema = Ema(network, ema_decay)

    def learn(self, loss: Tensor, learning_rate: float) -> float:
        """One optimizer step down the loss's gradient, then the average's; returns the norm that the gradient had."""
        self.optimizer.param_groups[0]["lr"] = learning_rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        self.ema.update(self.network)
        return norm.item()

    def state_dict(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
