"""How two or three tensors of the same name become one: a registry of methods, all in float32.

a, b, c: the models A, B and C; m: the multiplier, for each tensor that of its block. Methods that need C take A and B
as two fine-tunings of it, but for "add-difference", in which B alone is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from inkbloom.core.errors import RequestError, nearest


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What methods know beside the tensors."""

    multiplier: float
    density: float
    """TIES: the share of each difference that is kept, in (0, 1]."""
    drop: float
    """DARE: the share of each difference that is dropped, in [0, 1)."""
    seed: int
    name: str
    """The tensor's, so that each is dropped from by its own numbers, whatever the order."""


@dataclass(frozen=True, kw_only=True)
class Method:
    name: str
    label: str
    """In the recipe; A1111's word where it has the method."""
    models: int
    """How many it needs: A; A and B; A, B and C."""
    multiplier: float
    """Its default."""
    mixes: bool
    """Goes from A at 0 to B at 1, and has no meaning beyond."""
    title: str
    """The result's name, of {a} {b} {c}, {m} the multiplier and {rest} = 1 - m."""
    combine: Callable[[list[Tensor], Tuning], Tensor]


METHODS: dict[str, Method] = {}


def method(name: str, label: str, title: str, *, models: int, multiplier: float = 0.3, mixes: bool = False):
    """Register a function of the models' tensors and a `Tuning`."""

    def register(combine: Callable[[list[Tensor], Tuning], Tensor]) -> Callable[[list[Tensor], Tuning], Tensor]:
        METHODS[name] = Method(
            name=name, label=label, title=title, models=models, multiplier=multiplier, mixes=mixes, combine=combine
        )
        return combine

    return register


def find_method(name: str) -> Method:
    """The method of this name; `RequestError` with the nearest ones otherwise."""
    if name not in METHODS:
        raise RequestError(f'Unknown merge method "{name}".{nearest(name, METHODS)}')
    return METHODS[name]


@method("weighted-sum", "Weighted sum", "{rest}({a}) + {m}({b})", models=2, mixes=True)
def weighted_sum(tensors: list[Tensor], tuning: Tuning) -> Tensor:
    """(1 - m) a + m b."""
    a, b = tensors
    return (1 - tuning.multiplier) * a + tuning.multiplier * b


@method("add-difference", "Add difference", "{a} + {m}({b} - {c})", models=3)
def add_difference(tensors: list[Tensor], tuning: Tuning) -> Tensor:
    """a + m (b - c)."""
    a, b, c = tensors
    return a + tuning.multiplier * (b - c)


@method("no-interpolation", "No interpolation", "{a}", models=1)
def no_interpolation(tensors: list[Tensor], tuning: Tuning) -> Tensor:
    """a: for another precision, another autoencoder, or less."""
    return tensors[0]


@method("slerp", "SLERP", "{rest}({a}) slerp {m}({b})", models=2, mixes=True)
def slerp(tensors: list[Tensor], tuning: Tuning) -> Tensor:
    """Along the great circle from a to b (Shoemake 1985), their lengths mixed linearly; each tensor is one vector.

    With w the angle between them: (sin((1 - m) w) a / |a| + sin(m w) b / |b|) / sin(w) * ((1 - m) |a| + m |b|). Where
    the circle is not defined (one is zero, or they are parallel or opposite), it is the weighted sum.
    """
    a, b = tensors
    m, norm_a, norm_b = tuning.multiplier, a.norm(), b.norm()
    if not (norm_a and norm_b):
        return weighted_sum(tensors, tuning)
    unit_a, unit_b = a / norm_a, b / norm_b
    angle = (unit_a * unit_b).sum().clamp(-1, 1).arccos()
    # Below this the sine of the angle between float32 vectors is all rounding
    if angle.sin() < 1e-4:
        return weighted_sum(tensors, tuning)
    direction = ((1 - m) * angle).sin() * unit_a + (m * angle).sin() * unit_b
    return direction / angle.sin() * ((1 - m) * norm_a + m * norm_b)


@method("cosine-a", "Cosine A", "cosine-a {m}({a}, {b})", models=2, mixes=True)
def cosine_a(tensors: list[Tensor], tuning: Tuning) -> Tensor:
    """a where it is like b, else b: a + k (b - a), k = 1 - clamp(s - m, 0, 1), s the columns' cosine similarity.

    Columns run along the first dimension. A large m leans to B. After SuperMerger's "cosineA", without its second pass
    that stretches s over the whole model.
    """
    a, b = tensors
    return _towards(a, b, _column_similarity(a, b), tuning.multiplier)


@method("cosine-b", "Cosine B", "cosine-b {m}({a}, {b})", models=2, mixes=True)
def cosine_b(tensors: list[Tensor], tuning: Tuning) -> Tensor:
    """As "cosine-a", with s the mean of the columns' similarity and that of the whole tensors ("cosineB")."""
    a, b = tensors
    whole = torch.cosine_similarity(a.flatten(), b.flatten(), dim=0)
    return _towards(a, b, (_column_similarity(a, b) + whole) / 2, tuning.multiplier)


def _column_similarity(a: Tensor, b: Tensor) -> Tensor:
    return torch.cosine_similarity(a, b, dim=0) if a.dim() else torch.ones(())


def _towards(a: Tensor, b: Tensor, similarity: Tensor, multiplier: float) -> Tensor:
    return a.lerp(b, 1 - (similarity - multiplier).clamp(0, 1))


@method("ties", "TIES", "{c} + {m} ties({a}, {b})", models=3, multiplier=1.0)
def ties(tensors: list[Tensor], tuning: Tuning) -> Tensor:
    """c + m t, t the differences a - c and b - c trimmed, their signs elected, and averaged (Yadav et al. 2023).

    Trimming keeps the `density` largest of each difference, here within each tensor instead of within the model. A
    number's sign is that of the sum; its value is the mean of the differences that have this sign.
    """
    *tuned, base = tensors
    trimmed = torch.stack([_largest(one - base, tuning.density) for one in tuned])
    agree = trimmed.sign() == trimmed.sum(0).sign()
    mean = (trimmed * agree).sum(0) / agree.sum(0).clamp(min=1)
    return base + tuning.multiplier * mean


def _largest(difference: Tensor, density: float) -> Tensor:
    """The largest numbers, in size, and 0 for all others; at least one, and all that are as large as the last."""
    sizes = difference.abs().flatten()
    kept = max(1, round(density * sizes.numel()))
    threshold = sizes.kthvalue(sizes.numel() - kept + 1).values
    return difference * (difference.abs() >= threshold)


@method("dare", "DARE", "{c} + {m} dare({a}, {b})", models=3, multiplier=0.5)
def dare(tensors: list[Tensor], tuning: Tuning) -> Tensor:
    """c + m (d(a - c) + d(b - c)), d drops numbers at random and scales the others by 1 / (1 - drop) (Yu et al. 2024).

    The default m of 0.5 makes the mean of A and B on average.
    """
    *tuned, base = tensors
    total = torch.zeros_like(base)
    for which, one in enumerate(tuned):
        digest = hashlib.sha256(f"{tuning.seed} {which} {tuning.name}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))
        kept = torch.rand(base.shape, generator=generator) >= tuning.drop
        total += (one - base) * kept / (1 - tuning.drop)
    return base + tuning.multiplier * total
