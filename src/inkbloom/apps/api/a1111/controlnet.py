"""`/controlnet/*`, as sd-webui-controlnet has it: which models and preprocessors there are, and what these make."""

from __future__ import annotations

import io
from typing import Any

from fastapi import APIRouter
from pydantic import AliasChoices, BaseModel, Field

from inkbloom.apps.api.a1111 import units
from inkbloom.apps.api.a1111.errors import ANSWERS, A1111Route
from inkbloom.apps.api.a1111.names import stem
from inkbloom.apps.api.a1111.pictures import encode, storing
from inkbloom.apps.api.access import Studio
from inkbloom.apps.service.service import Service

VERSION = 3
"""Of the API; clients ask whether it is at least 2."""


class Detect(BaseModel):
    controlnet_module: str = "none"
    controlnet_input_images: list[str] = Field(
        min_length=1,
        max_length=100,
        description="base64; controlnet_images, as some clients call them, are the same",
        validation_alias=AliasChoices("controlnet_input_images", "controlnet_images"),
    )
    controlnet_processor_res: int = 512
    controlnet_threshold_a: float = -1
    controlnet_threshold_b: float = -1


class Detected(BaseModel):
    images: list[str] = Field(description="base64 of PNG files")
    info: str = "Success"


router = APIRouter(prefix="/controlnet", tags=["A1111: ControlNet"], responses=ANSWERS, route_class=A1111Route)


@router.get("/version", summary="Of this API", operation_id="controlnet_version")
def version() -> dict[str, int]:
    return {"version": VERSION}


@router.get("/settings", summary="How many units a request may have", operation_id="controlnet_settings")
def settings() -> dict[str, int]:
    return {"control_net_unit_count": 10}


@router.get("/model_list", summary="Models for units", operation_id="controlnet_models")
def model_list(service: Studio, update: bool = True) -> dict[str, list[str]]:
    if update:
        service.models.refresh()
    return {"model_list": _models(service)}


@router.get("/module_list", summary="Preprocessors", operation_id="controlnet_modules")
def module_list(alias_names: bool = False) -> dict[str, Any]:
    return {"module_list": _modules(), "module_detail": _details()}


@router.get("/control_types", summary="Preprocessors and models together", operation_id="controlnet_types")
def control_types(service: Studio) -> dict[str, Any]:
    modules, models = _modules(), _models(service)
    every = {
        "module_list": modules,
        "model_list": ["None", *models],
        "default_option": "none",
        "default_model": next(iter(models), "None"),
    }
    return {"control_types": {"All": every}}


@router.post("/detect", summary="What a preprocessor makes of pictures", operation_id="controlnet_detect")
def detect(service: Studio, body: Detect) -> Detected:
    store, images = storing(service), []
    numbers = units.thresholds(body.controlnet_module, body.controlnet_threshold_a, body.controlnet_threshold_b)
    side = units.resolution(body.controlnet_processor_res)
    for image in body.controlnet_input_images:
        made = service.preprocess(body.controlnet_module, store(image), numbers, side)
        kept = io.BytesIO()
        made.save(kept, "PNG")
        images.append(encode(kept.getvalue()))
    return Detected(images=images)


def _models(service: Service) -> list[str]:
    return [
        f"{stem(card.name)} [{card.hash[:8]}]" if card.hash else stem(card.name)
        for card in service.models.list("controlnet")
    ]


def _modules() -> list[str]:
    from inkbloom.pipelines.preprocessing import PREPROCESSORS

    return [*PREPROCESSORS, "reference_only"]


def _details() -> dict[str, Any]:
    """For each preprocessor its sliders: the resolution first, then its settings."""
    from inkbloom.pipelines.preprocessing import PREPROCESSORS

    side = {"name": "Preprocessor Resolution", "value": 512, "min": 64, "max": 2048}
    details: dict[str, list[dict[str, Any]]] = {}
    for name, tool in PREPROCESSORS.items():
        own = ({"name": one.help, "value": one.default, "min": one.low, "max": one.high} for one in tool.settings)
        details[name] = [side, *own]
    details |= {"none": [], "reference_only": []}
    return {name: {"model_free": name == "reference_only", "sliders": sliders} for name, sliders in details.items()}
