"""The service under page and APIs: jobs are taken in, queued, given to workers, and what comes of them is kept.

    with DataFolder(root).lock():
        service = Service(DataFolder(root), models_dir)
        service.start()
        job = service.submit(GenerateSpec(request=GenerationRequest(prompt="a cat")))
        service.wait(job.id, 60).pictures
        service.close()

database    SQLite: whatever was answered once is on the disk
queue       jobs and their order                      events     what happens, numbered
workers     a process for each device                 planning   how long, how much memory
naming      what a spec names: pictures and models    uploads, gallery, library, datasets, prompts
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event as Flag
from threading import RLock, Thread, get_native_id
from typing import TYPE_CHECKING, Any

import inkbloom
from inkbloom.apps.service.database import Database
from inkbloom.apps.service.datasets import Datasets
from inkbloom.apps.service.dispatch import Dispatcher
from inkbloom.apps.service.events import Events
from inkbloom.apps.service.folders import DataFolder
from inkbloom.apps.service.gallery import Gallery
from inkbloom.apps.service.jobs import Job, Spec, State, VerifySpec
from inkbloom.apps.service.library import Models
from inkbloom.apps.service.messages import WorkerConfig
from inkbloom.apps.service.naming import Naming
from inkbloom.apps.service.planning import Plan, Planning, gpus, ram
from inkbloom.apps.service.prompts import Prompts
from inkbloom.apps.service.queue import Queue
from inkbloom.apps.service.refusals import ConflictError
from inkbloom.apps.service.settings import Settings
from inkbloom.apps.service.uploads import Uploads
from inkbloom.core.errors import RequestError

if TYPE_CHECKING:
    from PIL.Image import Image

_SETTINGS, _PAUSED = "settings", "paused"
_REST = 1.0
"""Seconds from the start until something is loaded ahead."""
_PATIENT = 10
"""The niceness of the thread that reads models' hashes."""


class Service:
    """Everything a client can ask for; safe in threads. The caller holds `DataFolder.lock`.

    Names that are not there raise `UnknownError`, what cannot be done now `ConflictError`, what cannot be meant
    `RequestError` (all are RequestErrors), a disk that cannot be written `OutputError`.
    """

    def __init__(
        self,
        folder: DataFolder,
        models_dir: Path | None,
        *,
        devices: Sequence[str] | None = None,
        default_model: str | None = None,
    ) -> None:
        """`devices`: one worker each; None: all CUDA devices, else the machine's best one."""
        folder.make()
        self.folder, self.models_dir = folder, models_dir
        self._began = time.time()
        self._devices = devices
        self._default_model = default_model
        self._lock = RLock()
        self._closing = Flag()
        self._database = Database(folder.database)
        self._settings = Settings(**(self._database.value(_SETTINGS) or {}))
        self.events = Events(self._database)
        self.uploads = Uploads(folder)
        self.gallery = Gallery(self._database, folder, self.events, self.uploads)
        self.models = Models(
            models_dir,
            folder,
            default=lambda: self.default_model,
            tell=lambda held: self.events.publish("models", held),
            send=lambda message: self._dispatcher.send(message),
        )
        self.datasets = Datasets(folder)
        self._prompts = Prompts(folder, self.models)
        self._queue = Queue(self._database, self.gallery)
        self._planning = Planning(self._database, self.models, self.uploads)
        self._naming = Naming(folder, self.uploads, self.gallery, self.models, self.datasets, self._prompts)
        self._dispatcher = Dispatcher(
            folder,
            self._queue,
            self.gallery,
            self.events,
            self.models,
            self._naming,
            self._planning,
            settings=lambda: self._settings,
            config=self._worker_config,
            paused=bool(self._database.value(_PAUSED)),
        )

    def start(self) -> None:
        """Queue again what was at work when the last server ended, and start the workers in the background."""
        self._dispatcher.start(self.devices)
        Thread(target=self._prepare, name="preparing", daemon=True).start()

    def close(self) -> None:
        """Stop the workers, within a step of what they do, and leave their jobs queued."""
        self._closing.set()
        self.models.changed.set()
        self._dispatcher.close()
        self._database.close()

    # Jobs

    def submit(self, spec: Spec, *, priority: int = 0, client: str | None = None, key: str | None = None) -> Job:
        """Queue a job, behind those of its priority (the higher first); it is on the disk when this returns.

        The seed is drawn here, the model filled in, and pictures become uploads. `key`: what was submitted with the
        same key before is returned instead. Raises `RequestError` or `CheckpointError` that begin with the field for a
        name that is not there, `FullError` where too many wait.
        """
        spec = self._naming.checked(spec, self.default_model, lenient=self._settings.lenient)
        id, is_new = self._queue.add(
            spec,
            priority=priority,
            client=client,
            key=key,
            format=getattr(spec, "format", None) or self._settings.format,
            most=self._settings.most_queued,
        )
        if is_new:
            self._dispatcher.tell(id)
            self._dispatcher.wake()
        return self.job(id)

    def job(self, id: str) -> Job:
        return self._seen(self._queue.get(id))

    def jobs(
        self,
        states: Sequence[State] | None = None,
        kinds: Sequence[str] | None = None,
        limit: int = 50,
        before: str | None = None,
        client: str | None = None,
    ) -> tuple[list[Job], int]:
        """Jobs, the newest first, from the one after `before` on; and how many there are in all."""
        jobs, total = self._queue.page(states, kinds, limit, before, client)
        return [self._seen(job) for job in jobs], total

    def queue(self, limit: int = 500) -> dict[str, Any]:
        """{"paused", "running": jobs, "waiting": the first `limit` in order, held ones last, "total": waiting}."""
        running, waiting, total = self._queue.overview(limit)
        return {
            "paused": self._dispatcher.paused,
            "running": [self._seen(job) for job in running],
            "waiting": waiting,
            "total": total,
        }

    def cancel(self, id: str, picture: int | None = None) -> Job:
        """Stop a job within a step, or leave out one of its pictures; what is finished stays.

        `ConflictError` where it has ended, `RequestError` where the picture is finished.
        """
        device = self._queue.cancel(id, picture)
        if device is not None:
            self._dispatcher.send({"do": "cancel", "job": id, "picture": picture}, device)
        elif picture is None:
            self._dispatcher.clear(id)
        return self._told(id)

    def running(self, client: str) -> list[Job]:
        """The jobs that run and were asked for by a client whose name begins so."""
        return [job for job in self.queue(0)["running"] if (job.client or "").startswith(client)]

    def retry(self, id: str) -> Job:
        """Queue a job that failed or was cancelled again, at the end; what it had finished stays."""
        self._queue.retry(id)
        self._dispatcher.wake()
        return self._told(id)

    def hold(self, id: str) -> Job:
        """Keep a queued job from being begun, until `release`."""
        self._queue.change_state(id, State.QUEUED, State.HELD)
        return self._told(id)

    def release(self, id: str) -> Job:
        self._queue.change_state(id, State.HELD, State.QUEUED)
        self._dispatcher.wake()
        return self._told(id)

    def move(self, id: str, before: str | None = None, last: bool = False) -> Job:
        """Put a waiting job before another one; without one to the front of all, or with `last` to the end.

        It takes the priority that the place has.
        """
        self._queue.move(id, before, last)
        self._tell_queue()
        return self._told(id)

    def prioritise(self, id: str, priority: int) -> Job:
        """Give a waiting job another priority; it keeps its place among those of the same."""
        self._queue.prioritise(id, priority)
        self._tell_queue()
        return self._told(id)

    def forget(self, id: str) -> None:
        """Remove a job that has ended from the history; its pictures stay."""
        self._queue.forget(id)
        self._dispatcher.previews.drop(id)
        self._dispatcher.clear(id)
        self._tell_queue()

    def clear(self) -> int:
        """Cancel all jobs that wait; how many."""
        ids = self._queue.cancel_waiting()
        for id in ids:
            self._dispatcher.clear(id)
            self._dispatcher.tell(id)
        return len(ids)

    def pause(self) -> None:
        """Begin nothing more, from the next picture on, over restarts too."""
        self._set_paused(True)

    def resume(self) -> None:
        self._set_paused(False)
        self._dispatcher.wake()

    def wait(self, id: str, seconds: float) -> Job:
        """Block until the job has ended, or so long; the job as it is then."""
        flag = self._dispatcher.ended(id)
        job = self.job(id)
        if not job.state.ended and flag.wait(seconds):
            job = self.job(id)
        return job

    def plan(self, spec: Spec) -> Plan:
        """What a job would take, and whether it fits; raises as `submit`."""
        spec = self._naming.checked(spec, self.default_model, lenient=self._settings.lenient)
        return self._planning.plan(spec, self.devices()[0])

    # What comes of them

    def preview(self, id: str, step: int | None = None) -> bytes | None:
        """The JPEG after a step of the picture at work, or the newest; None where there is none."""
        return self._dispatcher.previews.get(id, step)

    def steps(self, id: str) -> list[int]:
        """The steps of which there are previews."""
        return self._dispatcher.previews.steps(id)

    def curve(self, id: str) -> list[dict[str, Any]]:
        """The log of a training, a row for each time it was written."""
        job = self.job(id)
        return self.datasets.curve(str(job.spec["name"])) if job.kind == "train" else []

    def reproduce(self, picture: int) -> Job:
        """Paint a picture of the gallery again. `ConflictError` where it does not say how it was made."""
        request = self.gallery.picture(picture).request
        if request is None:
            raise ConflictError(f"Picture {picture} does not tell how it was made.")
        return self.submit(self._naming.spec_of(request))

    def verify(self, picture: int) -> Job:
        """Paint a picture of the gallery again and compare it; the result says whether it is the same."""
        self.gallery.picture(picture)
        return self.submit(VerifySpec(picture=picture))

    def preprocess(
        self,
        preprocessor: str,
        source: str,
        thresholds: Sequence[float | None] = (),
        resolution: int | None = None,
    ) -> Image:
        """What a preprocessor makes of a picture, named as in a spec; `resolution` is its shorter side meanwhile.

        `RequestError` for an unknown preprocessor, and for settings that it does not have.
        """
        from PIL.Image import Resampling

        from inkbloom.pipelines.preprocessing import find_preprocessor

        tool = find_preprocessor(preprocessor)
        tool.checked(*thresholds)
        if resolution is not None and not 64 <= resolution <= 4096:
            raise RequestError(f"resolution {resolution}: must be from 64 to 4096.")
        picture = self._naming.picture(source, "image")
        if resolution is None:
            return tool(picture, *thresholds)
        return tool.at(picture, resolution, lambda made: made.resize(picture.size, Resampling.LANCZOS), *thresholds)

    # Prompts

    def styles(self) -> list[dict[str, str]]:
        """[{"name", "prompt", "negative_prompt"}]"""
        return self._prompts.styles()

    def save_styles(self, styles: Sequence[Mapping[str, str]]) -> None:
        self._prompts.save_styles(styles)

    def wildcards(self) -> list[str]:
        return self._prompts.wildcards()

    def inspect(
        self, prompt: str, negative_prompt: str = "", model: str | None = None, dialect: str = "a1111", steps: int = 20
    ) -> dict[str, Any]:
        """Both prompts token by token and step by step, as `/prompts/inspect` answers."""
        return self._prompts.inspect(prompt, negative_prompt, model or self.default_model, dialect, steps)

    def complete(self, text: str) -> list[dict[str, str]]:
        """Names of LoRAs, embeddings, hypernetworks, styles and wildcards with this text in them."""
        return self._prompts.complete(text)

    # The server itself

    @property
    def settings(self) -> Settings:
        return self._settings

    def set_settings(self, changes: Mapping[str, Any]) -> Settings:
        """Change some settings; `RequestError` where one cannot be, `CheckpointError` for an unknown default model."""
        settings = Settings(**self._settings.model_dump() | dict(changes))
        if settings.default_model is not None:
            self.models.check(settings.default_model, "checkpoints", "default_model")
        with self._lock:
            self._database.keep(_SETTINGS, settings.model_dump(mode="json"))
            self._settings = settings
        self._dispatcher.send({"do": "settings", "settings": settings.model_dump(mode="json")})
        self.events.publish("settings", settings.model_dump(mode="json"))
        return settings

    @property
    def default_model(self) -> str | None:
        """The name that jobs without one get; None: the starter."""
        return self._settings.default_model or self._default_model

    def devices(self) -> list[str]:
        """Those that work; imports torch where they were not given."""
        if self._devices is None:
            from inkbloom.pipelines.device import devices

            present = devices()
            self._devices = [one for one in present if one.startswith("cuda")] or present[:1]
        return list(self._devices)

    def system(self) -> dict[str, Any]:
        """Versions, devices with the state of their workers, memory in bytes, folders, seconds up."""
        from importlib.metadata import version

        memory = ram()
        return {
            "version": inkbloom.__version__,
            "torch": version("torch"),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "devices": self.workers(),
            "memory": {"ram": memory, "gpu": gpus()},
            "data_dir": str(self.folder.root),
            "models_dir": None if self.models_dir is None else str(self.models_dir),
            "uptime": time.time() - self._began,
            "cache": {**self.models.held(), "budget": self.memory_budget()},
            "disk": dict(zip(("total", "used", "free"), shutil.disk_usage(self.folder.root), strict=True)),
        }

    def workers(self) -> list[dict[str, Any]]:
        """[{"name", "kind", "dtype", "state", "job", "reason"}], a worker for each device."""
        return [worker.described() for worker in self._dispatcher.workers]

    def memory_budget(self) -> int:
        """Bytes that models may take together in a worker."""
        chosen = self._settings.memory_budget_gb
        total = ram()["total"]
        return int(chosen * 2**30) if chosen is not None else (total or 8 * 2**30) // 2

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        return self._queue.counts()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written down at the moment, such as a full disk; None where all is well."""
        return self._dispatcher.trouble

    def _worker_config(self, device: str) -> WorkerConfig:
        return WorkerConfig(
            device=device,
            data=self.folder.root,
            models_dir=self.models_dir,
            memory_budget=self.memory_budget(),
            settings=self._settings.model_dump(mode="json"),
        )

    def _prepare(self) -> None:
        """Load what the first job would wait for, once the first page is served; then read the models' hashes."""
        if self._closing.wait(_REST):
            return
        import inkbloom.pipelines.preprocessing
        import inkbloom.sampling.registry  # noqa: F401

        if sys.platform == "linux":  # where a thread has a priority of its own
            os.setpriority(os.PRIO_PROCESS, get_native_id(), _PATIENT)
        while not self._closing.is_set():
            self.models.changed.clear()
            self.models.hash_all(self._closing.is_set)
            self.models.changed.wait()

    def _set_paused(self, paused: bool) -> None:
        with self._lock:
            self._database.keep(_PAUSED, paused)
            self._dispatcher.paused = paused
        self._tell_queue()

    def _tell_queue(self) -> None:
        self.events.publish("queue", {"paused": self._dispatcher.paused})

    def _told(self, id: str) -> Job:
        self._dispatcher.tell(id)
        return self.job(id)

    def _seen(self, job: Job) -> Job:
        steps = self.steps(job.id)
        return job.model_copy(update={"preview_step": steps[-1]}) if steps else job
