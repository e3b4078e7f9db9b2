"""The gallery: its pictures, what they tell, and the same once more."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from inkbloom.apps.api.access import MAX_NUMBER, PictureId, Studio, names_known
from inkbloom.apps.api.native.copying import TextFormat, as_text, file_of
from inkbloom.apps.api.native.files import MULTIPART, picture_file, read_picture, send
from inkbloom.apps.api.native.information import Information, of_file, of_text
from inkbloom.apps.service.jobs import GenerateSpec, Job, Picture, with_texts
from inkbloom.apps.service.library import named
from inkbloom.apps.service.refusals import ConflictError
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.editing.sources import PictureSource

MOST_ZIPPED = 500
"""Pictures in one archive."""

router = APIRouter(tags=["pictures"])


class PictureList(BaseModel, frozen=True):
    pictures: list[Picture]
    total: int = Field(description="how many there are, on all pages")


class FavouriteBody(BaseModel, frozen=True, extra="forbid"):
    favourite: bool


class InfoBody(BaseModel, frozen=True, extra="forbid"):
    text: str | None = Field(None, description="parameters of any program, a request as JSON, or a prompt")
    picture: str | None = Field(None, description="upload:ID or picture:ID")


class AsBody(GenerateSpec, frozen=True):
    format: TextFormat = Field(description="of the text")  # type: ignore[assignment] - in place of the pictures' format


class Text(BaseModel, frozen=True):
    text: str


@router.get("/pictures")
async def list_pictures(
    service: Studio,
    q: Annotated[str, Query(max_length=2000, description='words, and fields as in "cat seed:42 steps:>20"')] = "",
    favourite: bool | None = None,
    model: Annotated[str | None, Query(max_length=200)] = None,
    sampler: Annotated[str | None, Query(max_length=200)] = None,
    kind: Annotated[str | None, Query(max_length=20, description="of the job")] = None,
    from_: Annotated[date | None, Query(alias="from", description="the first day")] = None,
    to: Annotated[date | None, Query(description="the last day")] = None,
    order: Literal["newest", "oldest"] = "newest",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[int | None, Query(ge=1, le=MAX_NUMBER, description="the last of the page before this")] = None,
) -> PictureList:
    """The gallery, by what is looked for: words in prompts and names, and any field of a request."""
    days = {"from": from_ and from_.isoformat(), "to": to and to.isoformat()}
    filters = {"favourite": favourite, "model": model, "sampler": sampler, "kind": kind, **days}
    found, total = service.gallery.search(q, filters=filters, order=order, limit=limit, before=before)
    return PictureList(pictures=found, total=total)


@router.get(
    "/pictures/zip",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}, "description": "the files"}},
)
def zip_pictures(
    service: Studio,
    ids: Annotated[str, Query(pattern=r"^[0-9]{1,18}(,[0-9]{1,18})*$", max_length=20_000, description="such as 1,2,3")],
) -> StreamingResponse:
    """Several pictures in one archive."""
    numbers = list(dict.fromkeys(map(int, ids.split(","))))
    if len(numbers) > MOST_ZIPPED:
        raise RequestError(f"ids: {len(numbers)} pictures; at most {MOST_ZIPPED} go into one archive.")
    files = {service.gallery.picture(number).filename: service.gallery.file(number) for number in numbers}
    headers = {"Content-Disposition": 'attachment; filename="inkbloom.zip"'}
    return StreamingResponse(_zipped(files), media_type="application/zip", headers=headers)


@router.post(
    "/pictures/info",
    dependencies=[Depends(names_known)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {**MULTIPART, "application/json": {"schema": InfoBody.model_json_schema()}},
        }
    },
)
async def read_information(request: Request, service: Studio) -> Information:
    """How a picture was made, as its file tells: a multipart `file`, or JSON that names it or is the text itself."""
    if request.headers.get("content-type", "").startswith("application/json"):
        body = _read_info(await request.body())
        if (body.text is None) == (body.picture is None):
            raise RequestError("text: give a text or a picture, and not both.")
        told = await run_in_threadpool(_named_information, service, body)
    else:
        data, name = await read_picture(request)
        told = await run_in_threadpool(of_file, data, name)
    wanted = None
    if told.request is not None:
        wanted = told.request.model_dump(mode="json", exclude_defaults=True)
        wanted = with_texts(named(service.uploads.named(wanted)))
    return Information(
        program=told.program,
        prompt=told.prompt,
        negative_prompt=told.negative_prompt,
        fields=told.fields,
        request=wanted,
        raw=told.raw,
        warnings=told.warnings,
    )


def _read_info(data: bytes) -> InfoBody:
    try:
        return InfoBody.model_validate_json(data)
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(found) from None


def _named_information(service: Studio, body: InfoBody) -> Any:
    if body.text is not None:
        return of_text(body.text)
    assert body.picture is not None
    return of_file(file_of(service, PictureSource.model_validate(body.picture)).read_bytes(), body.picture)


@router.get("/pictures/{id}")
async def get_picture(id: PictureId, service: Studio) -> Picture:
    """What is known of a picture."""
    return service.gallery.picture(id)


@router.get("/pictures/{id}/file", response_class=FileResponse, responses=picture_file("the picture"))
def get_picture_file(id: PictureId, request: Request, service: Studio, download: bool = False) -> Response:
    """The picture itself, as it was saved, with its metadata."""
    return send(request, service.gallery.file(id), download=download)


@router.get("/pictures/{id}/thumbnail", response_class=FileResponse, responses=picture_file("a small WebP"))
def get_thumbnail(id: PictureId, request: Request, service: Studio) -> Response:
    """The picture, small."""
    return send(request, service.gallery.thumbnail(id))


@router.patch("/pictures/{id}")
def mark_picture(id: PictureId, body: FavouriteBody, service: Studio) -> Picture:
    """Make it a favourite, or no longer."""
    return service.gallery.favourite(id, body.favourite)


@router.delete("/pictures/{id}", status_code=204)
def delete_picture(id: PictureId, service: Studio) -> None:
    """Remove a picture and its file for good."""
    service.gallery.delete(id)


@router.get("/pictures/{id}/as", dependencies=[Depends(names_known)])
def copy_picture(id: PictureId, format: TextFormat, request: Request, service: Studio) -> Text:
    """What paints the picture again: a command line, a call of this API, JSON, or A1111's parameters."""
    fields = service.gallery.picture(id).request
    if fields is None:
        raise ConflictError(f"Picture {id} does not tell how it was made.")
    spec = GenerateSpec.model_validate({"request": fields})
    return Text(text=as_text(service, spec, format, str(request.base_url)))


@router.post("/pictures/{id}/reproduce", status_code=202)
def reproduce_picture(id: PictureId, service: Studio) -> Job:
    """Paint it again, as a job."""
    return service.reproduce(id)


@router.post("/pictures/{id}/verify", status_code=202)
def verify_picture(id: PictureId, service: Studio) -> Job:
    """Paint it again and compare, as a job; its result says whether both are the same."""
    return service.verify(id)


@router.post("/as", dependencies=[Depends(names_known)])
def copy_request(body: AsBody, request: Request, service: Studio) -> Text:
    """What paints the pictures of a request elsewhere."""
    spec = GenerateSpec(request=body.request, styles=body.styles, variants=body.variants, format=None)
    return Text(text=as_text(service, spec, body.format, str(request.base_url)))


class _Sink:
    """Takes what `zipfile` writes, until it is fetched."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        data = b"".join(self.chunks)
        self.chunks.clear()
        return data


def _zipped(files: dict[str, Path]) -> Iterator[bytes]:
    """An archive as it grows; pictures are packed already, and only stored."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[arg-type] - it only writes
        for name, path in files.items():
            archive.writestr(zipfile.ZipInfo.from_file(path, name), path.read_bytes())
            yield sink.take()
    yield sink.take()
