"""`/v1/images/*` and `/v1/models`."""

from __future__ import annotations

import io
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Request, UploadFile
from PIL import Image as PILImage
from pydantic import BaseModel, Field, model_validator
from starlette.concurrency import run_in_threadpool

from inkbloom.apps.api.a1111.pictures import encode
from inkbloom.apps.api.access import Events, Studio
from inkbloom.apps.api.openai.errors import ANSWERS, OpenAIRoute
from inkbloom.apps.api.sse import Hub, outcome
from inkbloom.apps.service.jobs import GenerateSpec, Job, State
from inkbloom.apps.service.refusals import UnknownError
from inkbloom.apps.service.service import Service
from inkbloom.core.errors import InkbloomError, RequestError, nearest
from inkbloom.pipelines.request import GenerationRequest

CLIENT = "openai"
_NAMES = ("dall-e", "gpt-image", "chatgpt-image")
"""How OpenAI's names begin, which clients give when they mean whatever there is."""

_Format = Literal["png", "jpeg", "webp"]
_Answer = Literal["url", "b64_json"]


class Options(BaseModel):
    """What all three take; fields of OpenAI's that mean nothing here, such as quality, are let pass."""

    model: str | None = None
    n: int = Field(1, ge=1, le=10)
    size: str | None = Field(None, description='such as "512x512"; None and "auto": as the model likes')
    response_format: _Answer = "b64_json"
    output_format: _Format = "png"
    stream: bool = Field(False, description="only false: pictures come when they are finished")
    background: str = Field("auto", description="not transparent")
    negative_prompt: str = ""
    seed: int | None = None
    steps: int | None = None
    sampler: str | None = None
    guidance_scale: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, fields: Any) -> Any:
        """As OpenAI has it, for fields that are not null by default."""
        if not isinstance(fields, dict):
            return fields
        return {name: value for name, value in fields.items() if value is not None}


class Generation(Options):
    """`POST /v1/images/generations`."""

    prompt: str = Field(max_length=32_000)


class FromPicture(Options):
    """A form with a picture. Clients call it `image[]` where they could send several."""

    image: list[UploadFile] = Field(default_factory=list)
    images: list[UploadFile] = Field(default_factory=list, alias="image[]")

    async def picture(self) -> bytes:
        """`RequestError` unless it is one."""
        given = [*self.image, *self.images]
        if len(given) != 1:
            raise RequestError(f"image: {len(given)} were given; one picture is painted from at a time.")
        return await given[0].read()


class Edit(FromPicture):
    """`POST /v1/images/edits`: what is repainted is the transparent part of the mask, or of the picture itself."""

    prompt: str = Field(max_length=32_000)
    mask: UploadFile | None = Field(None, description="a picture transparent where to repaint")
    strength: float | None = Field(None, ge=0, le=1)


class Variation(FromPicture):
    """`POST /v1/images/variations`."""

    strength: float = Field(0.6, ge=0, le=1)


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
    job = await outcome(hub, service, job.id, request)
    if job.state is not State.DONE:
        raise InkbloomError(job.error.message if job.error else "The job was cancelled.")
    return await run_in_threadpool(_answer, service, job, options, request)


@router.post("/images/generations", summary="Paint from a prompt", operation_id="openai_generate")
async def generations(body: Generation, request: Request, service: Studio, hub: Events) -> Images:
    return await _painted(service, hub, body, {"prompt": body.prompt}, request)


@router.post("/images/edits", summary="Repaint a picture, or what is transparent", operation_id="openai_edit")
async def edits(body: Annotated[Edit, File()], request: Request, service: Studio, hub: Events) -> Images:
    mask = await body.mask.read() if body.mask else None
    fields = await run_in_threadpool(_edited, service, await body.picture(), mask)
    if body.strength is not None:
        fields["strength"] = body.strength
    return await _painted(service, hub, body, fields | {"prompt": body.prompt}, request)


@router.post("/images/variations", summary="Paint pictures like another", operation_id="openai_vary")
async def variations(body: Annotated[Variation, File()], request: Request, service: Studio, hub: Events) -> Images:
    upload = await run_in_threadpool(service.uploads.add, await body.picture(), "image")
    fields = {"init_image": upload.name, "strength": body.strength, "prompt": ""}
    return await _painted(service, hub, body, fields, request)


@router.get("/models", summary="Models that can paint", operation_id="openai_models")
def models(service: Studio) -> dict[str, Any]:
    return {"object": "list", "data": [_about(card.name) for card in service.models.list("checkpoints")]}


@router.get("/models/{name:path}", summary="One of them", operation_id="openai_model")
def model(service: Studio, name: str) -> dict[str, Any]:
    names = [card.name for card in service.models.list("checkpoints")]
    if name not in names:
        raise UnknownError(f'There is no model "{name[:120]}".{nearest(name, names)}')
    return _about(name)


def _about(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "inkbloom"}


def _submit(service: Service, options: Options, fields: dict[str, Any]) -> Job:
    if options.stream:
        raise RequestError("stream: pictures come when they are finished; leave it out, or listen to /api/v1/events.")
    if options.background == "transparent":
        raise RequestError('background "transparent": pictures are opaque here; leave it out.')
    model = options.model or ""
    asked: dict[str, Any] = {
        "model": None if model in ("", "auto") or model.startswith(_NAMES) else model,
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
