"""What the server is doing and how it is set, in A1111's shapes: progress, interrupt, options, memory."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from inkbloom.apps.api.a1111 import options
from inkbloom.apps.api.a1111.errors import ANSWERS, A1111Route
from inkbloom.apps.api.a1111.painting import CLIENT
from inkbloom.apps.api.a1111.pictures import encode
from inkbloom.apps.api.access import Studio
from inkbloom.apps.service.jobs import Job
from inkbloom.apps.service.refusals import ConflictError
from inkbloom.apps.service.service import Service


class TaskQuestion(BaseModel):
    """`POST /internal/progress`."""

    id_task: str | None = Field(None, description="what the request gave as force_task_id")
    id_live_preview: int = -1
    live_preview: bool = True


router = APIRouter(tags=["A1111: state"], responses=ANSWERS, route_class=A1111Route)


@router.get("/sdapi/v1/progress", summary="How far the running job is", operation_id="a1111_progress")
async def progress(service: Studio, skip_current_image: bool = False) -> dict[str, Any]:
    queue = service.queue(0)
    job: Job | None = queue["running"][0] if queue["running"] else None
    preview = None if job is None or skip_current_image else service.preview(job.id)
    return {
        # What runs is never at 0, by which clients tell that nothing does
        "progress": max(0.01, job.progress.done) if job else 0.0,
        "eta_relative": (job.progress.seconds_left if job else None) or 0.0,
        "state": _state(job, queue["total"]),
        "current_image": encode(preview) if preview else None,
        "textinfo": None,
    }


@router.post("/sdapi/v1/interrupt", summary="Cancel what runs for clients of this API", operation_id="a1111_interrupt")
def interrupt(service: Studio) -> dict[str, Any]:
    for job in service.running(CLIENT):
        with suppress(ConflictError):  # it has just ended
            service.cancel(job.id)
    return {}


@router.post("/sdapi/v1/skip", summary="Leave out the picture at work", operation_id="a1111_skip")
def skip(service: Studio) -> None:
    for job in service.running(CLIENT):
        with suppress(ConflictError):
            service.cancel(job.id, job.progress.picture)


@router.post("/internal/progress", summary="How far a task is, by its own id", operation_id="a1111_task_progress")
async def task_progress(service: Studio, question: TaskQuestion) -> dict[str, Any]:
    return _task(service, question)


@router.get("/internal/pending-tasks", summary="Tasks that wait", operation_id="a1111_pending_tasks")
async def pending_tasks(service: Studio) -> dict[str, Any]:
    queue = service.queue()
    tasks = [(job.client or "").partition(":")[2] or job.id for job in queue["waiting"]]
    return {"size": queue["total"], "tasks": tasks}


@router.get("/internal/ping", summary="The server answers", operation_id="a1111_ping")
async def ping() -> dict[str, Any]:
    return {}


@router.get("/sdapi/v1/options", summary="The options that mean something here", operation_id="a1111_options")
def get_options(service: Studio) -> dict[str, Any]:
    return options.read(service)


@router.post("/sdapi/v1/options", summary="Change some of them", operation_id="a1111_set_options")
def set_options(service: Studio, changes: Annotated[dict[str, Any], Body()]) -> None:
    options.write(service, changes)


@router.get("/sdapi/v1/cmd-flags", summary="How the server was started", operation_id="a1111_flags")
def flags(service: Studio) -> dict[str, Any]:
    system = service.system()
    return {"api": True, "data_dir": system["data_dir"], "models_dir": system["models_dir"], "nowebui": False}


@router.get("/sdapi/v1/memory", summary="Memory, in bytes", operation_id="a1111_memory")
def memory(service: Studio) -> dict[str, Any]:
    present = service.system()["memory"]
    ram, gpu = present["ram"], present["gpu"]
    used = (ram["total"] or 0) - (ram["free"] or 0)
    told: dict[str, Any] = {"ram": {**ram, "used": used}, "cuda": {"error": "unavailable"}}
    if gpu:  # the first; how much of it is free, only its worker knows
        told["cuda"] = {"system": {"free": None, "used": None, "total": next(iter(gpu.values()))}}
    return told


@router.post("/sdapi/v1/unload-checkpoint", summary="Drop models from memory", operation_id="a1111_unload")
def unload(service: Studio) -> dict[str, Any]:
    service.models.unload()
    return {}


@router.post("/sdapi/v1/reload-checkpoint", summary="Bring the model back", operation_id="a1111_reload")
def reload(service: Studio) -> dict[str, Any]:
    service.models.load(service.default_model or "starter")
    return {}


def _state(job: Job | None, waiting: int) -> dict[str, Any]:
    at = job.progress if job else None
    started = job.started if job and job.started else datetime.now()
    return {
        "skipped": False,
        "interrupted": False,
        "stopping_generation": False,
        "job": job.title if job else "",
        "job_count": (at.pictures if at else 0) + waiting,
        "job_timestamp": started.astimezone().strftime("%Y%m%d%H%M%S"),
        "job_no": at.picture if at else 0,
        "sampling_step": at.step if at else 0,
        "sampling_steps": (at.steps or 0) if at else 0,
    }


def _task(service: Service, question: TaskQuestion) -> dict[str, Any]:
    found, _ = service.jobs(client=f"{CLIENT}:{question.id_task}", limit=1)
    job = found[0] if found else None
    running = job is not None and job.started is not None and not job.state.ended
    told: dict[str, Any] = {
        "active": running,
        "queued": job is not None and not running and not job.state.ended,
        "completed": job is not None and job.state.ended,
        "progress": job.progress.done if job else None,
        "eta": job.progress.seconds_left if job else None,
        "live_preview": None,
        "id_live_preview": question.id_live_preview,
        "textinfo": f"In queue: {job.place + 1}" if job is not None and job.place is not None else None,
    }
    newest = job.preview_step if job is not None and running else None
    if job is not None and question.live_preview and newest is not None and newest != question.id_live_preview:
        preview = service.preview(job.id)
        if preview is not None:
            told |= {"live_preview": f"data:image/jpeg;base64,{encode(preview)}", "id_live_preview": newest}
    return told
