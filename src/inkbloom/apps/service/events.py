"""What happens, as numbered events that clients read on from where they were.

The newest events are kept in a ring; who asks for older ones is told to begin anew: `Event(type="reset")`. Numbers only
ever grow, over restarts too: the database holds a ceiling below which all numbers may have been given out, and is asked
only once in `_RESERVE` events.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition
from typing import Any, Self

from inkbloom.apps.service.database import Database

RING = 4096
"""Events that are kept, at least the last three minutes of one painting job."""

PASSING = frozenset({"progress", "preview"})
"""Events of which only the newest matters."""
_RESERVE = 1_000_000
_CEILING = "event_ceiling"


@dataclass(frozen=True)
class Event:
    seq: int
    type: str
    """job, progress, preview, picture, queue, models, settings or reset."""
    data: dict[str, Any]
    """As JSON has it. After a reset everything must be asked for anew; its `seq` is where to go on."""


class Events:
    """Safe in threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ring: deque[Event] = deque(maxlen=RING)
        self._changed = Condition()
        self._subscriptions: list[Subscription] = []
        self._last = self._ceiling = int(database.value(_CEILING) or 0)
        self._last_change = self._last

    @property
    def last(self) -> int:
        """The number of the newest event."""
        return self._last

    @property
    def last_change(self) -> int:
        """The number of the newest event that told more than how far something is."""
        return self._last_change

    def publish(self, type: str, data: dict[str, Any]) -> None:
        with self._changed:
            if self._last >= self._ceiling:
                self._ceiling = self._last + _RESERVE
                self._database.keep(_CEILING, self._ceiling)
            self._last += 1
            self._ring.append(Event(self._last, type, data))
            if type not in PASSING:
                self._last_change = self._last
            subscriptions = list(self._subscriptions)
            self._changed.notify_all()
        for one in subscriptions:
            one.notify()

    def since(self, seq: int) -> list[Event]:
        """All events after that number, the oldest first; one reset where some of them are no longer known."""
        with self._changed:
            return self._since(seq)

    def subscribe(self, since: int | None = None, notify: Callable[[], None] = lambda: None) -> Subscription:
        """Follow what happens from now on, or after event `since`.

        `notify` is called from other threads after each event, for clients that do not block in `get`: it may schedule
        a `get(0)`, and must return at once.
        """
        with self._changed:
            subscription = Subscription(self, self._last if since is None else since, notify)
            self._subscriptions.append(subscription)
        return subscription

    def _since(self, seq: int) -> list[Event]:
        missed = self._last - seq
        if missed < 0 or missed > len(self._ring):
            return [Event(self._last, "reset", {})]
        return [self._ring[i] for i in range(len(self._ring) - missed, len(self._ring))]

    def _next(self, seq: int, timeout: float | None) -> list[Event]:
        until = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not (found := self._since(seq)):
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    return []
                self._changed.wait(left)
            return found

    def _leave(self, subscription: Subscription) -> None:
        with self._changed:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)


class Subscription:
    """One client's place in the stream; `close` it, or use it in a `with`."""

    def __init__(self, events: Events, seq: int, notify: Callable[[], None]) -> None:
        self._events = events
        self._seq = seq
        self._waiting: deque[Event] = deque()
        self.notify = notify

    def get(self, timeout: float | None = None) -> Event | None:
        """The next event; None where there is none within `timeout` seconds (None: wait as long as it takes)."""
        if not self._waiting:
            self._waiting.extend(self._events._next(self._seq, timeout))
        if not self._waiting:
            return None
        event = self._waiting.popleft()
        self._seq = event.seq
        return event

    def close(self) -> None:
        self._events._leave(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
