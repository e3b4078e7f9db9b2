"""Previews of pictures at work, in memory: they are worth little, and are many."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

MOST_JOBS = 32
MOST_BYTES = 64 * 2**20


class Previews:
    """The JPEGs of the steps of each job's newest picture; the oldest jobs' are dropped first. Safe in threads."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, tuple[int, dict[int, bytes]]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def put(self, job: str, picture: int, step: int, image: bytes, *, keep_steps: bool) -> None:
        with self._lock:
            before, steps = self._take(job)
            if before != picture or not keep_steps:
                steps = {}
            steps[step] = image
            self._jobs[job] = picture, steps
            self._bytes += sum(map(len, steps.values()))
            while len(self._jobs) > 1 and (len(self._jobs) > MOST_JOBS or self._bytes > MOST_BYTES):
                self._take(next(iter(self._jobs)))

    def get(self, job: str, step: int | None = None) -> bytes | None:
        """That of a step, or the newest; None where there is none."""
        with self._lock:
            _, steps = self._jobs.get(job, (0, {}))
            return steps.get(max(steps, default=0) if step is None else step)

    def steps(self, job: str) -> list[int]:
        with self._lock:
            return sorted(self._jobs.get(job, (0, {}))[1])

    def drop(self, job: str) -> None:
        with self._lock:
            self._take(job)

    def _take(self, job: str) -> tuple[int, dict[int, bytes]]:
        picture, steps = self._jobs.pop(job, (-1, {}))
        self._bytes -= sum(map(len, steps.values()))
        return picture, steps
