"""How much a client may send: a body is refused as soon as it is known to be too large, and never read to its end."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inkbloom.apps.api.errors import answer

MOST_BYTES = 64 * 2**20
"""Of a request's body, of whatever kind."""

_REFUSED = f"The body is too large: at most {MOST_BYTES // 2**20} MiB are taken. Upload pictures one by one."


class BodyLimit:
    """Middleware that answers 413 to bodies of more than `most` bytes, declared or sent."""

    def __init__(self, app: ASGIApp, most: int = MOST_BYTES) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > self.most:
            await answer(413, "TooLargeError", _REFUSED)(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.most:
                raise HTTPException(413, _REFUSED)
            return message

        await self.app(scope, counted, send)
