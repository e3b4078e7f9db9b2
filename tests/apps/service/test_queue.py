"""Order, states and idempotency, on the real database without a worker."""

import random

import pytest

from inkbloom.apps.service import DataFolder, Service
from inkbloom.apps.service.jobs import Failure, State
from inkbloom.apps.service.refusals import ConflictError, FullError, UnknownError
from inkbloom.core.errors import RequestError
from tests.apps.service.conftest import spec_of


def _order(service: Service) -> list[str]:
    return [job.title for job in service.queue()["waiting"]]


def _submit(service: Service, *names: str, priority: int = 0) -> dict[str, str]:
    return {name: service.submit(spec_of(name), priority=priority).id for name in names}


def test_the_higher_priority_goes_first_then_who_came_first(service: Service) -> None:
    _submit(service, "a", "b")
    _submit(service, "urgent", priority=5)
    _submit(service, "c")
    _submit(service, "later", priority=-1)
    assert _order(service) == ["urgent", "a", "b", "c", "later"]
    assert [job.place for job in service.queue()["waiting"]] == [0, 1, 2, 3, 4]
    assert service.job(service.queue()["waiting"][3].id).place == 3
    assert [service._queue.take("cpu").spec["request"]["prompt"] for _ in range(2)] == ["urgent", "a"]


def test_jobs_move_between_others_however_often(service: Service) -> None:
    ids = _submit(service, *"abcdef")
    expected = [*"abcdef"]
    chance = random.Random(0)
    for _ in range(150):
        moved, before = chance.sample("abcdef", 2)
        service.move(ids[moved], ids[before])
        expected.remove(moved)
        expected.insert(expected.index(before), moved)
        assert _order(service) == expected


def test_positions_are_numbered_anew_where_there_is_no_room_left(service: Service) -> None:
    ids = _submit(service, *"abc")
    for moved in "ab" * 40:  # each goes right before c, which halves the room each time
        service.move(ids[moved], ids["c"])
    assert _order(service) == ["a", "b", "c"]


def test_front_and_end_take_the_priority_of_the_place(service: Service) -> None:
    ids = _submit(service, "a", "b", "c")
    _submit(service, "urgent", priority=5)
    assert service.move(ids["c"]).priority == 5
    assert _order(service) == ["c", "urgent", "a", "b"]
    assert service.move(ids["c"], last=True).priority == 0
    assert _order(service) == ["urgent", "a", "b", "c"]
    service.prioritise(ids["b"], 9)
    assert _order(service) == ["b", "urgent", "a", "c"]
    with pytest.raises(RequestError, match="name another job"):
        service.move(ids["a"], ids["a"])


def test_the_same_key_gives_the_same_job(service: Service) -> None:
    first = service.submit(spec_of("a"), key="k")
    assert service.submit(spec_of("other"), key="k").id == first.id
    assert service.submit(spec_of("a")).id != first.id
    assert service.jobs()[1] == 2


def test_held_jobs_stay_until_they_are_released(service: Service) -> None:
    ids = _submit(service, "a", "b")
    assert service.hold(ids["a"]).place is None
    assert _order(service) == ["b", "a"]
    assert service._queue.take("cpu").id == ids["b"]
    assert service._queue.take("cpu") is None
    assert service.release(ids["a"]).state == State.QUEUED
    with pytest.raises(ConflictError, match="is queued; it would have to be held"):
        service.release(ids["a"])


def test_a_waiting_job_is_cancelled_retried_and_forgotten(service: Service) -> None:
    id = service.submit(spec_of()).id
    assert service.cancel(id).state == State.CANCELLED
    assert service._queue.take("cpu") is None
    with pytest.raises(ConflictError, match="is cancelled"):
        service.cancel(id)
    assert service.retry(id).state == State.QUEUED
    with pytest.raises(ConflictError):
        service.forget(id)
    service.cancel(id)
    service.forget(id)
    with pytest.raises(UnknownError, match="There is no job"):
        service.job(id)


def test_pictures_are_left_out_one_by_one(service: Service, painted) -> None:
    id = service.submit(spec_of(num_images=3)).id
    painted(job=id, index=0)
    with pytest.raises(ConflictError, match="finished already"):
        service.cancel(id, 0)
    with pytest.raises(RequestError, match="picture 3: the job has 3, numbered from 0"):
        service.cancel(id, 3)
    assert service.cancel(id, 1).state == State.QUEUED
    taken = service._queue.take("cpu")
    assert taken.skipped == (1,)
    run = service._naming.run(taken, service.gallery.finished(id))
    assert run["done"] == [0]
    assert run["skip"] == [1]


def test_a_job_without_a_picture_left_is_cancelled(service: Service) -> None:
    id = service.submit(spec_of(num_images=2)).id
    service.cancel(id, 0)
    assert service.cancel(id, 1).state == State.CANCELLED


def test_cancelling_holds_though_the_worker_tells_otherwise_and_the_server_dies(
    service: Service, folder: DataFolder
) -> None:
    id = service.submit(spec_of()).id
    service._queue.take("cpu")
    assert service.cancel(id).state == State.CANCELLED
    service._queue.release(id, State.DONE)
    assert service.job(id).state == State.CANCELLED
    service._queue.recover()
    assert service.job(id).state == State.CANCELLED


def test_a_job_that_is_retried_while_its_worker_stops_waits_for_that(service: Service) -> None:
    id = service.submit(spec_of()).id
    service._queue.take("cpu")
    service.cancel(id)
    service.retry(id)
    assert service._queue.take("other") is None
    assert service._queue.release(id, State.CANCELLED) == State.QUEUED
    assert service._queue.take("other").id == id


def test_a_full_queue_refuses(service: Service) -> None:
    service.set_settings({"most_queued": 2})
    _submit(service, "a", "b")
    with pytest.raises(FullError, match="2 jobs wait already, and at most 2 may"):
        service.submit(spec_of())


def test_history_is_paged_and_filtered_with_its_total(service: Service) -> None:
    ids = [service.submit(spec_of(str(i)), client="x" if i % 2 else None).id for i in range(5)]
    service.cancel(ids[0])
    page, total = service.jobs(limit=2)
    assert ([job.title for job in page], total) == (["4", "3"], 5)
    page, total = service.jobs(limit=2, before=page[-1].id)
    assert ([job.title for job in page], total) == (["2", "1"], 5)
    assert [job.id for job in service.jobs(states=[State.CANCELLED])[0]] == [ids[0]]
    assert service.jobs(kinds=["upscale"])[1] == 0
    assert service.jobs(client="x")[1] == 2
    assert service.counts()["queued"] == 4
    assert service.counts()["cancelled"] == 1
    assert service.clear() == 4
    assert service.counts()["cancelled"] == 5


def test_everything_is_there_after_a_restart_and_what_ran_waits_in_its_place(folder: DataFolder) -> None:
    first = Service(folder, None, devices=[])
    ids = _submit(first, "a", "b", "c")
    first.move(ids["c"], ids["a"])
    first._queue.take("cpu")
    first.pause()
    first.set_settings({"format": "webp"})
    # It is not closed: as after kill -9
    second = Service(folder, None, devices=[])
    second.start()
    second._dispatcher._starter.join()
    assert _order(second) == ["c", "a", "b"]
    assert second.queue()["paused"]
    assert second.job(ids["c"]).attempts == 1
    assert second.settings.format == "webp"
    assert second._queue.take("cpu").id == ids["c"]
    second.close()
    first._database.close()


def test_a_failure_says_why_and_can_be_retried(service: Service) -> None:
    id = service.submit(spec_of()).id
    service._queue.take("cpu")
    service._queue.release(id, State.FAILED, error=Failure(type="MemoryNeededError", message="Too large."))
    job = service.job(id)
    assert job.state == State.FAILED
    assert job.error == Failure(type="MemoryNeededError", message="Too large.")
    assert job.finished is not None
    again = service.retry(id)
    assert again.error is None
    assert again.finished is None
    assert again.state == State.QUEUED


def test_what_failed_when_it_was_cancelled_already_is_cancelled(service: Service) -> None:
    id = _submit(service, "a")["a"]
    service._queue.take("cpu")
    service.cancel(id)
    service._queue.release(id, State.FAILED, error=Failure(type="OutputError", message="Too late."))
    job = service.job(id)
    assert (job.state, job.error) == (State.CANCELLED, None)


def test_only_a_job_alone_tells_how_its_pictures_are_made(service: Service, painted) -> None:
    id = _submit(service, "a")["a"]
    painted("a", job=id)
    (alone,) = service.job(id).pictures
    assert alone.request is not None
    for job in (service.jobs()[0][0], service.queue()["waiting"][0]):
        assert job.pictures == [alone.model_copy(update={"request": None})]


def test_asking_costs_the_same_number_of_queries_however_many_jobs(service: Service, painted) -> None:
    def queries(ask) -> int:
        count = 0

        def counted(_: str) -> None:
            nonlocal count
            count += 1

        with service._database.reading() as db:
            pass
        db.set_trace_callback(counted)
        ask()
        db.set_trace_callback(None)
        return count

    painted(job=service.submit(spec_of()).id)
    _submit(service, "a")
    few = queries(service.jobs), queries(service.queue), queries(lambda: service.gallery.search("steps:4"))
    for number in range(5):
        painted(job=_submit(service, "more")["more"], index=number)
    assert (queries(service.jobs), queries(service.queue), queries(lambda: service.gallery.search("steps:4"))) == few
