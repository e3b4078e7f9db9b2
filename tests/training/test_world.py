"""What a world of processes does without any; test_distributed.py has two."""

from typing import Any

import pytest

from inkbloom.core.errors import TrainingError
from inkbloom.training.world import World, joined


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_the_parts_of_a_batch_are_each_row_once(size: int, accumulation: int) -> None:
    parts = [World(rank, size).parts(7, accumulation) for rank in range(size)]
    assert {len(part) for part in parts} == {accumulation}
    assert sorted(row for part in parts for rows in part for row in rows) == list(range(7))


def test_a_world_of_one_needs_nobody() -> None:
    with joined("fsdp") as world:
        assert world == World(0, 1, "fsdp")
        assert world.main
        assert not world.sharded
        assert world.total({"a": 2.0}) == {"a": 2.0}
        assert world.agree(True, 1.5) == (True, 1.5)
    wrong: Any = "dpp"
    with (
        pytest.raises(TrainingError, match=r'^Unknown strategy "dpp"\. Did you mean "ddp" or "fsdp"\?$'),
        joined(wrong),
    ):
        pass
