"""The kinds of adapters: each says how one weight changes, by how much at strength 1.

A weight W is (out, in) of a linear layer or (out, in, height, width) of a convolution, always in float32; the change
is linear in the strength with which it is applied. Matrices of a convolution stand for it with its last three
dimensions flattened. `delta(weight)` raises `RuntimeError` or `IndexError` where its tensors do not match the weight or
each other; `needs_weight` says whether it depends on the weight.

alpha / rank scales a low-rank change (Hu et al. 2021, section 4.1); an alpha that is missing or 0 means the rank, as
kohya's and LyCORIS's trainers read it. The other formulas are LyCORIS's (Yeh et al. 2023, "Navigating text-to-image
customization").

Change
├── LowRank       LoRA, LoCon             ├── Scale    (IA)^3
├── Hadamard      LoHa                    ├── GeneralLowRank    GLoRA
├── Kronecker     LoKr                    ├── Rotation, Butterfly    OFT, BOFT
├── Difference    full, norm, bias        ├── InputRotation    PEFT's OFT
├── Replacement   another value           └── Decomposed    DoRA, around any other
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from inkbloom.core.errors import RequestError


def _fold(matrix: Tensor, weight: Tensor) -> Tensor:
    """A change (out, in * height * width) in the weight's shape."""
    if matrix.shape[0] != weight.shape[0] or matrix.numel() != weight.numel():
        raise RuntimeError(f"a change of shape {list(matrix.shape)} does not fit {list(weight.shape)}")
    return matrix.reshape(weight.shape)


def _tucker(core: Tensor, out: Tensor, into: Tensor) -> Tensor:
    """A Tucker decomposition made whole: core (r, s, h, w), out (r, out), into (s, in) to (out, in * h * w)."""
    return torch.einsum("r s h w, r o, s i -> o i h w", core, out, into).flatten(1)


def _scale(alpha: float | None, rank: int) -> float:
    if rank < 1:
        raise RuntimeError("a change of rank 0")
    return (alpha or rank) / rank


@dataclass(frozen=True, kw_only=True)
class LowRank:
    """LoRA: W + (alpha / rank) up @ down (Hu et al. 2021, Eq. 3); with `mid`, LoCon's Tucker form for convolutions.

    up (out, r[, 1, 1]), down (r, in[, h, w]); with mid (r, r, h, w) down has a kernel of 1.
    """

    up: Tensor
    down: Tensor
    mid: Tensor | None = None
    alpha: float | None = None
    needs_weight: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        return "LoCon" if self.down.ndim == 4 and (self.mid is not None or self.down.shape[2] > 1) else "LoRA"

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    def factors(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Matrices (out, r) and (r, in * h * w) whose product is the change, scaled, where `weight` is."""
        up, down = self.up.to(weight).flatten(1), self.down.to(weight).flatten(1)
        if self.mid is not None:
            down = torch.einsum("r s h w, s i -> r i h w", self.mid.to(weight), down).flatten(1)
        return _scale(self.alpha, self.rank) * up, down

    def delta(self, weight: Tensor) -> Tensor:
        up, down = self.factors(weight)
        return _fold(up @ down, weight)

    def cut(self, rank: int) -> LowRank:
        """The first `rank` components only, with the scale of the whole: what A1111 calls `dyn`."""
        mid = None if self.mid is None else self.mid[:rank, :rank]
        up, down = self.up[:, :rank], self.down[:rank]
        return replace(self, up=up, down=down, mid=mid, alpha=_scale(self.alpha, self.rank) * down.shape[0])


@dataclass(frozen=True, kw_only=True)
class Hadamard:
    """LoHa: (alpha / rank) (w1_a @ w1_b) * (w2_a @ w2_b), elementwise (Hyeon-Woo et al. 2021, Eq. 3; LyCORIS).

    w_a (out, r), w_b (r, in * h * w); with the Tucker cores t1, t2 (r, r, h, w): w_a (r, out), w_b (r, in).
    """

    w1_a: Tensor
    w1_b: Tensor
    w2_a: Tensor
    w2_b: Tensor
    t1: Tensor | None = None
    t2: Tensor | None = None
    alpha: float | None = None
    kind: ClassVar[str] = "LoHa"
    needs_weight: ClassVar[bool] = False

    @property
    def rank(self) -> int:
        return self.w1_b.shape[0]

    def delta(self, weight: Tensor) -> Tensor:
        first = _product(self.w1_a, self.w1_b, self.t1, weight)
        second = _product(self.w2_a, self.w2_b, self.t2, weight)
        return _fold(_scale(self.alpha, self.rank) * first * second, weight)


def _product(a: Tensor, b: Tensor, core: Tensor | None, weight: Tensor) -> Tensor:
    a, b = a.to(weight).flatten(1), b.to(weight).flatten(1)
    return a @ b if core is None else _tucker(core.to(weight), a, b)


@dataclass(frozen=True, kw_only=True)
class Kronecker:
    """LoKr: (alpha / rank) kron(w1, w2), each whole or a product (LyCORIS); scale 1 where both are whole.

    w1 (a, b), or w1_a (a, r) and w1_b (r, b); w2 (c, d[, h, w]), or w2_a (c, r) and w2_b (r, d * h * w), with the
    Tucker core t2 (r, r, h, w): w2_a (r, c), w2_b (r, d). The weight is (a c, b d[, h, w]).
    """

    w1: Tensor | tuple[Tensor, Tensor]
    w2: Tensor | tuple[Tensor, Tensor]
    t2: Tensor | None = None
    alpha: float | None = None
    kind: ClassVar[str] = "LoKr"
    needs_weight: ClassVar[bool] = False

    @property
    def rank(self) -> int | None:
        part = next((part for part in (self.w2, self.w1) if isinstance(part, tuple)), None)
        return None if part is None else part[1].shape[0]

    def delta(self, weight: Tensor) -> Tensor:
        w1 = self.w1.to(weight) if isinstance(self.w1, Tensor) else _product(*self.w1, None, weight)
        w2 = self.w2.to(weight).flatten(1) if isinstance(self.w2, Tensor) else _product(*self.w2, self.t2, weight)
        kernel = weight.shape[2:]
        w2 = w2.reshape(w2.shape[0], -1, *kernel)
        whole = torch.kron(w1.reshape(*w1.shape[:2], *(1 for _ in kernel)), w2)
        scale = 1.0 if self.rank is None else _scale(self.alpha, self.rank)
        return _fold(scale * whole.flatten(1), weight)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """(IA)^3: W * w, w one number an output, or an input with `on_input` (Liu et al. 2022, section 3.3; LyCORIS).

    PEFT's vectors are 1 + w, and scale the biases of outputs too.
    """

    w: Tensor
    on_input: bool
    kind: ClassVar[str] = "(IA)^3"
    needs_weight: ClassVar[bool] = True
    rank: ClassVar[None] = None
    alpha: ClassVar[None] = None

    def delta(self, weight: Tensor) -> Tensor:
        axis = 1 if self.on_input else 0
        shape = [length if d == axis else 1 for d, length in enumerate(weight.shape)]
        return weight * self.w.to(weight).reshape(shape)


@dataclass(frozen=True, kw_only=True)
class GeneralLowRank:
    """GLoRA: (alpha / rank) (W @ first @ second + up @ down) (Chavan et al. 2023; LyCORIS).

    first (in, r), second (r, in), up (out, r), down (r, in[, h, w]). LyCORIS stores them as a1, a2, b1, b2; before its
    version 2 as a2, a1, b2, b1. With its `bm`, mid (r, r, h, w), up and down are as in LoCon's Tucker form.
    """

    first: Tensor
    second: Tensor
    up: Tensor
    down: Tensor
    mid: Tensor | None = None
    alpha: float | None = None
    kind: ClassVar[str] = "GLoRA"
    needs_weight: ClassVar[bool] = True

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    def delta(self, weight: Tensor) -> Tensor:
        first, second = self.first.to(weight).flatten(1), self.second.to(weight).flatten(1)
        turned = torch.einsum("o i ..., i r, r j -> o j ...", weight, first, second)
        up, down = LowRank(up=self.up, down=self.down, mid=self.mid).factors(weight)
        return _scale(self.alpha, self.rank) * (turned + _fold(up @ down, weight))


def _cayley(q: Tensor) -> Tensor:
    """Orthogonal (I + Q)(I - Q)^-1 of skew Q."""
    one = torch.eye(q.shape[-1], dtype=q.dtype, device=q.device)
    return (one + q) @ torch.linalg.inv(one - q)


def _skew(blocks: Tensor, constraint: float) -> Tensor:
    """Blocks less their transposes, shrunk to the norm `constraint` (0: not)."""
    q = blocks - blocks.mT
    return q * (constraint / (torch.linalg.vector_norm(q) + 1e-8)).clamp(max=1.0) if constraint > 0 else q


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """OFT: rescale * R^T W - W, R block-diagonal and orthogonal (Qiu et al. 2023, section 3; kohya, LyCORIS).

    `blocks` (number, size, size) make R by Cayley's transform, or are it (`is_rotation`: `oft_diag` of LyCORIS in
    2023). `constraint` times the number of outputs bounds the norm of Q (COFT); 0 is none.
    """

    blocks: Tensor
    constraint: float = 0.0
    rescale: Tensor | None = None
    is_rotation: bool = False
    kind: ClassVar[str] = "OFT"
    needs_weight: ClassVar[bool] = True
    rank: ClassVar[None] = None
    alpha: ClassVar[None] = None

    def delta(self, weight: Tensor) -> Tensor:
        blocks = self.blocks.to(weight)
        r = blocks if self.is_rotation else _cayley(_skew(blocks, self.constraint * weight.shape[0]))
        parts = weight.unflatten(0, tuple(blocks.shape[:2]))
        return _rescaled(torch.einsum("k n m, k n ... -> k m ...", r, parts).flatten(0, 1), self.rescale) - weight


@dataclass(frozen=True, kw_only=True)
class InputRotation:
    """PEFT's OFT: W R^T - W, R block-diagonal over the inputs (in * height * width of a convolution).

    `upper` (number or 1, n (n - 1) / 2) are the upper triangles of skew Q of n rows, row by row; one stands for all
    blocks. R = (I - Q)(I + Q)^-1, or with `neumann_terms` k from 4 on I + 2 Q + ... + 2 Q^(k-2) + Q^(k-1), which is
    nearly its inverse (Qiu et al. 2025, "Orthogonal Finetuning Made Scalable"; fewer terms as PEFT counts them).
    """

    upper: Tensor
    neumann_terms: int | None = None
    kind: ClassVar[str] = "OFT"
    needs_weight: ClassVar[bool] = True
    rank: ClassVar[None] = None
    alpha: ClassVar[None] = None

    def delta(self, weight: Tensor) -> Tensor:
        upper = self.upper.to(weight)
        size = (1 + math.isqrt(1 + 8 * upper.shape[1])) // 2
        rows, columns = torch.triu_indices(size, size, 1)
        q = upper.new_zeros(len(upper), size, size)
        q[:, rows, columns] = upper
        r = self._rotation(q - q.mT)
        parts = weight.flatten(1).unflatten(1, (-1, size))
        if len(r) not in (1, parts.shape[1]):
            raise RuntimeError(f"{len(r)} rotations of {size} do not fit {list(weight.shape)}")
        turned = torch.einsum("o k j, k i j -> o k i", parts, r.expand(parts.shape[1], -1, -1))
        return _fold(turned.flatten(1), weight) - weight

    def _rotation(self, q: Tensor) -> Tensor:
        if self.neumann_terms is None:
            return _cayley(-q)
        k = self.neumann_terms
        factors = [2.0] * (max(k, 4) - 2) + [1.0] if k > 2 else [2.0] * (k - 1)
        total = power = torch.eye(q.shape[-1], dtype=q.dtype, device=q.device).expand_as(q)
        for factor in factors:
            power = power @ q
            total = total + factor * power
        return total


@dataclass(frozen=True, kw_only=True)
class Butterfly:
    """BOFT: rescale * B_m ... B_1 W - W, each B a permuted block-diagonal rotation (Liu et al. 2023; LyCORIS).

    `blocks` (m, number, size, size); factor i (from 0) mixes rows that are 2^i size / 2 apart. LyCORIS weakens every
    factor by a strength other than 1, where we weaken the whole change.
    """

    blocks: Tensor
    constraint: float = 0.0
    rescale: Tensor | None = None
    kind: ClassVar[str] = "BOFT"
    needs_weight: ClassVar[bool] = True
    rank: ClassVar[None] = None
    alpha: ClassVar[None] = None

    def delta(self, weight: Tensor) -> Tensor:
        rotations = _cayley(_skew(self.blocks.to(weight), self.constraint * weight.shape[0]))
        _, number, size, _ = self.blocks.shape
        rows = weight.flatten(1)
        for i, rotation in enumerate(rotations):
            apart = 2**i * (size // 2)
            mixed = rows.unflatten(0, (-1, 2, apart)).transpose(1, 2).reshape(number, size, -1)
            mixed = rotation @ mixed
            rows = mixed.flatten(0, 1).unflatten(0, (-1, apart, 2)).transpose(1, 2).reshape(rows.shape)
        return _rescaled(rows.reshape(weight.shape), self.rescale) - weight


def _rescaled(weight: Tensor, rescale: Tensor | None) -> Tensor:
    if rescale is None:
        return weight
    return weight * rescale.to(weight).reshape(weight.shape[0], *(1 for _ in weight.shape[1:]))


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The difference itself: LyCORIS's full and norm kinds, and changes of a bias."""

    difference: Tensor
    kind: ClassVar[str] = "difference"
    needs_weight: ClassVar[bool] = False
    rank: ClassVar[None] = None
    alpha: ClassVar[None] = None

    def delta(self, weight: Tensor) -> Tensor:
        return _fold(self.difference.to(weight), weight)


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """Another value altogether: ComfyUI's `set_weight`, and biases that PEFT trained."""

    value: Tensor
    kind: ClassVar[str] = "replacement"
    needs_weight: ClassVar[bool] = True
    rank: ClassVar[None] = None
    alpha: ClassVar[None] = None

    def delta(self, weight: Tensor) -> Tensor:
        return _fold(self.value.to(weight), weight) - weight


@dataclass(frozen=True, kw_only=True)
class Decomposed:
    """DoRA: magnitude * V / |V| - W with V = W + the inner change (Liu et al. 2024, Eq. 5).

    The norm is taken over each output's numbers (PEFT; LyCORIS with `wd_on_out`), or over each input's where
    `per_input` (LyCORIS's first files, whose magnitudes are [1, in, ...]). No gradient goes through it (section 4.3).
    """

    inner: Change
    magnitude: Tensor
    per_input: bool
    needs_weight: ClassVar[bool] = True

    @property
    def kind(self) -> str:
        return f"DoRA of {self.inner.kind}"

    @property
    def rank(self) -> int | None:
        return self.inner.rank

    @property
    def alpha(self) -> float | None:
        return self.inner.alpha

    def delta(self, weight: Tensor) -> Tensor:
        changed = weight + self.inner.delta(weight)
        kept = 1 if self.per_input else 0
        others = [d for d in range(weight.ndim) if d != kept]
        norm = torch.linalg.vector_norm(changed.detach(), dim=others, keepdim=True)
        return self.magnitude.to(weight).reshape(norm.shape) * changed / norm - weight


Change = (
    LowRank
    | Hadamard
    | Kronecker
    | Scale
    | GeneralLowRank
    | Rotation
    | Butterfly
    | InputRotation
    | Difference
    | Replacement
    | Decomposed
)


def tensors_of(change: Change) -> dict[str, Tensor]:
    """The tensors of a change by the names of its fields, `_a` and `_b` behind those of a pair; DoRA's with the inner
    change's."""
    found: dict[str, Tensor] = {}
    for field in fields(change):
        match getattr(change, field.name):
            case Tensor() as tensor:
                found[field.name] = tensor
            case (Tensor() as a, Tensor() as b):
                found |= {f"{field.name}_a": a, f"{field.name}_b": b}
            case value if field.name == "inner":
                found |= tensors_of(value)
    return found


def with_tensors(change: Change, tensors: Mapping[str, Tensor]) -> Change:
    """The same change with other tensors, all of them, named as `tensors_of` names them."""
    new: dict[str, Any] = {}
    for field in fields(change):
        match getattr(change, field.name):
            case Tensor():
                new[field.name] = tensors[field.name]
            case (Tensor(), Tensor()):
                new[field.name] = tensors[f"{field.name}_a"], tensors[f"{field.name}_b"]
            case value if field.name == "inner":
                new[field.name] = with_tensors(value, tensors)
    return replace(change, **new)


def cut(change: Change, rank: int) -> Change:
    """The change with its first `rank` components only; `RequestError` where its kind has none."""
    if isinstance(change, Decomposed):
        return replace(change, inner=cut(change.inner, rank))
    if not isinstance(change, LowRank):
        raise RequestError(f"A rank of {rank} was asked for, but {change.kind} has no rank that can be cut; LoRA has.")
    return change.cut(rank)
