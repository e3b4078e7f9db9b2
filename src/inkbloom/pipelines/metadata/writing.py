"""Pictures with metadata: A1111's text for other programs, our record for ourselves, by how much they may tell."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from PIL import Image as PILImage

from inkbloom.core.errors import OutputError, RequestError, nearest
from inkbloom.pipelines.metadata.a1111 import infotext
from inkbloom.pipelines.metadata.containers import exif_notes, png_notes
from inkbloom.pipelines.metadata.own import PROGRAM, hash_only, to_record, without_prompt
from inkbloom.pipelines.request import ResolvedRequest
from inkbloom.pipelines.stages import StageHashes

Privacy = Literal["full", "without-prompt", "hash-only", "none"]
"""full: all. without-prompt: the settings. hash-only: the SHA-256 of the request. none: nothing at all."""

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".avif": "AVIF"}
"""The formats that carry metadata, by the endings of their files."""
QUALITY = 90
"""Of JPEG, WebP and AVIF, from 0 to 100."""
EXIF_LIMIT = 65_527
"""Bytes of EXIF that fit into JPEG's one segment of 65,535, after its length and its mark."""


def format_of(path: Path) -> str:
    """Pillow's name of the format that a file's ending asks for; `RequestError` for an ending not in `FORMATS`."""
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise RequestError(f'"{path.name}": pictures are written as {", ".join(FORMATS)}, not as "{path.suffix}".')
    return found


def write_picture(
    picture: PILImage.Image,
    path: Path,
    *,
    format: str,
    request: ResolvedRequest | None = None,
    stages: StageHashes | None = None,
    privacy: Privacy = "full",
) -> None:
    """Write a picture in one of the `FORMATS`, with as much of the request and the hashes as `privacy` allows.

    Without a request it carries nothing. `OutputError` where the metadata do not fit: JPEG holds 64 KB; `RequestError`
    for an unknown `privacy`. Errors of the file system pass through.
    """
    parameters, record = _told(request, stages, privacy)
    if format == "PNG":
        picture.save(path, format=format, pnginfo=png_notes(parameters, record))
        return
    options = (
        {} if parameters is None and record is None else {"exif": exif_notes(parameters, record, PROGRAM).tobytes()}
    )
    size = len(options.get("exif", b""))
    if format == "JPEG" and size > EXIF_LIMIT:
        raise OutputError(
            f"The metadata take {size:,} bytes, and JPEG holds {EXIF_LIMIT:,}; write another format, or less of them."
        )
    picture.save(path, format=format, quality=QUALITY, **options)


def _told(request: ResolvedRequest | None, stages: StageHashes | None, privacy: str) -> tuple[str | None, str | None]:
    """A1111's text and our record."""
    if privacy not in get_args(Privacy):
        raise RequestError(f'Unknown privacy "{privacy}".{nearest(privacy, get_args(Privacy))}')
    if request is None or privacy == "none":
        return None, None
    if privacy == "hash-only":
        return None, hash_only(request)
    if privacy == "without-prompt":
        return infotext(request, with_prompt=False), without_prompt(request)
    return infotext(request), to_record(request, stages)
