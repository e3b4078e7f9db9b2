"""A1111's errors: {"error", "detail", "body", "errors"}, whatever went wrong below its paths."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from inkbloom.apps.api import errors
from inkbloom.core.errors import InkbloomError


class A1111Error(BaseModel):
    error: str
    detail: Any
    body: str = ""
    errors: str = ""


ANSWERS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": A1111Error, "description": "it cannot be done as asked for"},
    "5XX": {"model": A1111Error, "description": "it went wrong, or cannot be done now"},
}


class Refused(Exception):  # noqa: N818 - an answer, not a mistake
    """Answer this status with this reason."""

    def __init__(self, status: int, type: str, message: str) -> None:
        super().__init__(message)
        self.status, self.type, self.message = status, type, message


class A1111Route(APIRoute):
    """An endpoint whose errors have A1111's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        original = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await original(request)
            except (Refused, InkbloomError, RequestValidationError, HTTPException) as error:
                return _answer(error)

        return handle


def _answer(error: Refused | InkbloomError | RequestValidationError | HTTPException) -> JSONResponse:
    match error:
        case Refused():
            status, kind, message = error.status, error.type, error.message
        case InkbloomError():
            status, kind, message = errors.status_of(error), type(error).__name__, str(error)
        case RequestValidationError():
            status, kind, message, _ = errors.explain(error.errors())
        case HTTPException():
            status, kind, message = error.status_code, "HTTPException", str(error.detail)
    return JSONResponse(A1111Error(error=kind, detail=message, errors=message).model_dump(), status)
