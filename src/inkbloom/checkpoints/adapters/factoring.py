"""LoRA by singular values: the best approximation of a change by a product of two thin matrices (Eckart & Young 1936).

`extract` makes one of what a trained model has beyond its base, `resize` makes one of lower rank.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from inkbloom.checkpoints.adapters.fitting import ADAPTED, Fit, Parameter
from inkbloom.checkpoints.adapters.kinds import Change, Decomposed, LowRank
from inkbloom.checkpoints.loading import LABELS, LoadedModel
from inkbloom.core.errors import RequestError

OnProgress = Callable[[int, int], None]
"""Called with (layers done, layers in all)."""


@dataclass(frozen=True)
class Factored:
    changes: dict[Parameter, Change]
    kept: float
    """The share of the changes' Frobenius norm that their approximations have."""


class _Sums:
    """Squared norms, of the changes and of their approximations."""

    def __init__(self) -> None:
        self.all = self.kept = 0.0

    def add(self, singular: Tensor, rank: int) -> None:
        squares = singular.double().square()
        self.all += float(squares.sum())
        self.kept += float(squares[:rank].sum())

    @property
    def share(self) -> float:
        return math.sqrt(self.kept / self.all) if self.all else 1.0


def extract(
    tuned: LoadedModel,
    base: LoadedModel,
    *,
    rank: int = 64,
    conv_rank: int | None = None,
    keep: float = 1.0,
    on_progress: OnProgress | None = None,
) -> Factored:
    """The difference of two models' text encoders and U-Nets as a LoRA, with an alpha that is the rank.

    `rank` is the most that a layer gets, `conv_rank` the same for convolutions with kernels above 1x1, which are left
    out where it is None. With `keep` below 1 a layer gets no more than it needs for that share of its Frobenius norm.
    Layers that do not differ are left out; norms and biases, which no LoRA can change, as well.

    `RequestError` where the models are not of the same architecture or do not differ, or for ranks or shares outside
    their range.
    """
    _check(rank, keep)
    if conv_rank is not None:
        _check(conv_rank, keep)
    pairs: dict[Parameter, tuple[Tensor, Tensor, int]] = {}
    for component in ADAPTED:
        ours, theirs = getattr(tuned, component), getattr(base, component)
        if ours is None or theirs is None or ours.spec != theirs.spec:
            raise RequestError(f"{tuned.name} and {base.name} are not alike in their {LABELS[component]}.")
        others = theirs.state_dict()
        for name, tensor in ours.state_dict().items():
            is_layer = name.endswith(".weight") and tensor.ndim > 1 and "embedding" not in name
            limit = rank if math.prod(tensor.shape[2:]) == 1 else conv_rank
            if is_layer and limit is not None:
                pairs[component, name] = tensor, others[name], limit
    changes: dict[Parameter, Change] = {}
    sums = _Sums()
    for done, (parameter, (tensor, other, limit)) in enumerate(pairs.items(), 1):
        difference = tensor.detach().float() - other.detach().float()
        if difference.any():
            u, s, v = torch.linalg.svd(difference.flatten(1), full_matrices=False)
            changes[parameter] = _low_rank(u, s, v, _chosen(s, limit, keep), sums, tensor.shape[2:])
        if on_progress:
            on_progress(done, len(pairs))
    if not changes:
        raise RequestError(f"{tuned.name} and {base.name} do not differ in the layers that a LoRA can change.")
    return Factored(changes, sums.share)


def resize(fitted: Fit, *, rank: int, keep: float = 1.0) -> Factored:
    """The LoRA with layers of lower rank and an alpha that is the rank; LoCon's Tucker form becomes a plain one.

    `rank` is the most that a layer gets; with `keep` below 1 it gets no more than it needs for that share of its norm.
    DoRA keeps its magnitudes. `RequestError` for layers of another kind, or ranks or shares outside their range.
    """
    _check(rank, keep)
    changes: dict[Parameter, Change] = {}
    sums = _Sums()
    for parameter, change in fitted.changes.items():
        inner = low_rank_of(change)
        up, down = inner.factors(torch.zeros(1))
        # The product's singular values are those of a small matrix between orthogonal ones
        left, small_left = torch.linalg.qr(up)
        right, small_right = torch.linalg.qr(down.mT)
        u, s, v = torch.linalg.svd(small_left @ small_right.mT)
        kernel = inner.down.shape[2:] if inner.mid is None else inner.mid.shape[2:]
        smaller = _low_rank(left @ u, s, v @ right.mT, _chosen(s, rank, keep), sums, kernel)
        is_dora = isinstance(change, Decomposed)
        changes[parameter] = dataclasses.replace(change, inner=smaller) if is_dora else smaller
    return Factored(changes, sums.share)


def low_rank_of(change: Change) -> LowRank:
    """The LoRA that a change is, or that DoRA has inside; `RequestError` for another kind."""
    inner = change.inner if isinstance(change, Decomposed) else change
    if not isinstance(inner, LowRank):
        raise RequestError(f"This works with LoRA, LoCon and DoRA only; the file has layers of the kind {inner.kind}.")
    return inner


def _low_rank(u: Tensor, s: Tensor, v: Tensor, rank: int, sums: _Sums, kernel: torch.Size) -> LowRank:
    """The first singular vectors, their values halved between both sides."""
    sums.add(s, rank)
    root = s[:rank].sqrt()
    up, down = u[:, :rank] * root, root[:, None] * v[:rank]
    if kernel:
        up, down = up[..., None, None], down.reshape(rank, -1, *kernel)
    return LowRank(up=up.contiguous(), down=down.contiguous(), alpha=float(rank))


def _chosen(singular: Tensor, limit: int, keep: float) -> int:
    """The fewest values that have the share `keep` of the norm; at most `limit`, at least 1."""
    limit = min(limit, len(singular))
    if keep == 1.0:
        return limit
    squares = singular.double().square().cumsum(0)
    return min(limit, 1 + int((squares < keep**2 * squares[-1]).sum()))


def _check(rank: int, keep: float) -> None:
    if rank < 1:
        raise RequestError(f"rank {rank}: must be a whole number from 1 on.")
    if not 0 < keep <= 1:
        raise RequestError(f"keep {keep:g}: must be above 0 and at most 1.")
