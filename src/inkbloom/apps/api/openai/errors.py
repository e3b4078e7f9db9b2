"""OpenAI's errors: {"error": {"message", "type", "param", "code"}}."""

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


class OpenAIDetail(BaseModel):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIError(BaseModel):
    error: OpenAIDetail


ANSWERS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": OpenAIError, "description": "it cannot be done as asked for"},
    "5XX": {"model": OpenAIError, "description": "it went wrong, or cannot be done now"},
}


class OpenAIRoute(APIRoute):
    """An endpoint whose errors have OpenAI's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        original = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await original(request)
            except InkbloomError as error:
                message = str(error)
                return refused(errors.status_of(error), message, _param(message), type(error).__name__)
            except RequestValidationError as error:
                status, kind, message, field = errors.explain(error.errors())
                return refused(status, message, field, kind)
            except HTTPException as error:
                return refused(error.status_code, str(error.detail), None, None)

        return handle


def _param(message: str) -> str | None:
    """The field that a message begins with: one of our requests', or of these endpoints' own."""
    first = message.partition(":")[0].partition(" ")[0]
    return first if first in ("size", "image", "mask", "stream", "background") else errors.field_of(message)


def refused(status: int, message: str, param: str | None, code: str | None) -> JSONResponse:
    kind = "invalid_request_error" if status < 500 else "server_error"
    detail = OpenAIDetail(message=message, type=kind, param=param, code=code)
    return JSONResponse(OpenAIError(error=detail).model_dump(), status)
