"""The service with its real worker, painting with the starter."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inkbloom.apps.service import DataFolder, Service, workers
from inkbloom.apps.service.jobs import Job, State, UpscaleSpec
from inkbloom.pipelines.metadata import read_metadata
from tests.apps.service.conftest import png, spec_of

LONG = 120.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(DataFolder(tmp_path_factory.mktemp("data")), None, devices=["cpu"])
    service.start()
    yield service
    service.close()


def _until(what, seconds: float = LONG) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def _done(service: Service, job: Job) -> Job:
    job = service.wait(job.id, LONG)
    assert job.state == State.DONE, job.error
    return job


def test_pictures_are_painted_told_and_found(running: Service) -> None:
    running.set_settings({"preview_every": 1})
    start = running.events.last
    job = _done(running, running.submit(spec_of("a cat on the beach", num_images=2)))
    assert [(one.index, one.seed, one.width) for one in job.pictures] == [(0, 7, 64), (1, 8, 64)]
    assert job.progress.done == 1
    assert job.attempts == 1
    assert job.started
    assert job.finished
    assert job.error is None
    assert running.steps(job.id) == [1, 2, 3, 4]
    assert job.preview_step == 4
    preview = running.preview(job.id, 2)
    assert preview is not None
    assert preview.startswith(b"\xff\xd8")
    kinds = [event.type for event in running.events.since(start)]
    assert kinds.count("picture") == 2
    assert kinds[-1] == "job"
    assert {"progress", "preview"} <= {*kinds}
    assert [one.id for one in running.gallery.search("beach seed:8")[0]] == [job.pictures[1].id]
    path = running.gallery.file(job.pictures[0].id)
    request = read_metadata(path).request
    assert request is not None
    assert request.seed == 7
    assert path.is_relative_to(running.folder.outputs)
    assert not any(running.folder.spool.iterdir())


def test_a_picture_is_proven_to_be_the_same(running: Service) -> None:
    job = _done(running, running.submit(spec_of()))
    proof = _done(running, running.verify(job.pictures[0].id))
    assert proof.result is not None
    assert proof.result["same"]
    again = _done(running, running.reproduce(job.pictures[0].id))
    first, second = (running.gallery.file(one.pictures[0].id) for one in (job, again))
    assert first != second
    assert first.read_bytes() == second.read_bytes()


def test_given_pictures_come_back_by_name(running: Service) -> None:
    upload = running.uploads.add(png((64, 64)))
    job = _done(running, running.submit(spec_of(init_image=upload.name)))
    request = job.pictures[0].request
    assert request is not None
    assert request["init_image"] == upload.name
    large = _done(running, running.submit(UpscaleSpec(images=(upload.name,), scale=2, upscaler="Lanczos")))
    assert (large.pictures[0].width, large.pictures[0].height) == (128, 128)


def test_a_job_is_cancelled_at_work_and_keeps_what_is_finished(running: Service) -> None:
    id = running.submit(spec_of(num_images=50, steps=8)).id
    _until(lambda: len(running.job(id).pictures) >= 2)
    assert running.cancel(id).state == State.CANCELLED
    after = _done(running, running.submit(spec_of()))  # the worker is free for others
    job = running.job(id)
    assert after.state == State.DONE
    assert job.state == State.CANCELLED
    assert 2 <= len(job.pictures) < 50


def test_pausing_finishes_the_picture_and_keeps_the_rest(running: Service) -> None:
    id = running.submit(spec_of(num_images=4, steps=8)).id
    _until(lambda: running.job(id).pictures)
    running.pause()
    _until(lambda: running.job(id).state == State.QUEUED)
    assert len(running.job(id).pictures) < 4
    running.resume()
    job = _done(running, running.job(id))
    assert [one.index for one in job.pictures] == [0, 1, 2, 3]
    assert job.attempts == 2


def test_what_cannot_be_done_fails_with_the_reason(running: Service) -> None:
    job = running.wait(running.submit(spec_of(clip_skip=9)).id, LONG)
    assert job.state == State.FAILED
    assert job.error is not None
    assert "clip_skip 9" in job.error.message
    upload = running.uploads.add(png((64, 72)))
    running.pause()
    id = running.submit(spec_of(init_image=upload.name)).id
    running.uploads.open(upload.id).unlink()
    running.resume()
    job = running.wait(id, LONG)
    assert job.state == State.FAILED
    assert job.error is not None
    assert job.error.message == f'There is no upload "{upload.id}".'


def test_a_worker_that_dies_is_replaced_and_its_job_goes_on(running: Service) -> None:
    whole = _done(running, running.submit(spec_of(steps=8, num_images=3)))
    id = running.submit(spec_of(steps=8, num_images=3)).id
    _until(lambda: running.job(id).pictures)
    _kill_workers(os.getpid())
    job = _done(running, running.job(id))
    assert job.attempts == 2
    assert [one.index for one in job.pictures] == [0, 1, 2]
    for one, other in zip(whole.pictures, job.pictures, strict=True):
        assert running.gallery.file(one.id).read_bytes() == running.gallery.file(other.id).read_bytes()


def test_a_picture_that_was_saved_and_not_told_is_taken_in(folder: DataFolder, running: Service) -> None:
    painted = running.gallery.file(_done(running, running.submit(spec_of())).pictures[0].id)
    first = Service(folder, None, devices=[])
    id = first.submit(spec_of(num_images=2)).id
    taken = first._queue.take("cpu")
    place = folder.outputs / f"{taken.stem}-000.png"
    place.parent.mkdir()
    place.write_bytes(painted.read_bytes())
    (place.parent / f"{place.name}.tmp").write_bytes(b"half")
    first._database.close()  # and is gone, as after kill -9
    second = Service(folder, None, devices=[])
    second.start()
    second._dispatcher._starter.join()
    job = second.job(id)
    assert job.state == State.QUEUED
    assert [(one.index, one.seed) for one in job.pictures] == [(0, 7)]
    assert job.pictures[0].prompt == "a cat"
    assert second._naming.run(second._queue.take("cpu"), second.gallery.finished(id))["done"] == [0]
    second.close()


def _kill_workers(parent: int) -> None:
    """Kill the processes that `multiprocessing` spawned from here, but not its resource tracker."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            status = (path.parent / "stat").read_text().rpartition(")")[2].split()
            if int(status[1]) == parent and b"spawn_main" in path.read_bytes():
                os.kill(int(path.parent.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue


def test_a_worker_that_does_not_listen_is_replaced(running: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_OBEY", 1.0)
    job = running.submit(spec_of(steps=900))
    _until(lambda: running.job(job.id).progress.step > 0)
    (process,) = multiprocessing.active_children()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)  # as if in a step that takes for ever
    assert running.cancel(job.id).state == State.CANCELLED
    assert _done(running, running.submit(spec_of())).pictures
    assert running.job(job.id).state == State.CANCELLED
