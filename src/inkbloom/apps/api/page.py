"""The page: files that the build has made, and its index for every place that the page itself knows.

Built files have a hash of their contents in their names, so that browsers may keep them for ever; the index names
them, and is asked for anew each time.
"""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from inkbloom.apps.web import DIST

APIS = ("/api/", "/sdapi/", "/v1/", "/controlnet/", "/internal/")
"""Below these an unknown path is an error, not the page."""

_FOREVER = "public, max-age=31536000, immutable"
_ANEW = "no-cache"
_MISSING = (
    "<!doctype html><title>inkbloom</title><p>The page is not built; the API is at /api/v1, described in /openapi.json."
)


class Page:
    """What answers where no endpoint does."""

    def __init__(self, folder: Path = DIST) -> None:
        """`folder` is that of the built files; where it is missing, the page is one line."""
        self.folder = folder
        self.files = StaticFiles(directory=folder, check_dir=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        response = await self._respond(scope)
        response.headers["X-Content-Type-Options"] = "nosniff"
        await response(scope, receive, send)

    async def _respond(self, scope: Scope) -> Response:
        path, method = Request(scope).url.path, scope["method"]
        if f"{path}/".startswith(APIS) or method not in ("GET", "HEAD"):
            raise HTTPException(404, f"There is no {method} {path} here; /openapi.json tells what there is.")
        try:
            response = await self.files.get_response(self.files.get_path(scope), scope)
            response.headers["Cache-Control"] = _FOREVER if path.startswith("/assets/") else _ANEW
            return response
        except HTTPException:
            if Path(path).suffix:  # such as a file of an older build
                raise HTTPException(404, f"There is no file {path}.") from None
        index = self.folder / "index.html"
        headers = {"Cache-Control": _ANEW}
        return FileResponse(index, headers=headers) if index.is_file() else HTMLResponse(_MISSING, headers=headers)
