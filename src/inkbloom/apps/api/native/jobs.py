"""Jobs, the queue they wait in, and the events of all of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from inkbloom.apps.api.access import MAX_NUMBER, Answers, Events, JobId, Studio, names_known
from inkbloom.apps.api.errors import SPECS
from inkbloom.apps.api.sse import wait_for_end
from inkbloom.apps.service.jobs import (
    GenerateSpec,
    Job,
    MergeSpec,
    PlotSpec,
    Spec,
    State,
    TrainSpec,
    UpscaleSpec,
    VerifySpec,
)
from inkbloom.apps.service.planning import Plan
from inkbloom.apps.service.refusals import UnknownError

LONGEST_WAIT = 600.0
"""Seconds that a call may wait for a job."""

Seconds = Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="wait so long for its end")]
Priority = Annotated[int, Field(ge=-1000, le=1000, description="the higher goes first")]

router = APIRouter(tags=["jobs"])


class _Asked(BaseModel, frozen=True):
    priority: Priority = 0
    client: str | None = Field(None, max_length=200, description="who asks, in its own words; lists can be cut by it")
    wait: float = Field(0.0, ge=0, le=LONGEST_WAIT, description="seconds to wait for its end")


class GenerateJob(_Asked, GenerateSpec, frozen=True):
    """Paint pictures."""


class UpscaleJob(_Asked, UpscaleSpec, frozen=True):
    """Make finished pictures larger."""


class PlotJob(_Asked, PlotSpec, frozen=True):
    """The same request under all combinations of the values of up to three axes."""


class MergeJob(_Asked, MergeSpec, frozen=True):
    """One checkpoint out of others, or how they differ."""


class TrainJob(_Asked, TrainSpec, frozen=True):
    """A training."""


class VerifyJob(_Asked, VerifySpec, frozen=True):
    """Paint a picture of the gallery again and compare it bit for bit."""


AnyJob = Annotated[GenerateJob | UpscaleJob | PlotJob | MergeJob | TrainJob | VerifyJob, Field(discriminator="kind")]


class JobList(BaseModel, frozen=True):
    jobs: list[Job] = Field(description="the newest first")
    total: int = Field(description="how many there are, on all pages")


class CancelBody(BaseModel, frozen=True, extra="forbid"):
    picture: int | None = Field(None, ge=0, le=MAX_NUMBER, description="leave out this one alone, from 0")


class MoveBody(BaseModel, frozen=True, extra="forbid"):
    before: str | None = Field(None, max_length=64, description="a waiting job; None: to the front")
    last: bool = Field(False, description="to the end")


class PriorityBody(BaseModel, frozen=True, extra="forbid"):
    priority: Priority


class Steps(BaseModel, frozen=True):
    steps: list[int] = Field(description="those whose previews are kept")


class Curve(BaseModel, frozen=True):
    rows: list[dict[str, Any]] = Field(description="a training's log: step, loss, held_out_loss, ...")


class QueueView(BaseModel, frozen=True):
    paused: bool
    running: list[Job]
    waiting: list[Job] = Field(description="in the order in which they will be begun, held ones last")
    total: int = Field(description="how many wait, more than are listed perhaps")


class Cleared(BaseModel, frozen=True):
    cancelled: int


_EXAMPLES: dict[str, Any] = {
    "paint": {
        "summary": "Paint a picture, and wait for it",
        "value": {"kind": "generate", "request": {"prompt": "a cat on the beach", "seed": 7}, "wait": 60},
    },
    "upscale": {
        "summary": "Enlarge a picture of the gallery",
        "value": {"kind": "upscale", "images": ["picture:1"], "scale": 2},
    },
    "plot": {
        "summary": "Compare numbers of steps",
        "value": {"kind": "plot", "request": {"prompt": "a cute dog", "seed": 7}, "x": "Steps: 5, 10, 20"},
    },
}


@router.post(
    "/jobs",
    status_code=202,
    response_model=Job,
    responses={200: {"model": Job, "description": "it has ended within `wait` seconds"}},
    dependencies=[Depends(names_known)],
)
async def submit_job(
    asked: Annotated[AnyJob, Body(openapi_examples=_EXAMPLES)],
    request: Request,
    response: Response,
    service: Studio,
    hub: Events,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=200, description="the same key gives the same job")
    ] = None,
) -> Job:
    """Queue a job; once this answers, it is on the disk.

    Pictures in it are texts: `upload:ID`, `picture:ID`, or a data URL.
    """
    spec = spec_of(asked)
    job = await run_in_threadpool(
        service.submit, spec, priority=asked.priority, client=asked.client, key=idempotency_key
    )
    if asked.wait:
        job = await wait_for_end(hub, service, job.id, asked.wait, request)
    if asked.wait and job.state.ended:
        response.status_code = 200
    return job


def spec_of(asked: Any) -> Spec:
    """What is to be done, without how it is asked for."""
    kind = SPECS[asked.kind]
    return kind.model_construct(**{name: getattr(asked, name) for name in kind.model_fields})  # type: ignore[return-value] - one of the union


@router.get("/jobs", response_model=JobList)
async def list_jobs(
    service: Studio,
    answers: Answers,
    state: Annotated[list[State] | None, Query(description="repeatable")] = None,
    kind: Annotated[list[str] | None, Query(description="repeatable", max_length=20)] = None,
    client: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[str | None, Query(max_length=64, description="the last job of the page before this")] = None,
) -> Response:
    """The history, the newest first."""

    def page() -> JobList:
        jobs, total = service.jobs(state, kind, limit, before, client)
        return JobList(jobs=jobs, total=total)

    return answers.answer(("jobs", tuple(state or ()), tuple(kind or ()), client, limit, before), page)


@router.get("/jobs/{id}", response_model=Job)
async def get_job(
    id: JobId, request: Request, service: Studio, hub: Events, answers: Answers, wait: Seconds = 0.0
) -> Response:
    """A job, when it has ended or `wait` seconds are over."""
    if wait:
        await wait_for_end(hub, service, id, wait, request)
    return answers.answer(("job", id), lambda: service.job(id))


@router.post("/jobs/{id}/cancel")
def cancel_job(id: JobId, service: Studio, body: CancelBody | None = None) -> Job:
    """Stop a job within a step, or leave out one of its pictures; what is finished stays."""
    return service.cancel(id, body.picture if body else None)


@router.post("/jobs/{id}/retry")
def retry_job(id: JobId, service: Studio) -> Job:
    """Queue a job that failed or was cancelled again; what it had finished stays."""
    return service.retry(id)


@router.post("/jobs/{id}/hold")
def hold_job(id: JobId, service: Studio) -> Job:
    """Keep a queued job from being begun."""
    return service.hold(id)


@router.post("/jobs/{id}/release")
def release_job(id: JobId, service: Studio) -> Job:
    """Queue a held job again."""
    return service.release(id)


@router.post("/jobs/{id}/move")
def move_job(id: JobId, service: Studio, body: MoveBody | None = None) -> Job:
    """Put a waiting job before another one, to the front, or to the end; it takes the priority of the place."""
    return service.move(id, body.before if body else None, body.last if body else False)


@router.patch("/jobs/{id}")
def prioritise_job(id: JobId, body: PriorityBody, service: Studio) -> Job:
    """Give a waiting job another priority."""
    return service.prioritise(id, body.priority)


@router.delete("/jobs/{id}", status_code=204)
def forget_job(id: JobId, service: Studio) -> None:
    """Remove a job that has ended from the history; its pictures stay."""
    service.forget(id)


@router.get(
    "/jobs/{id}/preview",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}, "description": "the picture as it is believed to become"}},
)
async def get_preview(
    id: JobId,
    service: Studio,
    step: Annotated[int | None, Query(ge=0, le=MAX_NUMBER, description="None: the newest")] = None,
) -> Response:
    """The picture at work, after a step."""
    image = service.preview(id, step)
    if image is None:
        raise UnknownError(f"There is no preview of job {id}{'' if step is None else f' after step {step}'}.")
    return Response(image, media_type="image/jpeg", headers={"Cache-Control": "no-cache"})


@router.get("/jobs/{id}/steps")
async def list_steps(id: JobId, service: Studio) -> Steps:
    """The steps of the picture at work that have previews."""
    return Steps(steps=service.steps(id))


@router.get("/jobs/{id}/curve")
def get_curve(id: JobId, service: Studio) -> Curve:
    """A training's log, a row for each time it was measured."""
    return Curve(rows=service.curve(id))


@router.get("/queue", response_model=QueueView)
async def get_queue(service: Studio, answers: Answers) -> Response:
    """What runs and what waits."""
    return answers.answer("queue", lambda: QueueView(**service.queue()))


@router.post("/queue/pause", status_code=204)
def pause_queue(service: Studio) -> None:
    """Begin nothing more, from the next picture on, over restarts too."""
    service.pause()


@router.post("/queue/resume", status_code=204)
def resume_queue(service: Studio) -> None:
    """Go on."""
    service.resume()


@router.post("/queue/clear")
def clear_queue(service: Studio) -> Cleared:
    """Cancel all jobs that wait."""
    return Cleared(cancelled=service.clear())


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "events, endless"}
    },
)
async def get_events(
    hub: Events,
    since: Annotated[int | None, Query(ge=0, le=MAX_NUMBER, description="begin after this event")] = None,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=MAX_NUMBER, description="the same, as browsers say it")
    ] = None,
) -> StreamingResponse:
    """What happens, as server-sent events: job, progress, preview, picture, queue, models, settings.

    Each has a number as its `id`; a client that comes back with its last gets what it missed. `reset`: that is no
    longer known, so ask for everything anew.
    """
    stream = hub.stream(last_event_id if last_event_id is not None else since)
    # No proxy may keep it back
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


@router.post("/plan", dependencies=[Depends(names_known)])
def plan_job(spec: Spec, service: Studio) -> Plan:
    """How long a job would take, how much memory, and whether it fits."""
    return service.plan(spec)
