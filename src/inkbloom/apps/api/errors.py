"""The one shape of errors: {"error": {"type", "message", "field"}}, and the status of each.

400 is what is no JSON; 404 what is not there; 409 what is not possible now; 413 too large; 422 a value that cannot be
used, with the field's name; 503 what is possible later; 507 a full disk. 500 is a mistake of ours.
"""

from __future__ import annotations

import errno
import re
import sqlite3
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from inkbloom.apps.service import jobs
from inkbloom.apps.service.refusals import ClosingError, ConflictError, FullError, TooLargeError, UnknownError
from inkbloom.core.errors import InkbloomError, MemoryNeededError, OutputError
from inkbloom.pipelines.request import GenerationRequest

MOST = 500
"""Characters of a message."""

_SHOWN = 60
"""Characters of a value in a message."""


class ErrorDetail(BaseModel, frozen=True):
    type: str = Field(description='such as "RequestError"')
    message: str = Field(description="one line: what, the value, what is allowed")
    field: str | None = Field(None, description="the field it is about")


class ErrorBody(BaseModel, frozen=True):
    """What every error answers."""

    error: ErrorDetail


ANSWERS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "it cannot be done as asked for; the message says why"},
    "5XX": {"model": ErrorBody, "description": "it cannot be done now: the queue or the disk is full"},
}
"""For the routers: what each endpoint may answer beside its success."""

_STATUS: dict[type[InkbloomError], int] = {
    UnknownError: 404,
    ConflictError: 409,
    TooLargeError: 413,
    FullError: 503,
    ClosingError: 503,
    MemoryNeededError: 503,
    OutputError: 507,
}
"""Of errors that are not 422."""

SPECS: dict[str, type[BaseModel]] = {
    spec.model_fields["kind"].default: spec
    for spec in (
        jobs.GenerateSpec,
        jobs.UpscaleSpec,
        jobs.PlotSpec,
        jobs.MergeSpec,
        jobs.TrainSpec,
        jobs.VerifySpec,
    )
}
"""The kinds of jobs."""
_FIELDS = {
    *GenerationRequest.model_fields,
    *(name for spec in SPECS.values() for name in spec.model_fields),
}
_NAMED = re.compile(r'(?:(Unknown field )|Unknown |Cannot read )?"?(\w+)')


def answer(status: int, type: str, message: str, field: str | None = None) -> JSONResponse:
    """An error as clients see it: its message in one line, and not longer than `MOST`."""
    line = " ".join(message.encode("utf-8", "replace").decode().split())
    detail = ErrorDetail(type=type, message=line if len(line) <= MOST else f"{line[: MOST - 3]}...", field=field)
    return JSONResponse(ErrorBody(error=detail).model_dump(), status)


def field_of(message: str) -> str | None:
    """The field that a message is about: those of requests begin with its name, in some sentences after a word."""
    found = _NAMED.match(message)
    return found[2] if found and (found[1] or found[2] in _FIELDS) else None


def status_of(error: InkbloomError) -> int:
    """The status of an error that a client can mend, or wait for."""
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 422)


def install(app: FastAPI) -> None:
    """Let the application answer every error in the one shape."""

    @app.exception_handler(InkbloomError)
    async def ours(request: Request, error: InkbloomError) -> JSONResponse:
        return answer(status_of(error), type(error).__name__, str(error), field_of(str(error)))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(*explain(error.errors()))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        name = HTTPStatus(error.status_code).phrase.title().replace(" ", "")
        reply = answer(error.status_code, name, str(error.detail))
        reply.headers.update(error.headers or {})
        return reply

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> JSONResponse:
        return answer(400, "RequestError", "The connection ended before the body did.")  # nobody reads it

    @app.exception_handler(OSError)
    @app.exception_handler(sqlite3.OperationalError)
    async def full(request: Request, error: Exception) -> JSONResponse:
        if not _disk_is_full(error):
            raise error
        return answer(507, "OutputError", "The disk is full; free some space and try again. Nothing was lost.")

    @app.exception_handler(Exception)
    async def mistake(request: Request, error: Exception) -> JSONResponse:
        return answer(500, "InternalError", "Something went wrong in the server; its log says what.")


def explain(errors: Sequence[Mapping[str, Any]]) -> tuple[int, str, str, str | None]:
    """(status, type, message, field) of what pydantic found wrong: the first thing, a misspelt field before others."""
    first = min(errors, key=lambda error: error["type"] != "extra_forbidden")
    place, kind = first["loc"], first["type"]
    if kind == "json_invalid":
        return 400, "RequestError", f"The body is not JSON: {first['ctx']['error']}.", None
    where, names = place[0], [str(part) for part in place[1:]]
    if where == "path":
        return 404, "UnknownError", f"There is no {names[0]} {_short(first['input'])}.", names[0]
    if kind == "value_error":
        message = str(first["ctx"]["error"])
        return 422, "RequestError", message, field_of(message) or (names[-1] if names else None)
    if kind.startswith("union_tag"):
        said = f" {_short(first['ctx']['tag'])}" if "tag" in first["ctx"] else ""
        return 422, "RequestError", f"kind{said}: must be one of {', '.join(SPECS)}.", "kind"
    field = _without_tag(names)
    if kind == "extra_forbidden":
        return 422, "RequestError", f'Unknown field "{field}".', field
    if kind == "missing":
        return 422, "RequestError", f"{field or 'The body'} is missing.", field
    # In an address everything is text, and needs no quotation marks
    said = first["input"][:_SHOWN] if where != "body" and isinstance(first["input"], str) else _short(first["input"])
    wanted = first["msg"].removeprefix("Input should be ")
    wanted = f"must be {wanted}" if wanted != first["msg"] else f"{wanted[:1].lower()}{wanted[1:]}"
    return 422, "RequestError", f"{field or 'The body'} {said}: {wanted}.", field


def _without_tag(names: list[str]) -> str | None:
    """The field's dotted name, without the kind of job that pydantic puts before it."""
    own = names[1:] if len(names) > 1 and names[0] in SPECS else names
    return ".".join(own) or None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _disk_is_full(error: Exception) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
