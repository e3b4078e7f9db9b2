"""What may be added inside a U-Net while it predicts: the outputs of ControlNets, T2I-Adapters and IP-Adapters.

`skips` and `middle` are what a ControlNet gives (Zhang et al. 2023, section 3.1), `levels` what a T2I-Adapter gives
(Mou et al. 2023, section 3.2), `beside` what an IP-Adapter gives (Ye et al. 2023, section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

from torch import Tensor

from inkbloom.nn.attention import Attention, Beside


@dataclass(frozen=True, kw_only=True)
class Steering:
    """Additions to one call of a U-Net; nothing by default. Feature maps broadcast over what they are added to."""

    skips: tuple[Tensor, ...] = ()
    """One for each feature map that the way down keeps, in its order; added to the skip connections."""
    middle: Tensor | None = None
    """Added behind the middle block."""
    levels: tuple[Tensor, ...] = ()
    """One for each level, added to its last block's output on the way down, so to what is kept of it too."""
    beside: Mapping[Attention, tuple[Beside, ...]] = field(default_factory=dict)
    """Further keys and values for these cross-attentions, each attended to by itself."""

    def scaled(self, weights: Sequence[float | Tensor]) -> Steering:
        """Each skip, then the middle, times its weight; `weights` are as many."""
        assert self.middle is not None
        assert len(weights) == len(self.skips) + 1
        skips = tuple(skip * weight for skip, weight in zip(self.skips, weights, strict=False))
        return replace(self, skips=skips, middle=self.middle * weights[-1])


def together(parts: Sequence[Steering]) -> Steering:
    """The sum of several steerings; of none of them, nothing."""
    return reduce(_add, parts, Steering())


def _add(a: Steering, b: Steering) -> Steering:
    def sums(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(x + y for x, y in zip(one, other, strict=True)) if one and other else one or other

    middle = a.middle if b.middle is None else b.middle if a.middle is None else a.middle + b.middle
    beside = {where: (*a.beside.get(where, ()), *b.beside.get(where, ())) for where in {**a.beside, **b.beside}}
    return Steering(skips=sums(a.skips, b.skips), middle=middle, levels=sums(a.levels, b.levels), beside=beside)
