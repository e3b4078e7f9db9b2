"""Requests as texts that do the same elsewhere: a command line, a call of the API, JSON, A1111's parameters."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, Literal

from inkbloom.apps.api.native.command_line import Surroundings, command_line
from inkbloom.apps.service.jobs import GenerateSpec, with_texts
from inkbloom.apps.service.service import Service
from inkbloom.apps.service.uploads import PREFIX, with_sources
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.editing.sources import PictureSource
from inkbloom.pipelines.request import GenerationRequest

TextFormat = Literal["cli", "curl", "json", "a1111"]

_GALLERY = "picture:"


def as_text(service: Service, spec: GenerateSpec, format: TextFormat, url: str) -> str:
    """The text; `url` is where this server is reached. Raises as `Service.submit`, and `RequestError` where the format
    cannot say what is asked for."""
    match format:
        case "cli":
            return command_line(spec.request, surroundings(service, spec))
        case "a1111":
            return _infotext(service, spec)
        case "json":
            return json.dumps(plain(service, spec.request), ensure_ascii=False, indent=2)
        case "curl":
            told = spec.model_dump(mode="json", exclude_defaults=True, exclude={"request"})
            body = {"kind": spec.kind, "request": plain(service, spec.request), **told}
            head = ["curl", "-X", "POST", f"{url}api/v1/jobs", "-H", "Content-Type: application/json"]
            return shlex.join([*head, "-d", json.dumps(body, ensure_ascii=False)])


def plain(service: Service, request: GenerationRequest) -> dict[str, Any]:
    """A request as clients write it: what is as usual is left out, and pictures are texts, short ones."""
    fields = request.model_dump(mode="json", exclude_defaults=True)
    named = with_sources(fields, lambda place, field: _stored(service, place, field))
    return with_texts(named)


def surroundings(service: Service, spec: GenerateSpec) -> Surroundings:
    """Where the files of a spec's names lie on this machine."""
    name = service.models.check(spec.request.model or service.default_model, "checkpoints", "model")
    return Surroundings(
        picture=lambda source: file_of(service, source),
        checkpoint=None if name is None else service.models.path(name),
        vae=spec.request.vae,
        models_dir=service.models_dir,
        styles=spec.styles,
        styles_file=service.folder.styles,
        wildcards=service.folder.wildcards if spec.variants else None,
        format=spec.format or "png",
    )


def file_of(service: Service, source: PictureSource) -> Path:
    """The file of a picture that a request names; `UnknownError` where there is none, `RequestError` for a path."""
    place = _stored(service, source.path or "", "picture")
    if place.startswith(_GALLERY) and place.removeprefix(_GALLERY).isdecimal():
        return service.gallery.file(int(place.removeprefix(_GALLERY)))
    if place.startswith(PREFIX):
        return service.uploads.open(place.removeprefix(PREFIX))
    raise RequestError(f'"{place[:60]}" is no picture of this server; upload it first.')


def _stored(service: Service, place: str, field: str) -> str:
    """The name of a picture; a data URL becomes an upload."""
    return service.uploads.add_data_url(place, field).name if place.startswith("data:") else place


def _infotext(service: Service, spec: GenerateSpec) -> str:
    """A1111's text of the first picture, with the styles around its prompts."""
    from inkbloom.pipelines.metadata.a1111 import infotext
    from inkbloom.text.prompt.styles import apply_styles, read_styles

    request = spec.request
    styles = read_styles([service.folder.styles]) if spec.styles else {}
    prompt, negative_prompt = apply_styles(request.prompt, request.negative_prompt, spec.styles, styles)
    fields = with_sources(
        request.model_dump(), lambda place, _: str(file_of(service, PictureSource.model_validate(place)))
    )
    asked = GenerationRequest(**fields | {"prompt": prompt, "negative_prompt": negative_prompt})
    return infotext(asked.resolved(service.models.spec(request.model or service.default_model)))
