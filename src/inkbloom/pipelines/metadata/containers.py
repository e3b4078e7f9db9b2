"""Where files keep texts: chunks of PNG, EXIF of JPEG, WebP, AVIF (and PNG), comments of JPEG and GIF, a .txt beside,
and, where there is none of these, the pixels of PNG and WebP (`stealth`).

EXIF's UserComment says its encoding in eight bytes: "UNICODE\\0" is UTF-16 in either byte order. Our own record stands
in EXIF's MakerNote, which is meant for what only the maker reads, after the bytes "inkbloom\\0".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ExifTags
from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo, iTXt

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.metadata.stealth import hidden_text
from inkbloom.pipelines.pictures import opened

MAX_TEXT = 4_000_000
"""Characters of a text that is read; ComfyUI's larger graphs have some hundred thousand."""

OWN = "inkbloom"
"""The name of our record: of the chunk in PNG, and before the record in EXIF's MakerNote."""
PARAMETERS = "parameters"
USER_COMMENT, SOFTWARE, COMMENT = "UserComment", "Software", "Comment"

_PNG_KEYS = {
    *(OWN, PARAMETERS, "prompt", "fooocus_scheme", "invokeai_metadata", "sd-metadata", "Dream", "dream"),
    *(SOFTWARE, "Description", COMMENT),
}
_OWN_PREFIX = f"{OWN}\0".encode()
_MAIN_TAGS = {
    ExifTags.Base.Software: SOFTWARE,
    ExifTags.Base.Make: "Make",
    ExifTags.Base.Model: "Model",
    # Fooocus writes it here, where EXIF does not want it
    ExifTags.Base.UserComment: USER_COMMENT,
}


@dataclass(frozen=True, kw_only=True)
class Carried:
    """The texts in a picture file under their names, and the picture's size."""

    texts: dict[str, str]
    width: int
    height: int


def read_carried(path: Path) -> Carried:
    """All texts of a picture that may say how it was made; `RequestError` as in `opened`, and for texts too long."""
    with opened(path) as file:
        texts = _texts_of(file)
        if not texts and file.format == "PNG":
            file.load()  # chunks behind the pixels
            texts = _texts_of(file)
        if not texts and file.format in ("PNG", "WEBP"):
            try:
                hidden = hidden_text(file, MAX_TEXT)
            except RequestError as error:
                raise RequestError(f'"{path}": {error}') from None
            texts = {} if hidden is None else {PARAMETERS: hidden}
        width, height = file.size
    for name, text in texts.items():
        if len(text) > MAX_TEXT:
            raise RequestError(
                f'"{path}": the text "{name}" has {len(text):,} characters; at most {MAX_TEXT:,} are read.'
            )
    return Carried(texts=texts, width=width, height=height)


def text_beside(path: Path) -> str | None:
    """The text of a .txt file of the picture's name, as A1111 can write; None where there is none that can be read."""
    beside = path.with_suffix(".txt")
    if not beside.is_file() or beside.stat().st_size > MAX_TEXT:
        return None
    return _decode(beside.read_bytes())


def _texts_of(file: PILImage.Image) -> dict[str, str]:
    if file.format == "PNG":
        texts = {name: _mended(text) for name, text in file.info.items() if name in _PNG_KEYS and isinstance(text, str)}
    else:
        comment = file.info.get("comment")
        texts = {COMMENT: _decode(comment)} if isinstance(comment, bytes) else {}
    return {name: text for name, text in (_exif_texts(file) | texts).items() if text.strip("\0 ")}


def _exif_texts(file: PILImage.Image) -> dict[str, str]:
    exif = file.getexif()
    texts = {name: _exif_text(exif.get(tag)) for tag, name in _MAIN_TAGS.items()}
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    if ExifTags.Base.UserComment in inner:
        texts[USER_COMMENT] = _exif_text(inner[ExifTags.Base.UserComment])
    note = inner.get(ExifTags.Base.MakerNote)
    if isinstance(note, bytes) and note.startswith(_OWN_PREFIX):
        texts[OWN] = _decode(note.removeprefix(_OWN_PREFIX))
    return texts


def _exif_text(value: Any) -> str:
    if isinstance(value, str):
        return _mended(value)
    return user_comment(value) if isinstance(value, bytes) else ""


def user_comment(data: bytes) -> str:
    """The text of an EXIF UserComment, whatever its encoding; where it names none, UTF-8 or Latin-1."""
    kind, body = data[:8], data[8:]
    if kind != b"UNICODE\0":
        return _decode(body if kind in (b"ASCII\0\0\0", b"\0" * 8) else data)
    if body[:2] in (b"\xfe\xff", b"\xff\xfe"):
        return body.decode("utf-16", "replace")
    if b"\0" not in body:  # in UTF-16 each line break and each digit has one
        return _decode(body)
    # The byte order is EXIF's or not: most characters are Latin, so that their high bytes are 0
    big = body[0::2].count(0) >= body[1::2].count(0)
    return body.decode("utf-16-be" if big else "utf-16-le", "replace")


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig").rstrip("\0")
    except UnicodeDecodeError:
        return data.decode("latin-1").rstrip("\0")


def _mended(text: str) -> str:
    """PNG's plain chunks are Latin-1; many programs write UTF-8 into them, and then it is read as such."""
    if isinstance(text, iTXt):
        return str(text)
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return str(text)


def png_notes(parameters: str | None, record: str | None) -> PngInfo:
    """The texts for a PNG: international chunks where they are not plain ASCII, so that no reader has to guess."""
    notes = PngInfo()
    for name, text in ((PARAMETERS, parameters), (OWN, record)):
        if text is not None and text.isascii():
            notes.add_text(name, text)
        elif text is not None:
            notes.add_itxt(name, text)
    return notes


def exif_notes(parameters: str | None, record: str | None, program: str) -> PILImage.Exif:
    """The texts for JPEG, WebP and AVIF: A1111's as UserComment in UTF-16, ours as MakerNote."""
    exif = PILImage.Exif()
    exif[ExifTags.Base.Software] = program
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    if parameters is not None:
        inner[ExifTags.Base.UserComment] = b"UNICODE\0" + parameters.encode("utf-16-be")
    if record is not None:
        inner[ExifTags.Base.MakerNote] = _OWN_PREFIX + record.encode()
    return exif
