"""The service's events for any number of clients at once, as server-sent events and as waiting.

All clients are coroutines of one loop, and none has a thread. Each has a bounded queue: a client that is too slow is
dropped, and comes back by itself with the number of the last event it had (WHATWG HTML, section 9.2).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import BaseModel
from pydantic_core import to_json
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from inkbloom.apps.service.refusals import ClosingError

if TYPE_CHECKING:
    from inkbloom.apps.service.events import Event, Events, Subscription
    from inkbloom.apps.service.jobs import Job
    from inkbloom.apps.service.service import Service

PING_SECONDS = 15.0
"""After so much silence a comment is sent, so that nobody in between takes the connection for dead."""
_FOREVER = 365 * 86_400.0
"""Seconds."""
QUEUE_LENGTH = 1000
"""Events that a client may be behind."""


class Heard:
    """One client's queue."""

    def __init__(self, wants: Callable[[Event], bool] | None, length: int) -> None:
        self.wants = wants
        self.lost = False
        """Whether an event did not fit; nothing comes after those that did."""
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(length)

    def put(self, event: Event) -> None:
        if self.lost or (self.wants is not None and not self.wants(event)):
            return
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.lost = True

    def end(self) -> None:
        """Wake who waits for an event."""
        if self._queue.empty():
            self._queue.put_nowait(None)

    async def next(self, seconds: float) -> Event | None:
        """The next event; None where there is none for so long, or where the hub has closed."""
        try:
            return await asyncio.wait_for(self._queue.get(), seconds)
        except TimeoutError:
            return None

    @property
    def over(self) -> bool:
        return self.lost and self._queue.empty()


class Hub:
    """Brings events from the service's threads to the coroutines that listen."""

    def __init__(self, events: Events) -> None:
        self.events = events
        self.closed = False
        self._listeners: set[Heard] = set()
        self._subscription: Subscription | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to hear, for the running event loop."""
        loop = self._loop = asyncio.get_running_loop()

        def notify() -> None:
            loop.call_soon_threadsafe(self._take)

        self._subscription = self.events.subscribe(notify=notify)

    def stop_soon(self) -> None:
        """`stop`, from a handler of signals or another thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.stop)

    def stop(self) -> None:
        """End all streams and all waiting."""
        self.closed = True
        if self._subscription is not None:
            self._subscription.close()
        for listener in self._listeners:
            listener.end()

    def _take(self) -> None:
        assert self._subscription is not None
        while not self.closed and (event := self._subscription.get(0)) is not None:
            for listener in self._listeners:
                listener.put(event)

    @contextmanager
    def listen(self, wants: Callable[[Event], bool] | None = None, length: int = QUEUE_LENGTH) -> Iterator[Heard]:
        """Hear what comes from now on: all of it, or the events that are wanted."""
        heard = Heard(wants, length)
        self._listeners.add(heard)
        try:
            yield heard
        finally:
            self._listeners.discard(heard)

    async def stream(self, since: int | None) -> AsyncIterator[bytes]:
        """Server-sent events: those after number `since` first (None: none of them), then what comes, until closed."""
        with self.listen() as heard:
            last = self.events.last if since is None else since
            yield f"retry: 1000\nid: {last}\n\n".encode()
            for event in [] if since is None else self.events.since(since):
                last = max(last, event.seq)
                yield as_sse(event)
            while not self.closed and not heard.over:
                event = await heard.next(PING_SECONDS)
                if event is None:
                    yield b": ping\n\n"
                elif event.seq > last:  # else it came between, and was sent with the missed ones
                    yield as_sse(event)


class Remembered:
    """Answers that many clients ask for again and again, made anew when something has changed: which an event tells.

    How far running work is may be `FRESH` seconds old in them.
    """

    MOST = 64
    """Different questions whose answers are kept."""
    FRESH = 0.2

    def __init__(self, events: Events) -> None:
        self._events = events
        self._answers: OrderedDict[Hashable, tuple[int, float, bytes]] = OrderedDict()

    def answer(self, question: Hashable, make: Callable[[], BaseModel]) -> Response:
        """What `make` gives as JSON, or gave a moment ago."""
        change, now = self._events.last_change, time.monotonic()
        known = self._answers.get(question)
        if known is None or known[0] != change or now - known[1] > self.FRESH:
            known = change, now, make().model_dump_json().encode()
            self._answers[question] = known
            if len(self._answers) > self.MOST:
                self._answers.popitem(last=False)
        return Response(known[2], media_type="application/json")


def as_sse(event: Event) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.type.encode(), to_json(event.data))


async def wait_for_end(hub: Hub, service: Service, job: str, seconds: float, request: Request) -> Job:
    """The job as soon as it has ended, or as it is after so many seconds, or when the client has hung up."""
    gone = asyncio.create_task(_hung_up(request))
    until = asyncio.get_running_loop().time() + seconds
    try:
        with hub.listen(lambda event: event.type == "job" and event.data["id"] == job) as heard:
            while True:
                found = service.job(job)
                left = until - asyncio.get_running_loop().time()
                if found.state.ended or left <= 0 or gone.done() or hub.closed:
                    return found
                coming = asyncio.create_task(heard.next(left))
                await asyncio.wait({coming, gone}, return_when=asyncio.FIRST_COMPLETED)
                coming.cancel()
    finally:
        gone.cancel()


async def outcome(hub: Hub, service: Service, job: str, request: Request) -> Job:
    """The job when it has ended, however long that takes.

    `ClosingError` where the server ends before, `ClientDisconnect` where the client does.
    """
    found = await wait_for_end(hub, service, job, _FOREVER, request)
    if found.state.ended:
        return found
    if hub.closed:
        raise ClosingError(f"The server is closing; job {job} goes on when it starts again.")
    raise ClientDisconnect


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
