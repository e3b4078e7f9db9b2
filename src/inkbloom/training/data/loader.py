"""Reading ahead: while a step is computed, threads make the next ones."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from inkbloom.training.batches import Batch, Batches


class Loader:
    """`Batches` that are `batches` themselves, only sooner there.

    Whoever asks for some rows of a step will ask for the same rows of the next `ahead` steps: these are begun at once,
    each cut in pieces for `threads`. At most `ahead` + 1 batches are in memory. An error in a thread is raised where
    its batch is asked for. Close it, or use it in a `with`, to end the threads.
    """

    def __init__(self, batches: Batches, *, threads: int, ahead: int) -> None:
        self.batches, self.threads, self.ahead = batches, threads, ahead
        self.global_size, self.steps_per_epoch = batches.global_size, batches.steps_per_epoch
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="loader")
        self._begun: dict[tuple[int, tuple[int, ...]], list[Future[Batch]]] = {}
        self._lock = threading.Lock()

    def batch(self, step: int, rows: Sequence[int]) -> Batch:
        """As `batches.batch`, to the bit."""
        rows = tuple(rows)
        with self._lock:
            # What lies outside was for steps that were never asked for: a run that was resumed elsewhere.
            for key in [key for key in self._begun if not step <= key[0] <= step + self.ahead]:
                for future in self._begun.pop(key):
                    future.cancel()
            for coming in range(step, step + self.ahead + 1):
                if (coming, rows) not in self._begun:
                    self._begun[coming, rows] = self._begin(coming, rows)
            pieces = self._begun.pop((step, rows))
        return join([piece.result() for piece in pieces])

    def close(self) -> None:
        """Give up what was begun, and wait for the threads to end."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _begin(self, step: int, rows: tuple[int, ...]) -> list[Future[Batch]]:
        size = math.ceil(len(rows) / self.threads)
        pieces = [rows[start : start + size] for start in range(0, len(rows), size)]
        return [self._pool.submit(self.batches.batch, step, piece) for piece in pieces]


def join(pieces: Sequence[Batch]) -> Batch:
    """Rows of one step as one batch."""
    joined = {}
    for field in dataclasses.fields(Batch):
        values = [getattr(piece, field.name) for piece in pieces]
        if isinstance(values[0], Tensor):
            joined[field.name] = torch.cat(values)
        elif isinstance(values[0], tuple):
            joined[field.name] = sum(values, ())
        else:
            joined[field.name] = values[0]
    return Batch(**joined)


def pictures_per_second(batches: Batches, steps: int, first: int = 0) -> float:
    """How fast whole batches come when nothing else is done: `steps` of them from step `first` on."""
    rows = range(batches.global_size)
    start = time.perf_counter()
    for step in range(first, first + steps):
        batches.batch(step, rows)
    return steps * batches.global_size / (time.perf_counter() - start)
