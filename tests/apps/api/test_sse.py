"""Events and waiting, for many clients of one loop."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from inkbloom.apps.api.sse import Heard, Hub, as_sse, outcome, wait_for_end
from inkbloom.apps.service.events import RING, Event
from inkbloom.apps.service.jobs import GenerateSpec
from inkbloom.apps.service.refusals import ClosingError
from inkbloom.apps.service.service import Service
from inkbloom.pipelines.request import GenerationRequest


def request(*messages: dict[str, Any]) -> Request:
    """Of a client that says this, and then is silent."""
    left = list(messages)

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return Request({"type": "http", "method": "GET", "headers": []}, receive)


async def take(stream: AsyncIterator[bytes], count: int) -> list[bytes]:
    return [await asyncio.wait_for(anext(stream), 5) for _ in range(count)]


def numbers(frames: list[bytes]) -> list[int]:
    return [int(frame.split(b"\n")[0].removeprefix(b"id: ")) for frame in frames]


def test_an_event_as_text() -> None:
    frame = as_sse(Event(7, "job", {"title": "a\nb 猫"}))
    assert frame.startswith(b"id: 7\nevent: job\ndata: {")
    assert frame.endswith(b"}\n\n")
    assert frame.count(b"\n") == 4
    assert json.loads(frame.split(b"data: ")[1]) == {"title": "a\nb 猫"}


def test_missed_events_come_first_and_none_twice(service: Service) -> None:
    async def run() -> None:
        hub = Hub(service.events)
        hub.start()
        for i in range(3):
            service.events.publish("queue", {"i": i})
        since = service.events.last - 2
        stream = hub.stream(since)
        first = await take(stream, 3)
        assert first[0] == f"retry: 1000\nid: {since}\n\n".encode()
        # From another thread, as workers do
        thread = threading.Thread(target=service.events.publish, args=("queue", {"i": 3}))
        thread.start()
        later = await take(stream, 1)
        thread.join()
        assert numbers(first[1:] + later) == [since + 1, since + 2, since + 3]
        await stream.aclose()
        assert not hub._listeners
        hub.stop()

    asyncio.run(run())


def test_who_comes_too_late_begins_anew(service: Service) -> None:
    async def run() -> None:
        hub = Hub(service.events)
        hub.start()
        for _ in range(RING + 10):
            service.events.publish("queue", {})
        stream = hub.stream(1)
        frames = await take(stream, 2)
        assert frames[1] == f"id: {service.events.last}\nevent: reset\ndata: {{}}\n\n".encode()
        await stream.aclose()
        hub.stop()

    asyncio.run(run())


def test_a_slow_client_is_dropped_and_loses_nothing_it_was_sent() -> None:
    async def run() -> None:
        heard = Heard(None, 2)
        for seq in range(5):
            heard.put(Event(seq, "queue", {}))
        assert heard.lost
        assert not heard.over
        assert [(await heard.next(1)).seq for _ in range(2)] == [0, 1]  # type: ignore[union-attr]
        assert heard.over

    asyncio.run(run())


def test_closing_ends_streams_and_waiting(service: Service) -> None:
    async def run() -> None:
        hub = Hub(service.events)
        hub.start()
        job = service.submit(GenerateSpec(request=GenerationRequest(prompt="a cat")))
        stream = hub.stream(None)
        await take(stream, 1)

        async def rest() -> list[bytes]:
            return [frame async for frame in stream]

        reading = asyncio.create_task(rest())
        waiting = asyncio.create_task(wait_for_end(hub, service, job.id, 60, request()))
        painting = asyncio.create_task(outcome(hub, service, job.id, request()))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(hub.stop_soon)
        await asyncio.wait_for(asyncio.gather(reading, waiting), 5)
        with pytest.raises(ClosingError, match=f"The server is closing; job {job.id} goes on"):
            await painting

    asyncio.run(run())


def test_who_hangs_up_ends_the_call_that_paints(service: Service) -> None:
    async def run() -> None:
        hub = Hub(service.events)
        hub.start()
        job = service.submit(GenerateSpec(request=GenerationRequest(prompt="a cat"))).id
        with pytest.raises(ClientDisconnect):
            await outcome(hub, service, job, request({"type": "http.disconnect"}))
        assert service.job(job).state == "queued"
        hub.stop()

    asyncio.run(run())


@pytest.mark.parametrize("how", ["ended", "hung up", "time is over"])
def test_waiting_ends(service: Service, how: str) -> None:
    async def run() -> None:
        hub = Hub(service.events)
        hub.start()
        job = service.submit(GenerateSpec(request=GenerationRequest(prompt="a cat"))).id
        gone = [{"type": "http.disconnect"}] if how == "hung up" else []
        seconds = 0.1 if how == "time is over" else 60.0
        waiting = [asyncio.create_task(wait_for_end(hub, service, job, seconds, request(*gone))) for _ in range(50)]
        await asyncio.sleep(0.05)
        if how == "ended":
            await asyncio.to_thread(service.cancel, job)
        found = await asyncio.wait_for(asyncio.gather(*waiting), 5)
        assert {one.state.ended for one in found} == {how == "ended"}
        assert not hub._listeners
        hub.stop()

    asyncio.run(run())
