"""How long a job will take and how much memory, before it is begun: from what earlier jobs took, and from headers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from inkbloom.apps.service.database import Database
from inkbloom.apps.service.jobs import GenerateSpec, PlotSpec, Progress, Spec, TrainSpec, UpscaleSpec
from inkbloom.apps.service.library import STARTER, Models, size_of
from inkbloom.apps.service.uploads import Uploads
from inkbloom.pipelines.request import GenerationRequest

if TYPE_CHECKING:
    from inkbloom.pipelines.request import ResolvedRequest

_KEEP = 0.7
"""Of what was known of a speed, when a new measurement comes."""


class PlanMessage(BaseModel, frozen=True):
    """Something to know of a plan."""

    key: str
    """Which of the messages it is, for programs with words of their own."""
    values: dict[str, str | int] = {}
    """What it names."""
    text: str
    """The message itself, in English."""


class Plan(BaseModel, frozen=True):
    """What a job would take."""

    fits: bool
    """False only where it surely does not."""
    seconds: float | None = None
    """None before anything like it was done."""
    bytes: int | None = None
    """At least, for the model and one picture at work."""
    available_bytes: int | None = None
    device: str
    model: str | None = None
    pictures: int | None = None
    steps: int | None = None
    """Of each picture."""
    messages: list[PlanMessage] = []


class Planning:
    def __init__(
        self, database: Database, models: Models, uploads: Uploads, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database, self._models, self._uploads, self._clock = database, models, uploads, clock
        self._seen: dict[str, tuple[tuple[float, int], tuple[float, int]]] = {}

    def plan(self, spec: Spec, device: str) -> Plan:
        """The plan of a checked spec; raises `RequestError` where the model cannot paint it."""
        if isinstance(spec, GenerateSpec | PlotSpec):
            return self._painting(spec, device)
        pictures = len(spec.images) if isinstance(spec, UpscaleSpec) else None
        model = spec.model or STARTER if isinstance(spec, TrainSpec) else None
        messages = [
            _message("unknown", "How long a job of the kind {kind} takes cannot be said beforehand.", kind=spec.kind)
        ]
        return Plan(
            fits=True,
            device=device,
            model=model,
            pictures=pictures,
            available_bytes=available(device),
            messages=messages,
        )

    def _painting(self, spec: GenerateSpec | PlotSpec, device: str) -> Plan:
        from inkbloom.pipelines.memory import painting_bytes

        facts = self._models.spec(spec.request.model)
        # Of its pictures only the one to start from changes what is painted: its size may be the request's
        left_out = {"model": None, "mask_image": None, "controls": (), "regions": ()}
        request = spec.request.model_copy(update=left_out)
        resolved = GenerationRequest(**self._uploads.resolved(request.model_dump(mode="json"))).resolved(facts)
        name = spec.request.model or STARTER
        needed = size_of(self._models.path(spec.request.model)) + painting_bytes(facts, resolved)
        free = available(device)
        fits = free is None or needed <= free
        pictures = resolved.num_images if isinstance(spec, GenerateSpec) else None
        messages = []
        if not fits:
            text = "It needs at least {needed} of memory, but {free} are free."
            messages.append(_message("too_large", text, needed=_say(needed), free=_say(free or 0)))
        pace = self._pace(name, resolved, device, messages)
        if pictures is None:
            text = "A plot paints as many pictures as its axes have values; this plan is for one of them."
            messages.append(_message("one_of_plot", text))
        return Plan(
            fits=fits,
            seconds=None if pace is None else pace * resolved.steps * (pictures or 1),
            bytes=needed,
            available_bytes=free,
            device=device,
            model=name,
            pictures=pictures,
            steps=resolved.steps,
            messages=messages,
        )

    def _pace(self, model: str, request: ResolvedRequest, device: str, messages: list[PlanMessage]) -> float | None:
        """Seconds for a step, from the most alike measurement."""
        with self._database.reading() as db:
            row = db.execute(
                "SELECT seconds, width, height, sampler FROM speeds WHERE model = ? AND device = ?"
                " ORDER BY abs(width * height - ?), sampler <> ? LIMIT 1",
                (model, device, request.width * request.height, request.sampler),
            ).fetchone()
        if row is None:
            text = 'Nothing was painted with "{model}" on {device} yet, so the time is not known.'
            messages.append(_message("no_time", text, model=model, device=device))
            return None
        if (row["width"], row["height"], row["sampler"]) != (request.width, request.height, request.sampler):
            text = "The time is estimated from {width} x {height} pixels with {sampler}."
            messages.append(
                _message("other_time", text, **{name: row[name] for name in ("width", "height", "sampler")})
            )
        return row["seconds"] * request.width * request.height / (row["width"] * row["height"])

    def saw(self, job: str, progress: Progress) -> None:
        """How far a job is. Its pace is measured between its first step and its last, so that loading is left out."""
        if progress.stage == "working" and progress.steps:
            moment = self._clock(), progress.picture * progress.steps + progress.step
            self._seen[job] = (self._seen.get(job, (moment, moment))[0], moment)

    def ended(self, job: str, request: dict[str, Any] | None, device: str) -> None:
        """It has ended; remember how fast it was. `request` painted its last picture, None: it is not to be counted."""
        (first, begun), (last, done) = self._seen.pop(job, ((0.0, 0), (0.0, 0)))
        if request is None or done <= begun:
            return
        seconds = (last - first) / (done - begun)
        key = (request.get("model") or STARTER, request["width"], request["height"], request["sampler"], device)
        with self._database.writing() as db:
            db.execute(
                "INSERT INTO speeds VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " seconds = seconds * ? + excluded.seconds * (1 - ?)",
                (*key, seconds, _KEEP, _KEEP),
            )


def ram() -> dict[str, int | None]:
    """The machine's memory, {"free", "total"} in bytes; None where the system does not tell."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        total = None
    return {"free": available("cpu"), "total": total}


def gpus() -> dict[str, int]:
    """The whole memory of each CUDA device by name, in bytes. What is free, only its worker could tell."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {f"cuda:{i}": torch.cuda.get_device_properties(i).total_memory for i in range(count)}


def available(device: str) -> int | None:
    """Bytes that a device may have for a job: free ones on the CPU, all of a GPU, whose worker gives up what it holds.

    None where that is not known.
    """
    from inkbloom.pipelines.memory import available_bytes

    if device.startswith("cuda"):
        return gpus().get(device)
    import torch

    return available_bytes(torch.device(device))


def _message(key: str, text: str, **values: str | int) -> PlanMessage:
    return PlanMessage(key=key, values=values, text=text.format(**values))


def _say(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
