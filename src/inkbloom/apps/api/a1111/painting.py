"""`/sdapi/v1/txt2img` and `/img2img`: a job like any other, waited for, and told as A1111 tells it."""

from __future__ import annotations

import io
import json
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from PIL import Image as PILImage
from starlette.concurrency import run_in_threadpool

from inkbloom.apps.api.a1111 import options
from inkbloom.apps.api.a1111.errors import ANSWERS, A1111Route, Refused
from inkbloom.apps.api.a1111.fields import Img2Img, Painted, Painting, Txt2Img
from inkbloom.apps.api.a1111.pictures import encode, storing
from inkbloom.apps.api.a1111.translating import generation_request, to_request
from inkbloom.apps.api.access import Events, Studio
from inkbloom.apps.api.native.information import parameters_of
from inkbloom.apps.api.sse import Hub, outcome
from inkbloom.apps.service.jobs import GenerateSpec, Job, Picture, State
from inkbloom.apps.service.service import Service
from inkbloom.pipelines.request import ResolvedRequest

CLIENT = "a1111"
"""Says in the queue who asked, before the client's own task id."""

router = APIRouter(prefix="/sdapi/v1", tags=["A1111: painting"], responses=ANSWERS, route_class=A1111Route)


@router.post("/txt2img", summary="Paint from a prompt, wait, and take the pictures", operation_id="a1111_txt2img")
async def txt2img(service: Studio, hub: Events, body: Txt2Img, request: Request) -> Painted:
    return await _paint(service, hub, body, request)


@router.post("/img2img", summary="The same from a picture", operation_id="a1111_img2img")
async def img2img(service: Studio, hub: Events, body: Img2Img, request: Request) -> Painted:
    return await _paint(service, hub, body, request)


async def _paint(service: Service, hub: Hub, body: Txt2Img | Img2Img, request: Request) -> Painted:
    job, settings = await run_in_threadpool(_submit, service, body)
    job = await outcome(hub, service, job.id, request)
    if job.state is State.FAILED:
        assert job.error is not None
        raise Refused(500, job.error.type, job.error.message)
    return await run_in_threadpool(_answer, service, job, body, settings)


def _submit(service: Service, body: Txt2Img | Img2Img) -> tuple[Job, dict[str, Any]]:
    settings = options.laid_over(service, body.override_settings)
    request = to_request(generation_request(body, settings, storing(service)))
    styles = tuple(name for name in body.styles or () if name != "None")
    spec = GenerateSpec(request=request, styles=styles, format="png")
    client = f"{CLIENT}:{body.force_task_id}" if body.force_task_id else CLIENT
    return service.submit(spec, client=client), settings


def _answer(service: Service, job: Job, body: Txt2Img | Img2Img, settings: dict[str, Any]) -> Painted:
    files = [service.gallery.file(picture.id).read_bytes() for picture in job.pictures]
    # As A1111: its API sets do_not_save_grid to the opposite of save_images
    wants_grid = settings["return_grid"] and body.save_images and not body.do_not_save_grid
    with_grid = wants_grid and len(files) > 1
    images = ([_grid(files)] if with_grid else []) + files
    if isinstance(body, Img2Img) and body.include_init_images:
        parameters = body.model_dump()
    else:
        parameters = body.model_dump() | ({"init_images": None, "mask": None} if isinstance(body, Img2Img) else {})
    return Painted(
        images=[encode(image) for image in images] if body.send_images else [],
        parameters=parameters,
        info=json.dumps(info(job.pictures, files, body, with_grid=with_grid), ensure_ascii=False),
    )


def _grid(files: list[bytes]) -> bytes:
    from inkbloom.pipelines.pictures import make_grid  # here, since it brings torch

    pictures = [PILImage.open(io.BytesIO(file)).convert("RGB") for file in files]
    columns = round(len(pictures) ** 0.5 + 0.499)
    kept = io.BytesIO()
    make_grid(pictures, columns).save(kept, "PNG")
    return kept.getvalue()


def info(pictures: list[Picture], files: list[bytes], body: Painting, *, with_grid: bool) -> dict[str, Any]:
    """A1111's account of all pictures, under its names; where there is a grid, its text comes first."""
    requests = [ResolvedRequest(**picture.request) for picture in pictures if picture.request is not None]
    texts = [parameters_of(file) for file in files]
    first = requests[0] if requests else None
    said: dict[str, Any] = {
        "prompt": first.prompt if first else body.prompt,
        "all_prompts": [request.prompt for request in requests],
        "negative_prompt": first.negative_prompt if first else body.negative_prompt,
        "all_negative_prompts": [request.negative_prompt for request in requests],
        "seed": first.seed if first else body.seed,
        "all_seeds": [request.seed for request in requests],
        "subseed": (first.variation_seed if first else None) or body.subseed,
        "all_subseeds": [request.variation_seed or 0 for request in requests],
        "subseed_strength": body.subseed_strength,
        "width": first.width if first else body.width,
        "height": first.height if first else body.height,
        "sampler_name": first.sampler if first else body.sampler_name,
        "cfg_scale": first.guidance_scale if first else body.cfg_scale,
        "steps": first.steps if first else body.steps,
        "batch_size": body.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": first.model if first else None,
        "sd_model_hash": first.model_hash if first else None,
        "sd_vae_name": first.vae if first else None,
        "sd_vae_hash": first.vae_hash if first else None,
        "seed_resize_from_w": body.seed_resize_from_w,
        "seed_resize_from_h": body.seed_resize_from_h,
        "denoising_strength": getattr(body, "denoising_strength", None),
        "extra_generation_params": {},
        "index_of_first_image": int(with_grid),
        "infotexts": ([texts[0]] if with_grid and texts else []) + texts,
        "styles": body.styles or [],
        "job_timestamp": datetime.now().astimezone().strftime("%Y%m%d%H%M%S"),
        "clip_skip": first.clip_skip if first else 1,
        "is_using_inpainting_conditioning": False,
        "version": "v1.10.1",
    }
    return said
