"""From the queue to the workers and back: who does what, and what is made of what they tell.

What a worker tells is written down before anything else happens. Where the disk is full, its thread waits and tries
again, so that nothing that was painted is lost; `Dispatcher.trouble` says so meanwhile.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event as Flag
from threading import RLock, Thread
from typing import Any

from inkbloom.apps.service.events import Events
from inkbloom.apps.service.folders import DataFolder
from inkbloom.apps.service.gallery import Gallery
from inkbloom.apps.service.jobs import Failure, Progress, State
from inkbloom.apps.service.library import Models
from inkbloom.apps.service.messages import Run, Saved, ToServer, ToWorker, WorkerConfig
from inkbloom.apps.service.naming import Naming
from inkbloom.apps.service.planning import Planning
from inkbloom.apps.service.previews import Previews
from inkbloom.apps.service.queue import Queue, Taken
from inkbloom.apps.service.settings import Settings
from inkbloom.apps.service.workers import Worker
from inkbloom.core.errors import InkbloomError, OutputError, RequestError
from inkbloom.core.pictures import reading

LOSSES = 3
"""A job that lost so many workers one after the other, without a picture between, has failed."""

_AGAIN = 2.0
"""Seconds between attempts to write to a full disk."""
_MADE = re.compile(r"-(?:(grid|sample)-)?(\d{3,})\.\w+\Z")


class Dispatcher:
    """Owns the workers, and is their `Host`. Safe in threads."""

    def __init__(
        self,
        folder: DataFolder,
        queue: Queue,
        gallery: Gallery,
        events: Events,
        models: Models,
        naming: Naming,
        planning: Planning,
        *,
        settings: Callable[[], Settings],
        config: Callable[[str], WorkerConfig],
        paused: bool,
    ) -> None:
        self.workers: list[Worker] = []
        self.previews = Previews()
        self.paused = paused
        self.trouble: str | None = None
        """Why what workers tell cannot be written down at the moment."""
        self._folder, self._queue, self._gallery, self._events = folder, queue, gallery, events
        self._models, self._naming, self._planning = models, naming, planning
        self._settings, self._config = settings, config
        self._yielding: set[str] = set()
        self._lock = RLock()
        self._waited: dict[str, Flag] = {}
        self._closing = Flag()
        self._starter: Thread | None = None

    def start(self, devices: Callable[[], list[str]]) -> None:
        """Queue again what ran when the last server ended, and start the workers in the background."""
        left = self._queue.recover()

        def begin() -> None:
            for taken in left:
                self._settle(taken, State.QUEUED)
            for device in devices():
                worker = Worker(device, lambda device=device: self._config(device), self)
                with self._lock:
                    if self._closing.is_set():
                        return
                    self.workers.append(worker)
                worker.start()

        self._starter = Thread(target=begin, name="starter", daemon=True)
        self._starter.start()

    def close(self) -> None:
        """Stop the workers within a step, and leave what they did queued."""
        with self._lock:
            self._closing.set()
        if self._starter is not None:
            self._starter.join()
        for worker in self.workers:
            worker.stop()
        for worker in self.workers:
            worker.join()
        for taken in self._queue.recover():
            self._settle(taken, State.QUEUED)

    # For the service

    def wake(self) -> None:
        """Something waits."""
        for worker in self.workers:
            worker.wake()

    def send(self, message: ToWorker, device: str | None = None) -> None:
        """Speak to all workers, or to that of a device."""
        for worker in self.workers:
            if device in (None, worker.device):
                worker.send(message)

    def tell(self, id: str) -> None:
        """Publish a job as it is now, and let those go on who wait for its end."""
        job = self._queue.get(id, whole=False)
        self._events.publish("job", job.model_dump(mode="json"))
        if job.state.ended:
            with self._lock:
                flag = self._waited.pop(id, None)
            if flag is not None:
                flag.set()

    def ended(self, id: str) -> Flag:
        """Set when the job ends from now on; look at it after this was asked for."""
        with self._lock:
            return self._waited.setdefault(id, Flag())

    def clear(self, id: str) -> None:
        """Remove what was kept for a job to go on."""
        shutil.rmtree(self._folder.spool / id, ignore_errors=True)

    # For the workers

    def next(self, worker: Worker) -> Run | None:
        while not self.paused:
            try:
                taken = self._queue.take(worker.device)
                self.trouble = None
            except OutputError as error:
                self.trouble = str(error)
                return None
            if taken is None:
                return None
            try:
                run = self._naming.run(taken, self._gallery.finished(taken.id))
            except InkbloomError as error:
                self._fail(taken.id, type(error).__name__, str(error))
                continue
            self.tell(taken.id)
            return run
        return None

    def heard(self, worker: Worker, message: ToServer) -> None:
        while True:
            try:
                self._take_in(worker, message)
                self.trouble = None
                return
            except OutputError as error:
                self.trouble = str(error)
                if self._closing.wait(_AGAIN):
                    return  # at the next start the files themselves tell

    def lost(self, worker: Worker, job: str, reason: str) -> None:
        self._yielding.discard(job)
        self._planning.ended(job, None, worker.device)
        taken = self._queue.taken(job)
        if self._queue.losses(job) + 1 < LOSSES:
            self._settle(taken, State.QUEUED, lost=True)
        else:
            self._adopt(taken)
            self._fail(job, "WorkerLost", f"{LOSSES} workers were lost over it, the last one so: {reason}", lost=True)
        self._models.told(worker.device, [])

    def _take_in(self, worker: Worker, message: ToServer) -> None:
        match message["tell"]:
            case "progress":
                self._moved(message["job"], Progress(**message["progress"]))
            case "preview":
                self._previewed(message["job"], message["picture"], message["step"], message["image"])
            case "picture":
                self._saved(worker, message)
            case "result":
                self._queue.keep_result(message["job"], message["result"])
            case "models":
                self._models.told(worker.device, message["loaded"])
            case "done":
                self._done(message["job"], message["warnings"], worker.device)
            case "cancelled":
                again = message["job"] in self._yielding
                self._yielding.discard(message["job"])
                self._planning.ended(message["job"], None, worker.device)
                self._release(message["job"], State.QUEUED if again else State.CANCELLED)
            case "failed" if message["job"]:
                self._planning.ended(message["job"], None, worker.device)
                self._fail(message["job"], message["type"], message["message"])
            case "failed":  # a model that was to be loaded
                error = {"type": message["type"], "message": message["message"]}
                self._events.publish("models", {**self._models.held(), "error": error})
            case "ready":
                pass

    def _moved(self, job: str, progress: Progress) -> None:
        self._queue.keep_progress(job, progress)
        self._planning.saw(job, progress)
        self._events.publish("progress", {"job": job, **progress.model_dump(mode="json")})

    def _previewed(self, job: str, picture: int, step: int, image: bytes) -> None:
        self.previews.put(job, picture, step, image, keep_steps=self._settings().keep_steps)
        url = f"/api/v1/jobs/{job}/preview?step={step}"
        self._events.publish("preview", {"job": job, "picture": picture, "step": step, "url": url})

    def _saved(self, worker: Worker, message: Saved) -> None:
        job = self._queue.get(message["job"], whole=False)
        self._gallery.add(
            Path(message["path"]),
            job=job.id,
            kind=job.kind,
            index=message["index"],
            role=message["role"],
            width=message["width"],
            height=message["height"],
            seed=message["seed"],
            request=message["request"],
            warnings=message["warnings"],
        )
        self._queue.moved_on(job.id)
        if self.paused and message["role"] == "picture" and job.state == State.RUNNING:
            # The next picture has begun; a step of it may be lost
            self._yielding.add(job.id)
            worker.send({"do": "cancel", "job": job.id, "picture": None})

    def _done(self, id: str, warnings: list[str], device: str) -> None:
        job = self._queue.get(id)
        last = job.pictures[-1].request if job.kind == "generate" and job.pictures else None
        self._planning.ended(id, last, device)
        self._yielding.discard(id)
        self._release(id, State.DONE, warnings=warnings)
        if job.kind in ("merge", "train"):
            self._models.refresh()

    def _fail(self, id: str, type: str, message: str, *, lost: bool = False) -> None:
        self._release(id, State.FAILED, error=Failure(type=type, message=message), lost=lost)

    def _release(self, id: str, state: State, **more: Any) -> None:
        state = self._queue.release(id, state, **more)
        # What failed may be tried again, from where it was
        if state in (State.DONE, State.CANCELLED):
            self.clear(id)
        self.tell(id)
        if state == State.QUEUED:
            self.wake()

    def _settle(self, taken: Taken, state: State, *, lost: bool = False) -> None:
        """Make good for a worker that is no more: what it saved and could not tell is taken in, the job goes on."""
        self._adopt(taken)
        self._release(taken.id, state, lost=lost)

    def _adopt(self, taken: Taken) -> None:
        """Take in the files of a job that lie at their places and were not told, and remove what is half written."""
        stem = self._folder.outputs / taken.stem
        for torn in stem.parent.glob(f".{stem.name}-*.new"):  # the worker died while it wrote; see `write_whole`
            torn.unlink(missing_ok=True)
        for path in sorted(stem.parent.glob(f"{stem.name}-*")):
            found = _MADE.fullmatch(path.name, len(stem.name))
            if found is None:
                continue
            try:
                with reading(path) as file:
                    width, height = file.size
            except RequestError:
                continue  # it is no picture of ours
            request = _request_of(path)
            self._gallery.add(
                path,
                job=taken.id,
                kind=taken.spec["kind"],
                index=int(found[2]),
                role=found[1] or "picture",
                width=width,
                height=height,
                seed=None if request is None else request["seed"],
                request=request,
            )


def _request_of(path: Path) -> dict[str, Any] | None:
    """What a picture tells of how it was made; None where it does not."""
    from inkbloom.pipelines.metadata import read_metadata

    try:
        request = read_metadata(path).request
    except RequestError:
        return None
    return None if request is None else request.model_dump(mode="json")
