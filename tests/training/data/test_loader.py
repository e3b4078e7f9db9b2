import threading
from collections.abc import Sequence

import pytest
import torch

from inkbloom.core.errors import TrainingError
from inkbloom.training.batches import Batch
from inkbloom.training.data.loader import Loader, join, pictures_per_second


class Counted:
    """Batches that remember what was made, and fail at one step."""

    global_size, steps_per_epoch = 8, 10

    def __init__(self, fails_at: int | None = None) -> None:
        self.made: list[tuple[int, int]] = []
        self.fails_at = fails_at
        self._lock = threading.Lock()

    def batch(self, step: int, rows: Sequence[int]) -> Batch:
        if step == self.fails_at:
            raise TrainingError(f'"{step}.png" is broken.')
        with self._lock:
            self.made += [(step, row) for row in rows]
        latents = torch.tensor([[step, row] for row in rows]).float()[..., None, None]
        return Batch(
            step=step, rows=tuple(rows), global_size=8, captions=tuple(f"{step} {row}" for row in rows), latents=latents
        )


@pytest.mark.parametrize("threads", [1, 3, 16])
def test_batches_are_the_same_and_made_once(threads: int) -> None:
    source, plain = Counted(), Counted()
    with Loader(source, threads=threads, ahead=2) as loader:
        for step in range(6):
            for rows in (range(4), range(4, 8)):  # two micro-batches
                batch, expected = loader.batch(step, rows), plain.batch(step, rows)
                assert batch.captions == expected.captions
                assert batch.rows == expected.rows
                assert batch.latents is not None
                assert expected.latents is not None
                assert torch.equal(batch.latents, expected.latents)
                assert batch.weights is None
    assert len(source.made) == len(set(source.made))
    assert {step for step, _ in source.made} <= set(range(8))


def test_it_reads_ahead_and_no_further() -> None:
    source = Counted()
    with Loader(source, threads=2, ahead=2) as loader:
        loader.batch(0, range(8))
    ended = threading.active_count()
    assert {step for step, _ in source.made} <= {0, 1, 2}
    with Loader(Counted(), threads=1, ahead=1) as loader:
        loader.batch(0, range(8))
        assert threading.active_count() > ended
    assert threading.active_count() == ended


def test_jumping_to_another_step() -> None:
    with Loader(Counted(), threads=2, ahead=1) as loader:
        for step in (0, 7, 3, 3):
            assert loader.batch(step, [2]).captions == (f"{step} 2",)


def test_an_error_comes_with_its_own_step() -> None:
    with Loader(Counted(fails_at=2), threads=2, ahead=3) as loader:
        loader.batch(0, range(8))
        loader.batch(1, range(8))
        with pytest.raises(TrainingError, match=r'^"2.png" is broken\.$'):
            loader.batch(2, range(8))
        assert loader.batch(3, range(8)).step == 3


def test_joining_one() -> None:
    batch = Counted().batch(3, [1, 2])
    assert join([batch]).captions == batch.captions


def test_throughput_is_measured() -> None:
    source = Counted()
    assert pictures_per_second(source, 3, first=2) > 0
    assert sorted(source.made) == [(step, row) for step in (2, 3, 4) for row in range(8)]
