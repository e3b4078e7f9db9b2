"""From a picture file to `Metadata`: our own record first, then A1111's text, then the other programs'."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.metadata.a1111 import parse_infotext, read_infotext
from inkbloom.pipelines.metadata.comfyui import read_graph
from inkbloom.pipelines.metadata.containers import (
    COMMENT,
    OWN,
    PARAMETERS,
    USER_COMMENT,
    Carried,
    read_carried,
    text_beside,
)
from inkbloom.pipelines.metadata.fooocus import read_fooocus
from inkbloom.pipelines.metadata.invokeai import read_dream, read_invokeai, read_sd_metadata
from inkbloom.pipelines.metadata.novelai import read_novelai
from inkbloom.pipelines.metadata.own import read_record
from inkbloom.pipelines.metadata.record import Metadata, make_metadata, parse_json


def read_metadata(path: str | Path) -> Metadata:
    """How a picture was made, as it tells itself, or as a .txt file beside it does.

    `RequestError` where there is no picture, it is damaged, its texts are too long, or none is of a program that we
    know. Settings that we do not understand, or cannot use, become `Metadata.warnings`.
    """
    path = Path(path)
    carried = read_carried(path)
    try:
        return _read(carried, path)
    except RecursionError:
        raise RequestError(f'"{path}": its metadata are nested too deeply.') from None


def _read(carried: Carried, path: Path) -> Metadata:
    damaged: RequestError | None = None
    if OWN in carried.texts:
        try:
            return read_record(carried.texts[OWN])
        except RequestError as error:
            damaged = error
    for found in _readings(carried, path):
        if found is not None:
            if damaged is not None:
                found.warnings.insert(0, f"{damaged} Its text in A1111's form is read instead.")
            return found
    if damaged is not None:
        raise damaged
    raise RequestError(
        f'"{path}" does not tell how it was made: it holds no metadata of inkbloom, A1111 and its kin, ComfyUI, '
        "InvokeAI, NovelAI or Fooocus."
    )


def _readings(carried: Carried, path: Path) -> Iterator[Metadata | None]:
    """What each reader makes of the texts, the surest first; None for "not mine"."""
    texts = carried.texts
    for name in (PARAMETERS, USER_COMMENT, COMMENT):
        if name in texts:
            yield read_fooocus(texts[name])
            yield read_novelai(texts[name], texts, (carried.width, carried.height))
            yield read_infotext(texts[name])
    for name in ("prompt", "Model", "Make", USER_COMMENT):
        if name in texts:
            yield read_graph(texts[name])
    if "invokeai_metadata" in texts:
        yield read_invokeai(texts["invokeai_metadata"])
    if "sd-metadata" in texts:
        yield read_sd_metadata(texts["sd-metadata"])
    for name in ("Dream", "dream"):
        if name in texts:
            yield read_dream(texts[name])
    if PARAMETERS in texts:
        yield _prompt_alone(texts[PARAMETERS])
    beside = text_beside(path)
    if beside is not None:
        yield read_infotext(beside)


def _prompt_alone(text: str) -> Metadata | None:
    """A1111's chunk without a line of parameters: a prompt, as far as it goes. JSON is no prompt."""
    if parse_json(text) is not None:
        return None
    parsed = parse_infotext(text)
    return make_metadata(
        "A1111",
        parsed.prompt,
        parsed.negative_prompt,
        fields={},
        settings={},
        raw=text,
        warnings=["There is no line of parameters; the metadata may have been cut off."],
    )
