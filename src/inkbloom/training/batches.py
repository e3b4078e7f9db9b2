"""What a training step is given: examples by step alone, so that the step number is the whole data cursor.

A *global batch* is what all processes and all their micro-batches see in one optimizer step. Its composition and every
random number of it depend on (seed, step, row in the global batch) only: a run can stop anywhere and go on, and another
number of processes or micro-batches trains on the very same numbers.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from inkbloom.core.types import Float, Image, Latent


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows of a global batch, all of one size, on the CPU. What a data set has none of is None."""

    step: int
    rows: tuple[int, ...]
    """Where these examples stand in the global batch."""
    global_size: int
    captions: tuple[str, ...]
    """As they are trained on: shuffled, dropped, prefixed."""
    latents: Latent | None = None
    """Scaled to unit variance, float32."""
    pixels: Image | None = None
    """In [-1, 1]."""
    loss_masks: Float[Tensor, "batch 1 latent_height latent_width"] | None = None
    """How much each place counts in the loss, from 0 on; an example's mean need not be 1."""
    weights: Float[Tensor, "batch"] | None = None
    """How much each example counts, as prior preservation asks for."""
    hints: Image | None = None
    """Control pictures, in [0, 1], at pixel resolution."""


class Batches(Protocol):
    """A data set as steps."""

    global_size: int
    """Examples in an optimizer step, over all processes and micro-batches."""
    steps_per_epoch: int

    def batch(self, step: int, rows: Sequence[int]) -> Batch:
        """The given rows (0 to `global_size` - 1) of step `step` (from 0); the same call gives the same batch."""
        ...


def row_generator(seed: int, step: int, row: int, purpose: int = 0) -> torch.Generator:
    """The CPU generator of one example in one step. Draws for different purposes do not depend on each other."""
    # PyTorch's CPU generator looks at the lower 32 bits of a seed only: a hash spreads all four numbers over them
    digest = hashlib.blake2b(f"{seed} {step} {row} {purpose}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest))
