"""`/sdapi/v1`'s lists: samplers, models and what else there is to choose from, in A1111's shapes."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from inkbloom.apps.api.a1111.errors import ANSWERS, A1111Route
from inkbloom.apps.api.a1111.names import stem, title
from inkbloom.apps.api.access import Studio
from inkbloom.apps.service.service import Service
from inkbloom.core.errors import CheckpointError
from inkbloom.pipelines.upscaling.settings import LATENT_UPSCALERS

if TYPE_CHECKING:
    from inkbloom.checkpoints.library import Entry

Rows = list[dict[str, Any]]
_SCALE = re.compile(r"(?<!\d)([1248])x|x([1248])(?!\d)", re.IGNORECASE)
_RHO = {"karras": 7.0, "polyexponential": 1.0}

router = APIRouter(prefix="/sdapi/v1", tags=["A1111: lists"], responses=ANSWERS, route_class=A1111Route)


@router.get("/samplers", summary="Samplers", operation_id="a1111_samplers")
def samplers() -> Rows:
    from inkbloom.sampling.registry import all_samplers

    return [
        {"name": one.name, "aliases": list(one.aliases), "options": {"scheduler": one.schedule}}
        for one in all_samplers()
    ]


@router.get("/schedulers", summary="Schedules, which A1111 calls schedulers", operation_id="a1111_schedulers")
def schedulers() -> Rows:
    from inkbloom.sampling.sigmas import all_schedules

    return [
        {
            "name": one.name,
            "label": one.label,
            "aliases": list(one.aliases),
            "default_rho": _RHO.get(one.name, -1.0),
            "need_inner_model": False,
        }
        for one in all_schedules()
    ]


@router.get("/sd-models", summary="Checkpoints", operation_id="a1111_models")
def sd_models(service: Studio) -> Rows:
    return [
        {
            "title": title(card),
            "model_name": stem(card.name),
            "hash": card.hash[:10] if card.hash else None,
            "sha256": card.hash if card.hash and len(card.hash) == 64 else None,
            "filename": card.name,
            "config": None,
        }
        for card in service.models.list("checkpoints")
    ]


@router.get("/sd-vae", summary="Autoencoders of their own", operation_id="a1111_vaes")
def sd_vae(service: Studio) -> Rows:
    return [{"model_name": card.name, "filename": card.name} for card in service.models.list("vae")]


@router.get("/loras", summary="LoRAs, with what their writers say of them", operation_id="a1111_loras")
def loras(service: Studio) -> Rows:
    rows = []
    for entry in _entries(service, "loras"):
        said = _metadata(entry.path, entry.path.stat().st_mtime_ns)
        alias = said.get("ss_output_name") or stem(entry.name)
        rows.append({"name": stem(entry.name), "alias": alias, "path": entry.name, "metadata": said})
    return rows


@router.get("/hypernetworks", summary="Hypernetworks", operation_id="a1111_hypernetworks")
def hypernetworks(service: Studio) -> Rows:
    return [{"name": stem(card.name), "path": card.name} for card in service.models.list("hypernetworks")]


@router.get("/embeddings", summary="Embeddings, and files that are none", operation_id="a1111_embeddings")
def embeddings(service: Studio) -> dict[str, Any]:
    told: dict[str, Any] = {"loaded": {}, "skipped": {}}
    for entry in _entries(service, "embeddings"):
        vectors, width = _shape(entry.path, entry.path.stat().st_mtime_ns)
        unknown = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None}
        about = {**unknown, "shape": width, "vectors": vectors}
        told["loaded" if width else "skipped"][stem(entry.name)] = about
    return told


@router.get("/upscalers", summary="Upscalers of pixels", operation_id="a1111_upscalers")
def upscalers(service: Studio) -> Rows:
    return [
        {"name": name, "model_name": None, "model_path": None, "model_url": None, "scale": _scale(name)}
        for name in service.models.upscalers()
    ]


@router.get("/latent-upscale-modes", summary="Upscalers of latents", operation_id="a1111_latent_upscale_modes")
def latent_upscale_modes() -> Rows:
    return [{"name": name} for name in LATENT_UPSCALERS]


@router.get("/realesrgan-models", summary="Upscalers in files", operation_id="a1111_realesrgan_models")
def realesrgan_models(service: Studio) -> Rows:
    cards = service.models.list("upscale_models")
    return [{"name": stem(card.name), "path": card.name, "scale": _scale(card.name)} for card in cards]


@router.get("/face-restorers", summary="Restorers of faces", operation_id="a1111_face_restorers")
def face_restorers(service: Studio) -> Rows:
    return [{"name": name, "cmd_dir": None} for name in service.models.faces()]


@router.get("/prompt-styles", summary="Styles", operation_id="a1111_styles")
def prompt_styles(service: Studio) -> Rows:
    return [dict(style) for style in service.styles()]


@router.get("/scripts", summary="Scripts that a request may name", operation_id="a1111_scripts")
def scripts() -> dict[str, list[str]]:
    return {"txt2img": ["controlnet"], "img2img": ["controlnet"]}


@router.get("/script-info", summary="The same, with their arguments", operation_id="a1111_script_info")
def script_info() -> Rows:
    unit = {"label": "ControlNet Unit", "value": None, "minimum": None, "maximum": None, "step": None}
    return [
        {"name": "controlnet", "is_alwayson": True, "is_img2img": img2img, "args": [unit | {"choices": None}]}
        for img2img in (False, True)
    ]


@router.get("/extensions", summary="Extensions: none, what they are for is built in", operation_id="a1111_extensions")
def extensions() -> Rows:
    return []


@router.post("/refresh-checkpoints", summary="Look for new checkpoints", operation_id="a1111_refresh_checkpoints")
@router.post("/refresh-vae", summary="Look for new autoencoders", operation_id="a1111_refresh_vae")
@router.post("/refresh-embeddings", summary="Look for new embeddings", operation_id="a1111_refresh_embeddings")
@router.post("/refresh-loras", summary="Look for new LoRAs", operation_id="a1111_refresh_loras")
def refresh(service: Studio) -> None:
    service.models.refresh()


def _entries(service: Service, kind: str) -> list[Entry]:
    library = service.models.library()
    return library.entries(kind) if library else []


@lru_cache(maxsize=4096)
def _metadata(path: Path, changed: int) -> dict[str, Any]:
    """A safetensors file's own words, where they are JSON as what they say; nothing for other files."""
    from inkbloom.checkpoints.tensors import open_tensors

    if path.suffix != ".safetensors":
        return {}
    try:
        return {name: _value(text) for name, text in open_tensors(path).metadata.items()}
    except CheckpointError:  # it is listed all the same; whoever uses it hears why it cannot be read
        return {}


def _value(text: str) -> Any:
    try:
        return json.loads(text) if text.startswith("{") else text
    except ValueError:
        return text


@lru_cache(maxsize=4096)
def _shape(path: Path, changed: int) -> tuple[int, int] | tuple[None, None]:
    """How many vectors an embedding has, and how wide they are."""
    from inkbloom.checkpoints.adapters.embeddings import read_embedding

    try:
        vectors, width = read_embedding(path).vectors.shape
    except CheckpointError:
        return None, None
    return vectors, width


def _scale(name: str) -> int:
    """How many times larger an upscaler makes things at once, which names of files tell: 4 where they do not."""
    found = _SCALE.search(name)
    return int(found[1] or found[2]) if found else 4
