"""What a picture or a text tells of how it was made, whatever program wrote it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.request import GenerationRequest

if TYPE_CHECKING:
    from inkbloom.pipelines.metadata import Metadata

# Reading metadata brings torch, which a server must not wait for when it starts; so it is imported inside functions.


class Information(BaseModel, frozen=True):
    """What `inkbloom info` says."""

    program: str = Field(description="that wrote it")
    prompt: str
    negative_prompt: str
    fields: dict[str, str] = Field(description="the program's settings under its own names")
    request: dict[str, Any] | None = Field(description="ours for the same picture, as far as it can be painted here")
    raw: str = Field(description="the text that all this was read from")
    warnings: list[str] = Field(description="what was not understood, or has no counterpart here")


def of_file(data: bytes, name: str) -> Metadata:
    """What a picture file tells; `RequestError`, which calls it `name`, where it tells nothing, or is no picture."""
    from inkbloom.pipelines.metadata import read_metadata

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        path.write_bytes(data)
        try:
            return read_metadata(path)
        except RequestError as error:
            raise RequestError(str(error).replace(str(path), name)) from None


def parameters_of(data: bytes) -> str:
    """The text in A1111's form that a picture carries; empty where there is none, or no picture."""
    from inkbloom.pipelines.metadata.containers import PARAMETERS, USER_COMMENT, read_carried

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        path.write_bytes(data)
        try:
            texts = read_carried(path).texts
        except RequestError:
            return ""
    return texts.get(PARAMETERS) or texts.get(USER_COMMENT) or ""


def of_text(text: str) -> Metadata:
    """What a text tells: a program's own metadata, a request or a job as JSON, or a prompt alone.

    `RequestError` for a text that is too long, and for JSON that is of no program that we know.
    """
    from inkbloom.pipelines.metadata.a1111 import parse_infotext, read_infotext
    from inkbloom.pipelines.metadata.comfyui import read_graph
    from inkbloom.pipelines.metadata.containers import MAX_TEXT
    from inkbloom.pipelines.metadata.fooocus import read_fooocus
    from inkbloom.pipelines.metadata.invokeai import read_dream, read_invokeai, read_sd_metadata
    from inkbloom.pipelines.metadata.own import read_record
    from inkbloom.pipelines.metadata.record import make_metadata, mapping_of, parse_json

    if len(text) > MAX_TEXT:
        raise RequestError(f"text: {len(text):,} characters; at most {MAX_TEXT:,} are read.")
    try:
        found = parse_json(text)
        if found is not None and str(found.get("program")).startswith("inkbloom"):
            return read_record(text)
        fields = mapping_of(found.get("request", found)) if found is not None else {}
        if isinstance(fields.get("prompt"), str):
            return _of_request(fields, text)
        for read in (read_fooocus, read_infotext, read_graph, read_invokeai, read_sd_metadata, read_dream):
            if (told := read(text)) is not None:
                return told
    except RecursionError:
        raise RequestError("text: it is nested too deeply.") from None
    if found is not None:
        raise RequestError("text: the JSON is no request, and no metadata of a program that we know.")
    parsed = parse_infotext(text)
    return make_metadata("", parsed.prompt, parsed.negative_prompt, fields={}, settings={}, raw=text)


def _of_request(fields: dict[str, Any], text: str) -> Metadata:
    from inkbloom.pipelines.metadata import Metadata
    from inkbloom.pipelines.metadata.own import PROGRAM

    request = GenerationRequest(**fields)
    return Metadata(
        program=PROGRAM,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        fields={},
        request=request,
        raw=text,
    )
