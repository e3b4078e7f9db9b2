"""`/v1/images/*` and `/v1/models`."""

from __future__ import annotations

import io
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Request, UploadFile
from PIL import Image as PILImage
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from inkbloom.apps.api.a1111.pictures import encode
from inkbloom.apps.api.access import Events, Studio
from inkbloom.apps.api.openai.errors import ANSWERS, OpenAIRoute
from inkbloom.apps.api.sse import Hub, wait_for_end
from inkbloom.apps.service.jobs import GenerateSpec, Job, State
from inkbloom.apps.service.service import Service
from inkbloom.core.errors import InkbloomError, RequestError
from inkbloom.pipelines.request import GenerationRequest

CLIENT = "openai"
LONGEST = 86_400.0
"""Seconds to wait for a job."""
_NAMES = ("", "auto", "dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5")
"""What clients call the model when they mean whatever there is."""
_VARIATION_STRENGTH = 0.6

_Format = Literal["png", "jpeg", "webp"]
_Answer = Literal["url", "b64_json"]


class Options(BaseModel):
    """What all three take; fields of OpenAI's that mean nothing here, such as quality, are let pass."""

    model: str | None = None
    n: int = Field(1, ge=1, le=10)
    size: str | None = Field(None, description='such as "512x512"; None and "auto": as the model likes')
    response_format: _Answer = "b64_json"
    output_format: _Format = "png"
    negative_prompt: str = ""
    seed: int | None = None
    steps: int | None = None
    sampler: str | None = None
    guidance_scale: float | None = None


class Generation(Options):
    """`POST /v1/images/generations`."""

    prompt: str = Field(max_length=32_000)


class Data(BaseModel):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class Images(BaseModel):
    created: int = Field(description="seconds since 1970")
    data: list[Data]
    output_format: _Format = "png"


router = APIRouter(prefix="/v1", tags=["OpenAI"], responses=ANSWERS, route_class=OpenAIRoute)


async def _painted(service: Service, hub: Hub, options: Options, fields: dict[str, Any], request: Request) -> Images:
    job = await run_in_threadpool(_submit, service, options, fields)
    job = await wait_for_end(hub, service, job.id, LONGEST, request)
    if job.state is not State.DONE:
        raise InkbloomError(job.error.message if job.error else "The job was cancelled.")
    return await run_in_threadpool(_answer, service, job, options, request)


@router.post("/images/generations", summary="Paint from a prompt", operation_id="openai_generate")
async def generations(body: Generation, request: Request, service: Studio, hub: Events) -> Images:
    return await _painted(service, hub, body, {"prompt": body.prompt}, request)


@router.post("/images/edits", summary="Repaint a picture, or what is transparent", operation_id="openai_edit")
async def edits(
    service: Studio,
    hub: Events,
    request: Request,
    prompt: Annotated[str, Form(max_length=32_000)],
    image: Annotated[UploadFile, File(description="a picture; its transparent parts are repainted")],
    mask: Annotated[UploadFile | None, File(description="a picture transparent where to repaint")] = None,
    model: Annotated[str | None, Form()] = None,
    n: Annotated[int, Form(ge=1, le=10)] = 1,
    size: Annotated[str | None, Form()] = None,
    response_format: Annotated[_Answer, Form()] = "b64_json",
    output_format: Annotated[_Format, Form()] = "png",
    strength: Annotated[float | None, Form(ge=0, le=1)] = None,
    seed: Annotated[int | None, Form()] = None,
    steps: Annotated[int | None, Form()] = None,
) -> Images:
    options = Options(
        model=model,
        n=n,
        size=size,
        response_format=response_format,
        output_format=output_format,
        seed=seed,
        steps=steps,
    )
    fields = await run_in_threadpool(_edited, service, await image.read(), mask and await mask.read())
    if strength is not None:
        fields["strength"] = strength
    return await _painted(service, hub, options, fields | {"prompt": prompt}, request)


@router.post("/images/variations", summary="Paint pictures like another", operation_id="openai_vary")
async def variations(
    service: Studio,
    hub: Events,
    request: Request,
    image: Annotated[UploadFile, File(description="a picture")],
    model: Annotated[str | None, Form()] = None,
    n: Annotated[int, Form(ge=1, le=10)] = 1,
    size: Annotated[str | None, Form()] = None,
    response_format: Annotated[_Answer, Form()] = "b64_json",
    output_format: Annotated[_Format, Form()] = "png",
    strength: Annotated[float, Form(ge=0, le=1)] = _VARIATION_STRENGTH,
) -> Images:
    options = Options(model=model, n=n, size=size, response_format=response_format, output_format=output_format)
    fields = await run_in_threadpool(_edited, service, await image.read(), None)
    fields = {"init_image": fields["init_image"], "strength": strength, "prompt": ""}
    return await _painted(service, hub, options, fields, request)


@router.get("/models", summary="Models that can paint", operation_id="openai_models")
def models(service: Studio) -> dict[str, Any]:
    cards = service.models.list("checkpoints")
    about = {"object": "model", "created": 0, "owned_by": "inkbloom"}
    return {"object": "list", "data": [{"id": card.name, **about} for card in cards]}


def _submit(service: Service, options: Options, fields: dict[str, Any]) -> Job:
    asked: dict[str, Any] = {
        "model": None if (options.model or "") in _NAMES else options.model,
        "num_images": options.n,
        "negative_prompt": options.negative_prompt,
        "seed": options.seed,
        "steps": options.steps,
        "sampler": options.sampler,
        "guidance_scale": options.guidance_scale,
        **_sides(options.size),
    }
    # A picture that is painted from brings the size that its request does not say
    request = GenerationRequest(**asked | fields)
    file_format = "jpg" if options.output_format == "jpeg" else options.output_format
    return service.submit(GenerateSpec(request=request, format=file_format), client=CLIENT)


def _sides(size: str | None) -> dict[str, int]:
    if size in (None, "", "auto"):
        return {}
    width, cross, height = str(size).lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise RequestError(f'size "{size}": must be WIDTHxHEIGHT in pixels, such as 512x512, or auto.')
    return {"width": int(width), "height": int(height)}


def _edited(service: Service, image: bytes, mask: bytes | None) -> dict[str, Any]:
    """What to start from, and what of it is repainted: the transparent part of the mask, or of the picture itself."""
    fields: dict[str, Any] = {"init_image": f"upload:{service.uploads.add(image).id}"}
    holes = _transparent(service, mask if mask is not None else image)
    if holes is None and mask is not None:
        raise RequestError("mask: it is transparent nowhere; make what is to be repainted transparent.")
    if holes is not None:
        kept = io.BytesIO()
        holes.save(kept, "PNG")
        fields |= {"mask_image": f"upload:{service.uploads.add(kept.getvalue()).id}", "strength": 1.0}
    return fields


def _transparent(service: Service, data: bytes) -> PILImage.Image | None:
    """White where a picture is transparent; None where it is so nowhere."""
    with PILImage.open(service.uploads.open(service.uploads.add(data).id)) as picture:
        if "A" not in picture.getbands():
            return None
        holes = picture.getchannel("A").point([255 if alpha < 128 else 0 for alpha in range(256)])
    return holes if holes.getbbox() else None


def _answer(service: Service, job: Job, options: Options, request: Request) -> Images:
    data = []
    for picture in job.pictures:
        if options.response_format == "url":
            data.append(Data(url=f"{str(request.base_url).rstrip('/')}/api/v1/pictures/{picture.id}/file"))
        else:
            data.append(Data(b64_json=encode(service.gallery.file(picture.id))))
    return Images(created=int(job.created.timestamp()), data=data, output_format=options.output_format)
