"""An exponential moving average of weights: what is shown and shipped, while the optimizer works on the raw ones."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from inkbloom.training.world import cut_like


class Ema:
    """Average of a module's parameters, float32, with the warm-up min(decay, (1 + n) / (10 + n)) after n updates.

    Modules here have no buffers that learn, so parameters are all there is. Of sharded parameters it keeps shards.
    """

    def __init__(self, module: nn.Module, decay: float, *, copy: bool = True) -> None:
        """`copy` False with `decay` 0 takes no memory: the average of float32 parameters is the parameters."""
        self.decay = decay
        self.updates = 0
        self.average = {name: p.detach().float() for name, p in module.named_parameters()}
        if copy:
            self.average = {name: average.clone() for name, average in self.average.items()}

    @torch.no_grad()
    def update(self, module: nn.Module, used: Callable[[nn.Parameter], Tensor] = lambda parameter: parameter) -> None:
        """Take the parameters in; `used` says what to take instead of each."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        weights = [used(parameter).float() for parameter in module.parameters()]
        torch._foreach_lerp_(list(self.average.values()), weights, 1.0 - decay)  # pyright: ignore[reportPrivateImportUsage]

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Overwrite the module's parameters with the average."""
        for name, parameter in module.named_parameters():
            parameter.copy_(self.average[name])

    def state_dict(self) -> dict[str, int | dict[str, Tensor]]:
        return {"updates": self.updates, "average": self.average}

    def load_state_dict(self, state: dict) -> None:
        self.updates = state["updates"]
        for name, value in state["average"].items():
            self.average[name].copy_(cut_like(value, self.average[name]))


class averaged:  # noqa: N801 - reads as a verb in a `with`
    """While inside, the module's weights are its average's."""

    def __init__(self, module: nn.Module, ema: Ema) -> None:
        self.module, self.ema = module, ema

    def __enter__(self) -> None:
        self.raw = {name: p.detach().clone() for name, p in self.module.named_parameters()}
        self.ema.copy_to(self.module)

    @torch.no_grad()
    def __exit__(self, *_: object) -> None:
        for name, parameter in self.module.named_parameters():
            parameter.copy_(self.raw[name])
        del self.raw
