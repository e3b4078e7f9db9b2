"""Work on many pictures in threads: Pillow and PyTorch let others run while they compute."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_ONCE = 1024
"""So many items are handed to the threads at a time, since each waiting one takes memory."""


def in_threads(work: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Iterator[Result]:
    """`work` of each item, in their order; what has not begun is given up when the reader stops, or one raises."""
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(items), _AT_ONCE):
            yield from pool.map(work, items[start : start + _AT_ONCE])
