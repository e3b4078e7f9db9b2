"""What all endpoints share: the service, the hub of its events, and the forms of ids in paths."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request
from starlette.concurrency import run_in_threadpool

from inkbloom.apps.api.sse import Hub, Remembered
from inkbloom.apps.service.service import Service

MAX_NUMBER = 2**63 - 1
"""The largest whole number of SQLite."""


async def _service(request: Request) -> Service:
    return request.app.state.service


async def _hub(request: Request) -> Hub:
    return request.app.state.hub


async def _remembered(request: Request) -> Remembered:
    return request.app.state.remembered


async def names_known() -> None:
    """Before a body with names of samplers is read: their registry brings torch, which must not hold up the loop."""
    await run_in_threadpool(_load_names)


def _load_names() -> None:
    import inkbloom.pipelines.preprocessing
    import inkbloom.sampling.registry  # noqa: F401


Studio = Annotated[Service, Depends(_service)]
Events = Annotated[Hub, Depends(_hub)]
Answers = Annotated[Remembered, Depends(_remembered)]
JobId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="a job's id")]
PictureId = Annotated[int, Path(ge=1, le=MAX_NUMBER, description="a picture's number in the gallery")]
UploadId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="an upload's id")]
DatasetName = Annotated[str, Path(min_length=1, max_length=100, description="a data set's name")]
