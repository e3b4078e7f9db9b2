"""The models that requests may name."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from inkbloom.apps.api.access import Studio
from inkbloom.apps.service.library import ModelCard

router = APIRouter(tags=["models"])


class ModelList(BaseModel, frozen=True):
    models: list[ModelCard]


class LoadBody(BaseModel, frozen=True, extra="forbid"):
    name: str = Field(min_length=1, max_length=300, description="of a checkpoint")


@router.get("/models")
def list_models(
    service: Studio,
    kind: Annotated[str | None, Query(max_length=40, description="checkpoints, vae, loras, embeddings, ...")] = None,
) -> ModelList:
    """What there is to paint with, as far as headers tell."""
    return ModelList(models=service.models.list(kind))


@router.post("/models/refresh")
def refresh_models(service: Studio) -> ModelList:
    """Look for models again, after some came or went."""
    service.models.refresh()
    return ModelList(models=service.models.list())


@router.post("/models/load", status_code=202)
def load_model(body: LoadBody, service: Studio) -> ModelList:
    """Bring a checkpoint into memory, so that the next job begins at once; an event tells when it is there."""
    service.models.load(body.name)
    return ModelList(models=service.models.list("checkpoints"))


@router.post("/models/unload", status_code=204)
def unload_models(service: Studio) -> None:
    """Give the memory of models back, but for those at work."""
    service.models.unload()
