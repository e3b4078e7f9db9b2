"""One picture of a data set and what belongs to it, by name only: nothing is decoded here but headers.

blob       a file, or a piece of a tar
example    a picture with its caption, mask, hint and repeats
problem    something in a folder that cannot be used
"""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image as PILImage

from inkbloom.core.errors import RequestError
from inkbloom.core.pictures import reading

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".gif")

_ORIENTATION = 0x0112
_FIRST_SIDEWAYS = 5
"""EXIF orientations from 5 on lie on their side."""

ProblemKind = Literal[
    "unreadable file",
    "unusable picture",
    "caption without a picture",
    "mask of another size",
    "hint of another shape",
]


@dataclass(frozen=True, slots=True)
class Blob:
    path: Path
    member: str = ""
    """Its name within a tar; empty where the file is all of it."""
    start: int = 0
    size: int | None = None
    """Bytes; None is up to the end."""

    def __str__(self) -> str:
        return f"{self.path}: {self.member}" if self.member else str(self.path)

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(-1 if self.size is None else self.size)

    def opened(self) -> AbstractContextManager[PILImage.Image]:
        """The picture in it, not yet decoded; `RequestError` as in `core.pictures.reading`."""
        return reading(io.BytesIO(self.read()) if self.member else self.path, str(self))

    def stamp(self) -> str:
        """Another one once the file has changed."""
        state = self.path.stat()
        return f"{state.st_size} {state.st_mtime_ns} {self.start} {self.size}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    picture: Blob
    caption: str
    """As it was written; what is trained on is made of it anew in every step."""
    width: int
    height: int
    """Pixels, upright, as the file's header says."""
    group: str
    """The folder or tar that it came from, as it is called in reports."""
    repeats: int = 1
    regularisation: bool = False
    mask: Blob | None = None
    hint: Blob | None = None

    @property
    def name(self) -> str:
        return str(self.picture)


@dataclass(frozen=True, slots=True)
class Problem:
    kind: ProblemKind
    text: str
    """One line that names the file."""


@dataclass(frozen=True)
class Collection:
    examples: tuple[Example, ...]
    problems: tuple[Problem, ...]


def orientation(file: PILImage.Image) -> int:
    """The EXIF orientation, 1 to 8, as it is known before decoding; 1 where nothing is said."""
    # Pillow decodes a whole PNG to look for EXIF behind the pixels.
    if file.format == "PNG" and "exif" not in file.info:
        return 1
    return file.getexif().get(_ORIENTATION, 1)


def is_sideways(file: PILImage.Image) -> bool:
    return orientation(file) >= _FIRST_SIDEWAYS


def measure(blob: Blob) -> tuple[int, int]:
    """Width and height of the upright picture, by its header alone; `RequestError` where it is no picture."""
    with blob.opened() as file:
        return (file.height, file.width) if is_sideways(file) else file.size


def caption_text(blob: Blob) -> str:
    """A caption file's text without space around it; `RequestError` unless it is UTF-8."""
    try:
        return blob.read().decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise RequestError(f'The caption file "{blob}" is not UTF-8 text.') from None
