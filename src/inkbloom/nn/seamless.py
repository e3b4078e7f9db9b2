"""Convolutions that wrap around, so that a picture repeats without a seam."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

Tiling = Literal["none", "x", "y", "both"]

_axes: ContextVar[tuple[bool, bool]] = ContextVar("axes", default=(False, False))


def wrapped_axes() -> tuple[bool, bool]:
    """Whether the picture wraps around at this moment: down, and across. What works in windows must heed it."""
    return _axes.get()


@contextmanager
def seamless(tiling: Tiling) -> Iterator[None]:
    """While it lasts, each convolution of this thread that pads with zeros takes the pixels of the other side instead.

    No network is changed, so that other threads, and what comes after an error, see nothing of it. Attention and group
    norms know no places, so a U-Net and a decoder then give a picture rolled around for a rolled latent.
    """
    if tiling == "none":
        yield
        return
    token = _axes.set((tiling != "x", tiling != "y"))
    try:
        with _Wrapping(wrap_x=tiling != "y", wrap_y=tiling != "x"):
            yield
    finally:
        _axes.reset(token)


class _Wrapping(TorchFunctionMode):
    def __init__(self, *, wrap_x: bool, wrap_y: bool) -> None:
        super().__init__()
        self._wrap_x, self._wrap_y = wrap_x, wrap_y

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        call = self._conv2d if func is F.conv2d else func
        return call(*args, **(kwargs or {}))

    def _conv2d(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        down, right = (padding, padding) if isinstance(padding, int) else padding
        wrap_x, wrap_y = right if self._wrap_x else 0, down if self._wrap_y else 0
        if wrap_x or wrap_y:
            x = F.pad(x, (wrap_x, wrap_x, wrap_y, wrap_y), mode="circular")
        return torch.conv2d(x, weight, bias, stride, (down - wrap_y, right - wrap_x), dilation, groups)
