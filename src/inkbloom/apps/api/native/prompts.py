"""Prompts: how they are read, what completes them, styles and wildcards."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, computed_field

from inkbloom.apps.api.access import Studio, names_known

router = APIRouter(tags=["prompts"])


class Style(BaseModel, frozen=True, extra="forbid"):
    name: str = Field(min_length=1, max_length=200)
    prompt: str = Field("", max_length=100_000, description="around the prompt, which stands at {prompt} or before it")
    negative_prompt: str = Field("", max_length=100_000)


class Styles(BaseModel, frozen=True, extra="forbid"):
    styles: list[Style] = Field(max_length=10_000)


class Wildcards(BaseModel, frozen=True):
    wildcards: list[str] = Field(description="names that may stand between double underscores")


class InspectBody(BaseModel, frozen=True, extra="forbid"):
    prompt: str = Field(max_length=100_000)
    negative_prompt: str = Field("", max_length=100_000)
    model: str | None = Field(None, max_length=300, description="whose tokenizer; None: the default one")
    dialect: Literal["a1111", "comfy", "plain"] = "a1111"
    steps: int = Field(20, ge=1, le=10_000, description="of the schedule that [from:to:when] goes by")


class Token(BaseModel, frozen=True):
    id: int
    text: str
    weight: float
    is_embedding: bool


class Phase(BaseModel, frozen=True):
    """What holds from one model call to another, both counted from 0."""

    first_step: int
    last_step: int
    text: str
    chunks: list[list[Token]] = Field(description="of at most 75 tokens each")


class Part(BaseModel, frozen=True):
    """One of the prompts that AND joins."""

    weight: float
    phases: list[Phase]


class NetworkTag(BaseModel, frozen=True):
    """A LoRA or hypernetwork that the prompt asks for."""

    kind: str
    name: str
    text_encoder_weight: float
    unet_weight: float
    rank: int | None = Field(None, description="the first so many ranks only")

    @computed_field(description="in the U-Net, which is the weight that tags name first")
    @property
    def weight(self) -> float:
        return self.unet_weight


class InspectedPrompt(BaseModel, frozen=True):
    parts: list[Part]
    networks: list[NetworkTag]
    embeddings: list[str]
    tokens: int = Field(description="of the longest part")
    capacity: int = Field(description="of its chunks")


class Inspected(BaseModel, frozen=True):
    prompt: InspectedPrompt
    negative_prompt: InspectedPrompt
    messages: list[str] = Field(description="what is unknown, or cannot be as it is written")


class Completion(BaseModel, frozen=True):
    kind: Literal["lora", "embedding", "style", "wildcard", "hypernet"]
    name: str
    insert: str = Field(description="what is written into the prompt; a style is chosen by its name")


class Completions(BaseModel, frozen=True):
    items: list[Completion]


@router.get("/styles")
def list_styles(service: Studio) -> Styles:
    """Named texts that go around prompts."""
    return Styles.model_validate({"styles": service.styles()})


@router.put("/styles")
def save_styles(body: Styles, service: Studio) -> Styles:
    """Replace all styles."""
    service.save_styles([style.model_dump() for style in body.styles])
    return Styles.model_validate({"styles": service.styles()})


@router.get("/wildcards")
def list_wildcards(service: Studio) -> Wildcards:
    """The lists that prompts may choose from."""
    return Wildcards(wildcards=service.wildcards())


@router.post("/prompts/inspect", dependencies=[Depends(names_known)])
def inspect_prompt(body: InspectBody, service: Studio) -> Inspected:
    """How both prompts are read: tokens with their weights, and what changes at which step."""
    seen = service.inspect(body.prompt, body.negative_prompt, body.model, body.dialect, body.steps)
    return Inspected.model_validate(seen)


@router.get("/prompts/complete")
def complete_prompt(
    service: Studio, text: Annotated[str, Query(max_length=200, description="a part of a name")] = ""
) -> Completions:
    """Names of LoRAs, embeddings, hypernetworks, styles and wildcards that fit."""
    return Completions.model_validate({"items": service.complete(text)})
