"""What may be added inside a U-Net while it predicts: the outputs of ControlNets, T2I-Adapters and IP-Adapters.

`skips` and `middle` are what a ControlNet gives (Zhang et al. 2023, section 3.1), `levels` what a T2I-Adapter gives
(Mou et al. 2023, section 3.2), `beside` what an IP-Adapter gives (Ye et al. 2023, section 3.2), `reference` another
picture to look at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import torch
from torch import Tensor

from inkbloom.nn.attention import Attention, Beside


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Self-attention that looks at the same place of another picture too ("reference-only" of sd-webui-controlnet).

    First, while `tokens` are collected, the U-Net sees that picture, noised alike; then the one that is painted. Rows
    under no prompt are mixed with what they are without it, so that guidance leads towards the picture.
    """

    tokens: dict[Attention, Tensor]
    """What the self-attentions saw of the other picture (batch, tokens, dim); those without any are as usual."""
    collects: frozenset[Attention] | None = None
    """Collect the tokens of these; None: use what there is."""
    fidelity: float = 0.0
    """0 to 1: how much unprompted rows stay as usual."""
    prompted: Tensor | None = None
    """(batch, 1, 1), 1 for rows under a prompt; needed for a fidelity above 0."""

    def __call__(self, attention: Attention, x: Tensor) -> Tensor:
        if self.collects is not None:
            if attention in self.collects:
                self.tokens[attention] = x
            return attention(x)
        if attention not in self.tokens:
            return attention(x)
        looking = attention(x, torch.cat([x, self.tokens[attention]], dim=1))
        if not self.fidelity or self.prompted is None:
            return looking
        return torch.lerp(looking, attention(x), self.fidelity * (1 - self.prompted))


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
    reference: Reference | None = None
    """At most one of several steerings has one."""

    def to(self, dtype: torch.dtype) -> Steering:
        """What is added to feature maps, in another precision."""
        skips, levels = (tuple(each.to(dtype) for each in maps) for maps in (self.skips, self.levels))
        middle = None if self.middle is None else self.middle.to(dtype)
        return replace(self, skips=skips, levels=levels, middle=middle)

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
    return Steering(
        skips=sums(a.skips, b.skips),
        middle=middle,
        levels=sums(a.levels, b.levels),
        beside=beside,
        reference=a.reference or b.reference,
    )


UNSTEERED = Steering()
