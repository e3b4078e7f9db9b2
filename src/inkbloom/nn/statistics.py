"""Group norms of a network that runs in windows, all by the same statistics, so that windows fit together.

A group norm of a window alone would stretch it to its own mean and variance: neighbours would differ in colour and
contrast. Here the statistics are measured once, on something that stands for the whole, and used in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class SharedStatistics:
    """The mean and variance of each group of each norm, in the order of the calls. No network is changed."""

    def __init__(self) -> None:
        self.measured: list[tuple[Tensor, Tensor]] = []

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Inside, the statistics of each group norm of this thread, over the whole batch, are kept."""
        with _Norms(self._measure):
            yield

    @contextmanager
    def applying(self) -> Iterator[None]:
        """Inside, the same calls in the same order use what was measured."""
        kept = iter(self.measured)
        with _Norms(lambda x, num_groups: next(kept)):
            yield

    def _measure(self, x: Tensor, num_groups: int) -> tuple[Tensor, Tensor]:
        variance, mean = torch.var_mean(x.unflatten(1, (num_groups, -1)).float(), dim=(0, 2, 3, 4), correction=0)
        self.measured.append((mean, variance))
        return mean, variance


class _Norms(TorchFunctionMode):
    def __init__(self, statistics: Callable[[Tensor, int], tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self._statistics = statistics

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        call = self._group_norm if func is F.group_norm else func
        return call(*args, **(kwargs or {}))

    def _group_norm(
        self, x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
    ) -> Tensor:
        assert weight is not None
        assert bias is not None
        mean, variance = self._statistics(x, num_groups)
        channels = x.shape[1] // num_groups
        mean, spread = mean.repeat_interleave(channels), (variance + eps).rsqrt().repeat_interleave(channels)
        factor = weight.float() * spread
        shift = bias.float() - mean * factor
        return x * factor.to(x.dtype)[:, None, None] + shift.to(x.dtype)[:, None, None]
