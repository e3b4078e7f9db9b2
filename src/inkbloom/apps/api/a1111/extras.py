"""`/sdapi/v1`'s extras, and reading what a picture tells of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from inkbloom.apps.api.a1111.errors import ANSWERS, A1111Route, Refused
from inkbloom.apps.api.a1111.fields import Extra, ExtraBatch, ExtraSingle
from inkbloom.apps.api.a1111.painting import CLIENT
from inkbloom.apps.api.a1111.pictures import decode, encode, storing
from inkbloom.apps.api.access import Events, Studio
from inkbloom.apps.api.native.information import parameters_of
from inkbloom.apps.api.sse import Hub, outcome
from inkbloom.apps.service.jobs import State, UpscaleSpec
from inkbloom.apps.service.service import Service
from inkbloom.core.errors import RequestError

if TYPE_CHECKING:
    from inkbloom.pipelines.metadata.a1111 import Infotext


class OneExtra(BaseModel):
    html_info: str = ""
    image: str


class ManyExtras(BaseModel):
    html_info: str = ""
    images: list[str]


class Asked(BaseModel):
    image: str = Field(description="base64")


class Told(BaseModel):
    info: str = Field(description="the parameter text")
    items: dict[str, Any]
    parameters: dict[str, Any]


router = APIRouter(prefix="/sdapi/v1", tags=["A1111: extras"], responses=ANSWERS, route_class=A1111Route)


@router.post("/extra-single-image", summary="Make a picture larger", operation_id="a1111_extra_single")
async def single(service: Studio, hub: Events, body: ExtraSingle, request: Request) -> OneExtra:
    (image,) = await _enlarge(service, hub, body, [body.image], request)
    return OneExtra(image=image)


@router.post("/extra-batch-images", summary="The same for several", operation_id="a1111_extra_batch")
async def batch(service: Studio, hub: Events, body: ExtraBatch, request: Request) -> ManyExtras:
    images = [image.data for image in body.imageList]
    return ManyExtras(images=await _enlarge(service, hub, body, images, request))


@router.post("/png-info", summary="What a picture tells of itself", operation_id="a1111_png_info")
def png_info(body: Asked) -> Told:
    text = parameters_of(decode(body.image))
    if not text:
        return Told(info="", items={}, parameters={})
    from inkbloom.pipelines.metadata.a1111 import parse_infotext  # here, since it brings torch

    return Told(info=text, items={"parameters": text}, parameters=_parameters(parse_infotext(text)))


async def _enlarge(service: Service, hub: Hub, body: Extra, images: list[str], request: Request) -> list[str]:
    job = await run_in_threadpool(lambda: service.submit(_spec(service, body, images), client=CLIENT))
    job = await outcome(hub, service, job.id, request)
    if job.state is State.FAILED:
        assert job.error is not None
        raise Refused(500, job.error.type, job.error.message)
    return [encode(service.gallery.file(picture.id)) for picture in job.pictures]


def _spec(service: Service, body: Extra, images: list[str]) -> UpscaleSpec:
    faces = [name for name in ("gfpgan", "codeformer") if getattr(body, f"{name}_visibility")]
    if len(faces) > 1:
        raise RequestError("gfpgan_visibility and codeformer_visibility: one restorer of faces at a time; give one.")
    to_size = body.resize_mode == 1
    second = None if body.upscaler_2 == "None" or not body.extras_upscaler_2_visibility else body.upscaler_2
    return UpscaleSpec(
        images=tuple(map(storing(service), images)),
        scale=None if to_size else body.upscaling_resize,
        width=body.upscaling_resize_w if to_size else None,
        height=body.upscaling_resize_h if to_size else None,
        crop=to_size and body.upscaling_crop,
        upscaler=body.upscaler_1,
        upscaler2=second,
        visibility2=body.extras_upscaler_2_visibility if second else 0.0,
        faces=_restorer(service, faces[0]) if faces else None,
        face_visibility=getattr(body, f"{faces[0]}_visibility") if faces else 1.0,
        format="png",
    )


def _restorer(service: Service, kind: str) -> str:
    found = next((name for name in service.models.faces() if kind in name.lower()), None)
    if found is None:
        raise RequestError(f"{kind}_visibility: there is no {kind} file among the upscale_models; leave it 0.")
    return found


def _parameters(found: Infotext) -> dict[str, Any]:
    """A1111's own words for the settings, with the prompts among them."""
    return {"Prompt": found.prompt, "Negative prompt": found.negative_prompt, **found.expanded()}
