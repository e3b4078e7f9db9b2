import threading
from itertools import islice

import pytest

from inkbloom.training.data.threads import in_threads


def test_results_in_order() -> None:
    assert list(in_threads(lambda n: n * n, range(2500), 3)) == [n * n for n in range(2500)]


def test_what_has_not_begun_is_given_up() -> None:
    done, stop = [], threading.Event()

    def work(number: int) -> None:
        if number == 3:
            stop.wait(10)
        if number == 4:
            stop.set()
            raise ValueError("four")
        done.append(number)

    with pytest.raises(ValueError, match="four"):
        list(in_threads(work, range(900), 2))
    assert len(done) < 900

    done.clear()
    results = in_threads(work, range(3), 1)
    assert list(islice(results, 1)) == [None]
    results.close()
    assert len(done) <= 3
