"""Pictures that clients bring, and what preprocessors make of them."""

from __future__ import annotations

import io
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from inkbloom.apps.api.access import Studio, UploadId, names_known
from inkbloom.apps.api.native.files import MULTIPART, TYPES, picture_file, read_picture, send

router = APIRouter(tags=["uploads"])

_BODIES = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in dict.fromkeys(TYPES.values())}


class UploadAnswer(BaseModel, frozen=True):
    id: str = Field(description="requests name the picture as upload:ID")
    width: int
    height: int
    alpha: bool = Field(description="it has transparent places")
    url: str


class PreprocessBody(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    preprocessor: str = Field(max_length=100)
    image: str = Field(description="upload:ID, picture:ID, or a data URL")
    threshold_a: float | None = None
    threshold_b: float | None = None
    resolution: Annotated[int, Field(ge=64, le=4096)] | None = Field(None, description="the shorter side meanwhile")


@router.post(
    "/uploads", status_code=201, openapi_extra={"requestBody": {"required": True, "content": _BODIES | MULTIPART}}
)
async def upload_picture(request: Request, service: Studio) -> UploadAnswer:
    """Bring a picture: as the body itself, or as a form's `file`. At most 64 MiB and 89 million pixels."""
    data, name = await read_picture(request)
    upload = await run_in_threadpool(service.uploads.add, data, name)
    return UploadAnswer(
        id=upload.id,
        width=upload.width,
        height=upload.height,
        alpha=upload.alpha,
        url=f"/api/v1/uploads/{upload.id}",
    )


@router.get("/uploads/{id}", response_class=Response, responses=picture_file("the picture, as PNG"))
def get_upload(id: UploadId, request: Request, service: Studio) -> Response:
    """An uploaded picture, stored anew as PNG."""
    return send(request, service.uploads.open(id), immutable=True)


@router.post(
    "/preprocess",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "description": "the result, as PNG"}},
    dependencies=[Depends(names_known)],
)
def preprocess_picture(body: PreprocessBody, service: Studio) -> Response:
    """Make of a picture what a ControlNet reads: edges, tones, blurs."""
    thresholds = (body.threshold_a, body.threshold_b)
    picture = service.preprocess(body.preprocessor, body.image, thresholds, body.resolution)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return Response(file.getvalue(), media_type="image/png", headers={"X-Content-Type-Options": "nosniff"})
