"""What is in an adapter: its layers in numbers, block by block."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from inkbloom.checkpoints.adapters.fitting import Fit, Parameter, places
from inkbloom.checkpoints.loading import LoadedModel
from inkbloom.checkpoints.merging.blocks import in_order
from inkbloom.families.spec import ModelSpec

TEXT = "TEXT"
"""Stands for the text encoder, which is not a block of the U-Net."""


@dataclass(frozen=True, kw_only=True)
class BlockSummary:
    block: str
    layers: int
    kinds: tuple[str, ...]
    ranks: tuple[int, ...]
    """The different ranks in it, increasing."""
    alphas: tuple[float, ...]
    """The different alphas that the file says."""
    norm: float | None
    """Frobenius norm of the block's changes together; None where they depend on weights that are not known."""


@torch.no_grad()
def summarise(fitted: Fit, spec: ModelSpec, model: LoadedModel | None = None) -> list[BlockSummary]:
    """A summary for the text encoder and each block of the U-Net that the adapter changes.

    `model` gives the weights that (IA)^3, GLoRA, OFT, BOFT and DoRA need before their changes have a norm.
    """
    table = places(spec)
    by_block: dict[str, list[Parameter]] = {}
    for parameter in fitted.changes:
        by_block.setdefault(TEXT if parameter[0] == "text" else table.blocks[parameter], []).append(parameter)

    def norm(parameter: Parameter) -> float:
        """nan where it is not known."""
        change = fitted.changes[parameter]
        if model is None:
            weight = torch.full(table.shapes[parameter], math.nan if change.needs_weight else 0.0)
        else:
            weight = getattr(model, parameter[0]).get_parameter(parameter[1]).detach().float()
        return float(torch.linalg.vector_norm(change.delta(weight)))

    summaries = []
    for block in (TEXT, *in_order(by_block.keys() - {TEXT})):
        if block not in by_block:
            continue
        changes = [fitted.changes[parameter] for parameter in by_block[block]]
        total = math.hypot(*map(norm, by_block[block]))
        summaries.append(
            BlockSummary(
                block=block,
                layers=len(changes),
                kinds=tuple(sorted({change.kind for change in changes})),
                ranks=tuple(sorted({change.rank for change in changes if change.rank is not None})),
                alphas=tuple(sorted({change.alpha for change in changes if change.alpha is not None})),
                norm=None if math.isnan(total) else total,
            )
        )
    return summaries
