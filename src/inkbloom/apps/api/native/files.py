"""Pictures on their way: how files are sent, and how they come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import FileResponse
from starlette.datastructures import UploadFile

from inkbloom.core.errors import RequestError

TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".avif": "image/avif",
}
MULTIPART: dict[str, Any] = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "string", "format": "binary"}},
        }
    }
}
"""For the OpenAPI document: a picture as a form's `file`."""
_FOREVER = "private, max-age=31536000, immutable"


def picture_file(what: str) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI document: the answer of an endpoint that sends a picture."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in dict.fromkeys(TYPES.values())}
    return {200: {"content": content, "description": what}, 304: {"description": "as the client has it"}}


def send(request: Request, path: Path, *, immutable: bool = False, download: bool = False) -> Response:
    """A picture's file, or 304 where the client has it.

    `immutable`: its address says its contents. A number in the gallery does not: another data folder has its own, so
    browsers ask each time whether it is still the same.
    """
    facts = path.stat()
    etag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
    headers = {
        "ETag": etag,
        "Cache-Control": _FOREVER if immutable else "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    kind = "attachment" if download else "inline"
    return FileResponse(
        path,
        media_type=TYPES.get(path.suffix.lower(), "application/octet-stream"),
        headers=headers,
        filename=path.name,
        content_disposition_type=kind,
    )


async def read_picture(request: Request) -> tuple[bytes, str]:
    """The bytes and the name of a picture in a request: a form's `file`, or the body itself.

    `RequestError` where there is none. How many bytes there may be is bounded for all requests.
    """
    if is_form(request):
        data, name, _ = await read_form(request)
        return data, name
    data = await request.body()
    if not data:
        raise RequestError("file: there is no picture in the body.")
    return data, "picture"


async def read_form(request: Request) -> tuple[bytes, str, str]:
    """The bytes and the name of a form's `file`, and its `caption`; `RequestError` where there is no file."""
    if not is_form(request):
        raise RequestError("file: the body must be a form (multipart/form-data) with a file.")
    async with request.form(max_files=1, max_fields=10) as form:
        file, caption = form.get("file"), form.get("caption")
        if not isinstance(file, UploadFile):
            raise RequestError('file: the form has no file of the name "file".')
        name = Path(file.filename or "picture").name[:100]
        return await file.read(), name, caption if isinstance(caption, str) else ""


def is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("multipart/form-data")
