import threading
from pathlib import Path

import pytest

from inkbloom.apps.service.database import Database
from inkbloom.apps.service.events import RING, Events


@pytest.fixture
def database(tmp_path: Path):
    database = Database(tmp_path / "db")
    yield database
    database.close()


def test_a_client_reads_on_from_where_it_was(database: Database) -> None:
    events = Events(database)
    start = events.last
    for number in range(5):
        events.publish("job", {"n": number})
    assert [event.data["n"] for event in events.since(start + 2)] == [2, 3, 4]
    assert events.since(events.last) == []


def test_numbers_grow_over_restarts_and_old_clients_begin_anew(database: Database) -> None:
    first = Events(database)
    first.publish("job", {})
    again = Events(database)
    again.publish("job", {})
    assert again.last > first.last
    assert [event.type for event in again.since(first.last)] == ["reset"]
    assert again.since(first.last)[0].seq == again.last
    # A number that was never given out, as of another database
    assert [event.type for event in again.since(again.last + 5)] == ["reset"]


def test_who_falls_behind_the_ring_is_told_to_begin_anew(database: Database) -> None:
    events = Events(database)
    start = events.last
    with events.subscribe() as slow:
        for _ in range(RING + 1):
            events.publish("progress", {})
        assert [event.type for event in events.since(start)] == ["reset"]
        assert len(events.since(start + 1)) == RING
        reset = slow.get(0)
        assert reset is not None
        assert reset.type == "reset"
        assert slow.get(0) is None  # and goes on from there
        events.publish("job", {})
        following = slow.get(0)
        assert following is not None
        assert following.type == "job"


def test_a_subscription_waits_in_other_threads_and_notifies(database: Database) -> None:
    events = Events(database)
    rung = threading.Event()
    with events.subscribe(notify=rung.set) as subscription:
        assert subscription.get(0.01) is None
        thread = threading.Thread(target=events.publish, args=("job", {"a": 1}))
        thread.start()
        event = subscription.get(10)
        thread.join()
        assert event is not None
        assert event.data == {"a": 1}
        assert rung.is_set()
    rung.clear()
    events.publish("job", {})
    assert not rung.is_set()


def test_subscribers_all_see_everything_in_order(database: Database) -> None:
    events = Events(database)
    subscriptions = [events.subscribe() for _ in range(3)]
    threads = [threading.Thread(target=lambda: [events.publish("progress", {}) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for subscription in subscriptions:
        seen = [subscription.get(0) for _ in range(200)]
        numbers = [event.seq for event in seen if event is not None]
        assert numbers == [*range(numbers[0], numbers[0] + 200)]
        subscription.close()
