import time
from pathlib import Path
from typing import Any

import pytest

from inkbloom.apps.service.folders import DataFolder
from inkbloom.apps.service.settings import Settings
from inkbloom.apps.service.worker.cache import ModelCache
from inkbloom.apps.service.worker.errand import Errand, Ticket

PAUSE = 0.06
"""Seconds; longer than the shortest time between two tellings."""


def test_what_needed_no_work_does_not_shorten_the_time_left(tmp_path: Path) -> None:
    heard: list[Any] = []
    errand = Errand(
        ticket=Ticket(run={"job": "j"}),  # type: ignore[typeddict-item] - all that telling asks for
        send=heard.append,
        stopping=lambda: False,
        folder=DataFolder(tmp_path),
        settings=Settings.model_validate({}),
        models=ModelCache.__new__(ModelCache),
    )
    errand.progress("working", 0.0)
    time.sleep(PAUSE)
    errand.progress("working", 0.1)
    errand.leap(0.6)  # pictures that were skipped
    time.sleep(PAUSE)
    errand.progress("working", 0.65)
    left = [message["progress"]["seconds_left"] for message in heard]
    assert left[0] is None
    # Whatever the machine's speed: 0.15 of the whole was work, and took two pauses at least
    assert left[2] >= 2 * PAUSE / 0.15 * 0.35 * 0.99
    assert heard[2]["progress"]["done"] == pytest.approx(0.65)
