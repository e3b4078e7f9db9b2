"""Pictures that clients give: decoded whole and stored again, and named by their contents: none of their bytes is kept.

A request names them `upload:ID`; `resolved` and `named` go from there to paths for the worker, and back.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image as PILImage
from PIL import ImageOps

from inkbloom.apps.service.folders import DataFolder, write_file
from inkbloom.apps.service.refusals import TooLargeError, UnknownError
from inkbloom.core.errors import RequestError
from inkbloom.core.pictures import as_rgb, reading

MOST_BYTES = 64 * 2**20
"""Of one upload. Its pixels are bounded by `core.pictures.reading`, at 89 million."""

PREFIX = "upload:"
_ID = re.compile(r"[0-9a-f]{32}")
_DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,")


@dataclass(frozen=True)
class Upload:
    id: str
    width: int
    height: int
    alpha: bool
    """Whether it has transparent places."""

    @property
    def name(self) -> str:
        """As a request names it."""
        return PREFIX + self.id


class Uploads:
    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder.inputs

    def add(self, data: bytes, name: str | None = None) -> Upload:
        """Store a picture upright, as 8-bit grey, RGB or RGBA.

        `TooLargeError` for too many bytes, `RequestError` that calls it `name` for what is no sound picture.
        """
        picture = decoded(data, name or "the upload")
        file = io.BytesIO()
        picture.save(file, "PNG")
        id = hashlib.sha256(file.getvalue()).hexdigest()[:32]
        path = self._path(id)
        if not path.exists():
            write_file(path, file.getvalue())
        return Upload(id, picture.width, picture.height, picture.mode == "RGBA")

    def add_data_url(self, url: str, field: str) -> Upload:
        """The picture of a `data:image/...;base64,` URL."""
        head = _DATA_URL.match(url)
        if head is None:
            raise RequestError(f"{field}: a data URL must begin with data:image/TYPE;base64, and hold a picture.")
        if len(url) > MOST_BYTES * 4 // 3 + 100:
            raise TooLargeError(f"{field}: more than {MOST_BYTES >> 20} MiB.")
        try:
            data = base64.b64decode(url[head.end() :], validate=True)
        except (binascii.Error, ValueError):
            raise RequestError(f"{field}: the data URL is not sound base64.") from None
        return self.add(data, field)

    def open(self, id: str) -> Path:
        """The file of an upload, a PNG; `UnknownError` where there is none."""
        path = self._path(id) if _ID.fullmatch(id) else None
        if path is None or not path.is_file():
            raise UnknownError(f'There is no upload "{id[:64]}".')
        return path

    def named(self, request: dict[str, Any]) -> dict[str, Any]:
        """A request with uploads by name in place of their paths; other paths are not told."""

        def name(place: str) -> str | None:
            path = Path(place)
            return PREFIX + path.stem if path.is_relative_to(self._folder) else None

        return with_sources(request, lambda place, _: name(place))

    def resolved(self, request: dict[str, Any]) -> dict[str, Any]:
        """The inverse of `named`; `UnknownError` where an upload is no longer there."""
        return with_sources(request, lambda place, _: str(self.open(place.removeprefix(PREFIX))))

    def _path(self, id: str) -> Path:
        return self._folder / id[:2] / f"{id}.png"


def decoded(data: bytes, name: str) -> PILImage.Image:
    """A picture of a client's, decoded to its last pixel, upright, as 8-bit grey, RGB or RGBA; raises as `add`."""
    if len(data) > MOST_BYTES:
        raise TooLargeError(f"{name}: {len(data):,} bytes; at most {MOST_BYTES:,} are taken.")
    with reading(io.BytesIO(data), name) as file:
        file.load()
        picture = ImageOps.exif_transpose(file)
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
        elif picture.mode != "L":
            picture = as_rgb(picture)
        fresh = PILImage.new(picture.mode, picture.size)
        fresh.paste(picture)
        return fresh


def with_sources(value: Any, change: Callable[[str, str], str | None], field: str = "") -> Any:
    """A dumped request with each path of a picture changed; `change` is given it and its field's name."""
    if isinstance(value, dict):
        if "path" in value and value.keys() <= {"path", "sha256"}:
            return value if value["path"] is None else value | {"path": change(value["path"], field)}
        return {key: with_sources(part, change, f"{field} {key}" if field else str(key)) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [with_sources(part, change, f"{field} {number}") for number, part in enumerate(value)]
    return value
