"""How a trained change begins: as nothing, ready to learn; shapes and numbers as in kohya's and LyCORIS's trainers."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inkbloom.checkpoints.adapters.kinds import Change, Decomposed, Hadamard, Kronecker, LowRank
from inkbloom.training.adapters.settings import LoraSettings


def beginning(
    weight: Tensor, rank: int, alpha: float, settings: LoraSettings, generator: torch.Generator
) -> LowRank | Hadamard | Kronecker | Decomposed:
    """A change of `weight` (out, in[, h, w]) that is zero, float32, of the settings' kind.

    One factor is zero (Hu et al. 2021, section 4.1; the Kronecker product's larger one), the others are drawn. DoRA's
    magnitudes are the norms of the weight's outputs (Liu et al. 2024, section 4.1), so that it changes nothing either.
    """
    out, into = weight.shape[0], weight[0].numel()
    match settings.adapter_kind:
        case "lora":
            up, down = torch.zeros(out, rank), _uniform(generator, rank, into)
            change = LowRank(up=up, down=down.reshape(rank, *weight.shape[1:]), alpha=alpha)
        case "loha":
            change = Hadamard(
                w1_a=torch.randn(out, rank, generator=generator) * 0.1,
                w1_b=torch.randn(rank, into, generator=generator),
                w2_a=torch.zeros(out, rank),
                w2_b=torch.randn(rank, into, generator=generator),
                alpha=alpha,
            )
        case "lokr":
            change = _kronecker(weight, rank, alpha, settings, generator)
    if not settings.dora:
        return change
    magnitude = torch.linalg.vector_norm(weight.detach().float().flatten(1), dim=1).cpu()
    return Decomposed(inner=change, magnitude=magnitude, per_input=False)


def _kronecker(
    weight: Tensor, rank: int, alpha: float, settings: LoraSettings, generator: torch.Generator
) -> Kronecker:
    """A factor is a product where its rank saves numbers, the smaller one only if both are to be decomposed."""
    out_cuts, out_size = cuts(weight.shape[0], settings.lokr_factor)
    in_cuts, in_size = cuts(weight.shape[1], settings.lokr_factor)
    kernel = weight.shape[2:]
    if settings.lokr_decompose_both and rank < max(out_cuts, in_cuts) / 2:
        w1 = _uniform(generator, out_cuts, rank), _uniform(generator, rank, in_cuts)
    else:
        w1 = _uniform(generator, out_cuts, in_cuts)
    if rank < max(out_size, in_size) / 2:
        w2 = _uniform(generator, out_size, rank), torch.zeros(rank, in_size * math.prod(kernel))
    else:
        w2 = torch.zeros(out_size, in_size, *kernel)
    return Kronecker(w1=w1, w2=w2, alpha=alpha)


def cuts(length: int, factor: int = -1) -> tuple[int, int]:
    """Two divisors of a length, the smaller first: `factor` where it divides it, else those nearest to each other that
    stay at most `factor` (-1: no limit)."""
    if factor > 0 and length % factor == 0:
        return min(factor, length // factor), max(factor, length // factor)
    most = length if factor == -1 else factor
    small = max(d for d in range(1, math.isqrt(length) + 1) if length % d == 0 and d <= most)
    return small, length // small


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Kaiming's with a = sqrt(5), as linear layers begin."""
    return nn.init.kaiming_uniform_(torch.empty(shape), a=math.sqrt(5), generator=generator)


def is_trainable(change: Change) -> bool:
    """Whether training can go on with a change that a file holds."""
    inner = change.inner if isinstance(change, Decomposed) else change
    return isinstance(inner, LowRank | Hadamard | Kronecker)
