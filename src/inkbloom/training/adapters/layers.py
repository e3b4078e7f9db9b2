"""A layer's change while it learns: its tensors as parameters, what is dropped of it, and how large it may get."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from inkbloom.checkpoints.adapters.kinds import Change, Decomposed, LowRank, tensors_of, with_tensors
from inkbloom.checkpoints.adapters.live import addition
from inkbloom.training.batches import row_generator

_PURPOSE = 28
"""Of `row_generator`'s draws; those of noise and data have smaller numbers."""


@dataclass(frozen=True, kw_only=True)
class Dropouts:
    """Chances, 0 to below 1, that a part of a change is left out of a training step; what stays is scaled up."""

    channel: float = 0.0
    """Single numbers between LoRA's two steps."""
    rank: float = 0.0
    """Whole channels between LoRA's two steps, or for other kinds outputs."""
    module: float = 0.0
    """A layer's whole change; here nothing is scaled up, as in kohya's trainer."""

    @property
    def are_off(self) -> bool:
        return not (self.channel or self.rank or self.module)


class TrainableChange(nn.Module):
    """A change of one layer whose tensors are parameters, float32, by the names of `kinds.tensors_of`.

    A forward hook of the layer adds what it returns (`live.add_to_output`).
    """

    def __init__(
        self, change: Change, shape: Sequence[int], *, dropouts: Dropouts | None = None, largest: float | None = None
    ) -> None:
        """`shape` is the weight's, `largest` the limit of the change's Frobenius norm (of DoRA's inner change)."""
        super().__init__()
        for name, tensor in tensors_of(change).items():
            self.register_parameter(name, nn.Parameter(tensor.detach().float().clone()))
        self._form = with_tensors(change, {name: tensor.to("meta") for name, tensor in tensors_of(change).items()})
        self._shape = tuple(shape)
        self._dropouts = dropouts or Dropouts()
        self._largest = largest
        self.seeds: tuple[int, ...] = ()
        """One for each example of the batch that is trained on, from which its dropouts follow; none: no dropouts."""

    def change(self) -> Change:
        """As it is now; gradients go through it."""
        change = with_tensors(self._form, dict(self.named_parameters()))
        return change if self._largest is None else _limited(change, self._largest, self._shape)

    def forward(self, layer: nn.Module, x: Tensor) -> Tensor:
        drops = self.training and self.seeds and not self._dropouts.are_off
        return addition(layer, x, self.change(), self._mask if drops else None)

    def _mask(self, hidden: Tensor) -> Tensor:
        kept = torch.stack([self._kept(seed, hidden) for seed in self.seeds])
        # The text encoder has a row for each chunk of a caption, example after example
        return hidden * kept.repeat_interleave(len(hidden) // len(kept), 0).to(hidden)

    def _kept(self, seed: int, hidden: Tensor) -> Tensor:
        """What one example keeps, on the CPU; all of it is drawn, so that the options do not change each other's."""
        generator = torch.Generator().manual_seed(seed)
        channels = [1] * (hidden.ndim - 1)
        axis = 0 if hidden.ndim == 4 else -1
        channels[axis] = hidden.shape[1:][axis]
        parts = self._dropouts
        module = torch.rand(1, generator=generator) >= parts.module
        rank = torch.rand(channels, generator=generator) >= parts.rank
        kept = module * rank / (1 - parts.rank)
        if parts.channel:
            kept = kept * (torch.rand(hidden.shape[1:], generator=generator) >= parts.channel) / (1 - parts.channel)
        return kept


def _limited(change: Change, largest: float, shape: tuple[int, ...]) -> Change:
    """The change shrunk to the norm `largest` where it is longer, by its first factor; gradients know of it."""
    if isinstance(change, Decomposed):
        return replace(change, inner=_limited(change.inner, largest, shape))
    if isinstance(change, LowRank):
        up, down = change.factors(change.down)
        squared = ((up.mT @ up) * (down @ down.mT)).sum()  # of up @ down, which is not worked out
    else:
        squared = change.delta(next(iter(tensors_of(change).values())).new_empty(shape)).square().sum()
    # Clamped before the root, whose slope at 0 has no value
    shrink = largest / squared.clamp(min=largest**2).sqrt()
    tensors = tensors_of(change)
    first = next(iter(tensors))
    return with_tensors(change, tensors | {first: shrink * tensors[first]})


def draw_seeds(layers: Sequence[TrainableChange], seed: int, step: int, rows: Sequence[int]) -> None:
    """Give each layer the seeds of its dropouts in this step, which follow from seed, step, row and its place."""
    streams = [random.Random(row_generator(seed, step, row, _PURPOSE).initial_seed()) for row in rows]
    by_row = [[stream.getrandbits(62) for _ in layers] for stream in streams]
    for layer, seeds in zip(layers, zip(*by_row, strict=True), strict=True):
        layer.seeds = seeds
