"""Which pictures a step is made of, known for any step without going through those before it.

An epoch has each picture as often as its repeats, and as many regularisation pictures by turns. Every batch lies within
one bucket. A bucket whose pictures do not divide by the batch size fills its last batch of the epoch with its own first
ones: these come once more than the others, other ones in each epoch.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inkbloom.training.batches import row_generator

_ORDER, _BATCHES, _REGULAR = 24, 25, 26
"""Purposes of `row_generator`, whose step is an epoch here, and whose row a bucket."""

_KEPT = 2
"""Epochs in memory: where one ends, the next is read ahead already."""


@dataclass(frozen=True)
class BucketContents:
    samples: tuple[int, ...]
    """Indices of examples, each as often as it comes in an epoch."""
    regularisation: tuple[int, ...] = ()


@dataclass(frozen=True)
class PlannedStep:
    epoch: int
    bucket: int
    examples: tuple[int, ...]
    """As many as a batch has."""


class Plan:
    def __init__(self, buckets: Sequence[BucketContents], batch_size: int, seed: int) -> None:
        """`buckets` may be empty ones, but not all."""
        self.batch_size, self.seed = batch_size, seed
        self._samples = [torch.tensor(bucket.samples, dtype=torch.int64) for bucket in buckets]
        self._regular = [torch.tensor(bucket.regularisation, dtype=torch.int64) for bucket in buckets]
        self._quotas = _apportion(sum(map(len, self._samples)), [len(regular) for regular in self._regular])
        sizes = [len(samples) + quota for samples, quota in zip(self._samples, self._quotas, strict=True)]
        self.steps_of_bucket = [math.ceil(size / batch_size) for size in sizes]
        self.samples_per_epoch = sum(sizes)
        self.steps_per_epoch = sum(self.steps_of_bucket)
        self._epochs: dict[int, tuple[Tensor, Tensor]] = {}
        self._lock = threading.Lock()

    def step(self, step: int) -> PlannedStep:
        """What the step (from 0) is made of; the same call gives the same answer."""
        epoch, position = divmod(step, self.steps_per_epoch)
        with self._lock:
            if epoch not in self._epochs:
                self._epochs[epoch] = self._make(epoch)
                for old in sorted(self._epochs, key=lambda known: abs(known - epoch))[_KEPT:]:
                    del self._epochs[old]
            buckets, examples = self._epochs[epoch]
        return PlannedStep(epoch, int(buckets[position]), tuple(examples[position].tolist()))

    def _make(self, epoch: int) -> tuple[Tensor, Tensor]:
        """An epoch's batches: their buckets (steps,) and examples (steps, batch_size)."""
        parts = []
        for bucket, samples in enumerate(self._samples):
            members = torch.cat([samples, self._regular_of(bucket, epoch)])
            order = torch.randperm(len(members), generator=row_generator(self.seed, epoch, bucket, _ORDER))
            places = torch.arange(self.steps_of_bucket[bucket] * self.batch_size) % max(len(members), 1)
            parts.append(members[order][places].unflatten(0, (-1, self.batch_size)) if len(members) else None)
        examples = torch.cat([part for part in parts if part is not None])
        buckets = torch.arange(len(parts)).repeat_interleave(torch.tensor(self.steps_of_bucket))
        shuffled = torch.randperm(len(examples), generator=row_generator(self.seed, epoch, 0, _BATCHES))
        return buckets[shuffled], examples[shuffled]

    def _regular_of(self, bucket: int, epoch: int) -> Tensor:
        """The bucket's next regularisation pictures: they come in passes, each in another order, across epochs."""
        regular, quota = self._regular[bucket], self._quotas[bucket]
        if not quota:
            return regular[:0]
        first, last = divmod(epoch * quota, len(regular)), (epoch + 1) * quota
        passes = range(first[0], math.ceil(last / len(regular)))
        orders = [
            torch.randperm(len(regular), generator=row_generator(self.seed, number, bucket, _REGULAR))
            for number in passes
        ]
        return regular[torch.cat(orders)][first[1] : first[1] + quota]


def _apportion(total: int, sizes: Sequence[int]) -> list[int]:
    """`total` in whole parts in proportion to `sizes`, those with the largest remainders rounded up (Hamilton)."""
    whole = sum(sizes)
    if not whole:
        return [0] * len(sizes)
    parts = [total * size // whole for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (-(total * sizes[i] % whole), i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts
