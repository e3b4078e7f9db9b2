"""The parent's side of a worker, with a process that does as it is told here."""

import signal
import threading

import pytest

from inkbloom.apps.service import Service
from inkbloom.apps.service.dispatch import LOSSES
from inkbloom.apps.service.jobs import State
from inkbloom.apps.service.messages import place
from inkbloom.apps.service.workers import Worker, _say_exit
from tests.apps.service.conftest import spec_of


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (3, "The worker ended by itself, with exit code 3."),
        (-signal.SIGSEGV, "The worker was ended by SIGSEGV."),
        (-signal.SIGKILL, "The worker was ended by SIGKILL; the system may have run out of memory."),
    ],
)
def test_how_a_worker_ended_is_said(code: int, words: str) -> None:
    assert _say_exit(code) == words


def test_a_job_that_loses_worker_after_worker_fails(service: Service) -> None:
    id = service.submit(spec_of(num_images=2)).id
    dispatcher = service._dispatcher
    worker = Worker("cpu", lambda: service._worker_config("cpu"), dispatcher)
    for attempt in range(1, LOSSES):
        assert dispatcher.next(worker) is not None
        dispatcher.lost(worker, id, "It crashed.")
        job = service.job(id)
        assert (job.state, job.attempts) == (State.QUEUED, attempt)
    dispatcher.next(worker)
    dispatcher.lost(worker, id, "It crashed.")
    job = service.job(id)
    assert job.state == State.FAILED
    assert job.error is not None
    assert job.error.type == "WorkerLost"
    assert "3 workers were lost over it" in job.error.message
    assert service.retry(id).state == State.QUEUED
    assert dispatcher.next(worker) is not None


def test_nothing_told_is_lost_while_the_disk_is_full(service: Service) -> None:
    id = service.submit(spec_of()).id
    dispatcher = service._dispatcher
    worker = Worker("cpu", lambda: service._worker_config("cpu"), dispatcher)
    dispatcher.next(worker)
    with service._database.writing() as db:
        db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
    result = {"tell": "result", "job": id, "result": {"text": "x" * 100_000}}
    thread = threading.Thread(target=dispatcher.heard, args=(worker, result))
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()
    assert service.trouble is not None
    assert "full" in service.trouble
    with service._database.writing() as db:
        db.execute("PRAGMA max_page_count = 100000")
    thread.join(30)
    job = service.job(id)
    assert service.trouble is None
    assert job.result == result["result"]


def test_what_a_dead_worker_half_wrote_is_removed(service: Service) -> None:
    service.submit(spec_of())
    dispatcher = service._dispatcher
    worker = Worker("cpu", lambda: service._worker_config("cpu"), dispatcher)
    run = dispatcher.next(worker)
    assert run is not None
    path = place(run, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    torn, other = path.with_name(f".{path.name}.123.new"), path.with_name(".another-000.png.123.new")
    torn.write_bytes(b"half")
    other.write_bytes(b"half")
    dispatcher.lost(worker, run["job"], "It crashed.")
    assert (torn.exists(), other.exists()) == (False, True)
