"""A job at work: what is asked, what it has at hand, what it tells, and when it is to stop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inkbloom.apps.service.folders import DataFolder
from inkbloom.apps.service.messages import Role, Run, ToServer, place
from inkbloom.apps.service.settings import Settings
from inkbloom.checkpoints.writing import write_whole
from inkbloom.core.errors import Stopped
from inkbloom.pipelines.metadata.writing import format_of, write_picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from inkbloom.apps.service.worker.cache import ModelCache
    from inkbloom.pipelines.request import ResolvedRequest
    from inkbloom.pipelines.stages import StageHashes

TELLS_A_SECOND = 20


@dataclass
class Ticket:
    """A job that the server sent, and what it said of it since; written by the thread that listens."""

    run: Run
    cancelled: bool = False
    skip: set[int] = field(default_factory=set)


@dataclass(kw_only=True)
class Errand:
    ticket: Ticket
    send: Callable[[ToServer], None]
    stopping: Callable[[], bool]
    """Whether the process is to end."""
    folder: DataFolder
    settings: Settings
    models: ModelCache
    warnings: list[str] = field(default_factory=list)
    """What the user should know of the whole job."""
    _stage: str = ""
    _told: float = 0.0
    _began: tuple[float, float] | None = None
    _done: float = 0.0

    @property
    def run(self) -> Run:
        return self.ticket.run

    @property
    def done(self) -> set[int]:
        """Pictures of earlier attempts."""
        return set(self.run["done"])

    @property
    def left_out(self) -> set[int]:
        """Pictures that nobody wants any more; it grows while the job runs."""
        return set(self.run["skip"]) | set(self.ticket.skip)

    @property
    def spool(self) -> Path:
        return Path(self.run["spool"])

    def must_stop(self) -> bool:
        return self.ticket.cancelled or self.stopping()

    def check(self) -> None:
        """Raise `Stopped` where the job is to end."""
        if self.must_stop():
            raise Stopped

    def warn(self, lines: Iterable[str]) -> None:
        self.warnings += [line for line in lines if line not in self.warnings]

    def progress(self, stage: str, done: float = 0.0, **fields: Any) -> None:
        """Tell `jobs.Progress`, not too often; the time left is reckoned from what was done since the work began."""
        self.check()
        now = time.monotonic()
        self._done = done
        if stage == "working" and "seconds_left" not in fields:
            if self._began is None:
                self._began = now, done
            since, first = self._began
            fields["seconds_left"] = (now - since) / (done - first) * (1 - done) if done > first else None
        if stage == self._stage and now - self._told < 1 / TELLS_A_SECOND:
            return
        self._stage, self._told = stage, now
        told = {"stage": stage, "done": min(done, 1.0), **fields}
        self.send({"tell": "progress", "job": self.run["job"], "progress": told})

    def leap(self, done: float) -> None:
        """The job is so far, and what lies between needed no work: the time left must not be reckoned from it."""
        if self._began is not None:
            since, first = self._began
            self._began = since, first + done - self._done
        self._done = done

    def preview(self, picture: int, step: int, image: bytes) -> None:
        self.send({"tell": "preview", "job": self.run["job"], "picture": picture, "step": step, "image": image})

    def result(self, result: dict[str, Any]) -> None:
        """Tell what came of the job; what is told last holds."""
        self.send({"tell": "result", "job": self.run["job"], "result": result})

    def keep(
        self,
        picture: Image,
        index: int,
        *,
        role: Role = "picture",
        request: ResolvedRequest | None = None,
        stages: StageHashes | None = None,
        seed: int | None = None,
        warnings: Iterable[str] = (),
    ) -> None:
        """Save a picture where it belongs, whole, in place of one of an attempt that could not tell of it; tell it.

        `OutputError` where it cannot be written.
        """
        path = place(self.run, index, role)

        def write(aside: Path) -> None:
            write_picture(
                picture,
                aside,
                format=format_of(path),
                request=request,
                stages=stages,
                privacy=self.settings.privacy,
            )
            with aside.open("rb") as file:
                os.fsync(file.fileno())  # the server's record of it is as safe

        write_whole(path, write)
        self.send(
            {
                "tell": "picture",
                "job": self.run["job"],
                "index": index,
                "role": role,
                "path": str(path),
                "width": picture.width,
                "height": picture.height,
                "seed": seed if request is None else request.seed,
                "request": None if request is None else request.model_dump(mode="json"),
                "warnings": list(warnings),
            }
        )
