"""Data sets: pictures with captions, to train on."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from inkbloom.apps.api.access import DatasetName, Studio
from inkbloom.apps.api.native.files import MULTIPART, picture_file, read_form, send
from inkbloom.apps.service.service import Service

router = APIRouter(tags=["datasets"])

FileName = Annotated[str, Path(min_length=1, max_length=200, description="a picture's file name")]

_FORM = {
    "multipart/form-data": {
        "schema": {
            **MULTIPART["multipart/form-data"]["schema"],
            "properties": {
                **MULTIPART["multipart/form-data"]["schema"]["properties"],
                "caption": {"type": "string"},
            },
        }
    }
}


class DatasetBody(BaseModel, frozen=True, extra="forbid"):
    name: str = Field(min_length=1, max_length=100)


class CaptionBody(BaseModel, frozen=True, extra="forbid"):
    caption: str = Field(max_length=10_000)


class DatasetPicture(BaseModel, frozen=True):
    file: str
    width: int
    height: int
    caption: str
    url: str


class Dataset(BaseModel, frozen=True):
    name: str
    pictures: list[DatasetPicture]


class DatasetList(BaseModel, frozen=True):
    datasets: list[str] = Field(description="their names")


class Added(BaseModel, frozen=True):
    file: str = Field(description="the name that it got")
    url: str


class Finding(BaseModel, frozen=True):
    level: Literal["info", "note", "warning", "error"]
    text: str
    files: list[str]


class Findings(BaseModel, frozen=True):
    findings: list[Finding]


@router.get("/datasets")
def list_datasets(service: Studio) -> DatasetList:
    """The data sets by name."""
    return DatasetList(datasets=service.datasets.list())


@router.post("/datasets", status_code=201)
def create_dataset(body: DatasetBody, service: Studio) -> Dataset:
    """A new one, empty."""
    service.datasets.create(body.name)
    return _dataset(service, body.name)


@router.get("/datasets/{name}")
def get_dataset(name: DatasetName, service: Studio) -> Dataset:
    """Its pictures with their captions."""
    return _dataset(service, name)


@router.delete("/datasets/{name}", status_code=204)
def delete_dataset(name: DatasetName, service: Studio) -> None:
    """Remove it with all its pictures."""
    service.datasets.delete(name)


@router.get("/datasets/{name}/lint")
def lint_dataset(
    name: DatasetName, service: Studio, resolution: Annotated[int, Query(ge=64, le=4096)] = 512
) -> Findings:
    """What is wrong with it for a training at a resolution: broken, small or equal pictures, captions that lack."""
    return Findings.model_validate({"findings": service.datasets.lint(name, resolution)})


@router.post(
    "/datasets/{name}/pictures",
    status_code=201,
    openapi_extra={"requestBody": {"required": True, "content": _FORM}},
)
async def add_picture(name: DatasetName, request: Request, service: Studio) -> Added:
    """Add a picture, a form's `file`, with its `caption`. One of the same name is kept beside it."""
    data, filename, caption = await read_form(request)
    file = await run_in_threadpool(service.datasets.add, name, filename, data, caption)
    return Added(file=file, url=_url(name, file))


@router.patch("/datasets/{name}/pictures/{file}", status_code=204)
def caption_picture(name: DatasetName, file: FileName, body: CaptionBody, service: Studio) -> None:
    """Give a picture another caption."""
    service.datasets.caption(name, file, body.caption)


@router.delete("/datasets/{name}/pictures/{file}", status_code=204)
def remove_picture(name: DatasetName, file: FileName, service: Studio) -> None:
    """Take a picture out, and its caption."""
    service.datasets.remove(name, file)


@router.get("/datasets/{name}/file/{file}", response_class=Response, responses=picture_file("the picture"))
def get_dataset_file(name: DatasetName, file: FileName, request: Request, service: Studio) -> Response:
    """A picture of a data set."""
    return send(request, service.datasets.file(name, file))


def _dataset(service: Service, name: str) -> Dataset:
    pictures = [DatasetPicture(url=_url(name, one["file"]), **one) for one in service.datasets.get(name)]
    return Dataset(name=name, pictures=pictures)


def _url(name: str, file: str) -> str:
    return f"/api/v1/datasets/{quote(name, safe='')}/file/{quote(file, safe='')}"
