"""What a request may name, read off the registries: for pages, which keep no lists of their own."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from fastapi import APIRouter
from pydantic import BaseModel, Field
from pydantic_core import to_jsonable_python

from inkbloom.apps.api.access import Studio
from inkbloom.apps.api.errors import SPECS
from inkbloom.apps.api.native.openapi import with_picture_texts
from inkbloom.apps.service.jobs import TRAINING_DATASETS, TRAINING_MODELS, TrainSpec
from inkbloom.apps.service.settings import Settings
from inkbloom.pipelines.request import GenerationRequest

router = APIRouter(tags=["choices"])


class SamplerChoice(BaseModel, frozen=True):
    name: str
    aliases: list[str]
    stochastic: bool = Field(description="it draws noise on the way")
    order: int
    calls_per_step: int = Field(description="of the network; 0: as many as it needs")
    schedule: str = Field(description='what "automatic" stands for')
    options: dict[str, Any] = Field(description="by name, with their defaults")
    about: str


class ScheduleChoice(BaseModel, frozen=True):
    name: str
    label: str
    aliases: list[str]
    about: str


class Threshold(BaseModel, frozen=True):
    name: str
    default: float
    min: float
    max: float


class PreprocessorChoice(BaseModel, frozen=True):
    name: str
    label: str
    thresholds: list[Threshold]


class MethodChoice(BaseModel, frozen=True):
    name: str
    label: str
    models: int = Field(description="how many it needs")
    multiplier: float = Field(description="its default")
    about: str


class TrainingField(BaseModel, frozen=True):
    name: str
    section: str
    type: Literal["boolean", "integer", "number", "string", "choice", "list", "object"]
    default: Any
    description: str
    choices: list[Any] | None = None
    names: str | None = Field(None, description='what it names: "datasets", or a kind of models such as "loras"')


class Choices(BaseModel, frozen=True):
    samplers: list[SamplerChoice]
    schedules: list[ScheduleChoice]
    upscalers: list[str]
    latent_upscalers: list[str] = Field(description="of the second pass, beside the upscalers")
    faces: list[str] = Field(description="face restorers of the library")
    preprocessors: list[PreprocessorChoice]
    axes: list[str]
    merge_methods: list[MethodChoice]
    trainings: dict[str, list[TrainingField]] = Field(description="fields of each kind of training")
    formats: list[str]
    privacies: list[str]
    previews: list[str]
    dialects: list[str]


class Schemas(BaseModel, frozen=True):
    request: dict[str, Any] = Field(description="JSON schema of what paints a picture")
    specs: dict[str, dict[str, Any]] = Field(description="JSON schema of each kind of job")


@router.get("/schema")
def get_schema() -> Schemas:
    """The JSON schemas of requests and jobs, with descriptions, ranges and defaults of all fields."""
    return _schemas()


@router.get("/choices")
def get_choices(service: Studio) -> Choices:
    """Samplers, schedules, upscalers, preprocessors, axes, merge methods, trainings, and the words of settings."""
    models = service.models
    return Choices(upscalers=models.upscalers(), faces=models.faces(), **_registries())


@lru_cache(1)
def _schemas() -> Schemas:
    specs = {kind: with_picture_texts(spec.model_json_schema()) for kind, spec in SPECS.items()}
    return Schemas(request=with_picture_texts(GenerationRequest.model_json_schema()), specs=specs)


@lru_cache(1)
def _registries() -> dict[str, Any]:
    """What does not change while the server runs."""
    from inkbloom.checkpoints.merging.methods import METHODS
    from inkbloom.pipelines.batches.axes import axis_names
    from inkbloom.pipelines.preprocessing import PREPROCESSORS
    from inkbloom.pipelines.upscaling.settings import LATENT_UPSCALERS
    from inkbloom.sampling.registry import all_samplers
    from inkbloom.sampling.sigmas import all_schedules

    return {
        "samplers": [SamplerChoice(about=_about(one.function), **_same(one, SamplerChoice)) for one in all_samplers()],
        "schedules": [
            ScheduleChoice(about=_about(one.function), **_same(one, ScheduleChoice)) for one in all_schedules()
        ],
        "latent_upscalers": list(LATENT_UPSCALERS),
        "preprocessors": [
            PreprocessorChoice(
                name=one.name,
                label=one.help,
                thresholds=[Threshold(name=s.help, default=s.default, min=s.low, max=s.high) for s in one.settings],
            )
            for one in PREPROCESSORS.values()
        ],
        "axes": axis_names(),
        "merge_methods": [
            MethodChoice(about=_about(one.combine), **_same(one, MethodChoice)) for one in METHODS.values()
        ],
        "trainings": _trainings(),
        "formats": _words(Settings, "format"),
        "privacies": _words(Settings, "privacy"),
        "previews": _words(Settings, "preview_method"),
        "dialects": _words(GenerationRequest, "dialect"),
    }


def _same(one: Any, choice: type[BaseModel]) -> dict[str, Any]:
    """The fields of a registry's entry that its choice has too."""
    return {
        name: list(value) if isinstance(value := getattr(one, name), tuple) else value
        for name in choice.model_fields
        if hasattr(one, name)
    }


def _about(function: Callable[..., Any]) -> str:
    """The first paragraph of its docstring."""
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].replace("`", "").split())


def _words(model: type[BaseModel], name: str) -> list[str]:
    return list(get_args(model.model_fields[name].annotation))


def _trainings() -> dict[str, list[TrainingField]]:
    """The fields of each kind of training that a client may give: names stand for paths, and the job has its own."""
    from inkbloom.training.reading import KINDS, recipe_fields
    from inkbloom.training.recipes import DiffusionRecipe

    shared = [section for section in get_type_hints(DiffusionRecipe).values() if dataclasses.is_dataclass(section)]
    found: dict[str, list[TrainingField]] = {}
    for kind in get_args(TrainSpec.model_fields["training"].annotation):
        about = {name: text for section in (KINDS[kind], *shared) for name, text in _documented(section).items()}
        found[kind] = []
        for name, field in recipe_fields(kind).items():
            names = "datasets" if name in TRAINING_DATASETS else TRAINING_MODELS.get(name)
            kinds = [str if kind is Path and names else kind for kind in _kinds(field.type)]
            if name == "name" or Path in kinds:
                continue
            type, choices = _type(kinds)
            default = None if field.default is dataclasses.MISSING else field.default
            found[kind].append(
                TrainingField(
                    name=name,
                    section=kind if field.section == "own" else field.section,
                    type=type,
                    default=to_jsonable_python(default),
                    description=about.get(name, ""),
                    choices=choices,
                    names=names,
                )
            )
    return found


def _kinds(hint: Any) -> list[Any]:
    """What a value may be, beside None; of a tuple its own kind and that of its parts."""
    if get_origin(hint) in (Union, UnionType):
        return [kind for part in get_args(hint) if part is not type(None) for kind in _kinds(part)]
    if get_origin(hint) is tuple:
        return [tuple, *(kind for part in get_args(hint) if part is not ... for kind in _kinds(part))]
    return [hint]


def _type(kinds: list[Any]) -> tuple[Any, list[Any] | None]:
    """The type of a training's field, and the words it takes where these are counted."""
    first = kinds[0]
    if get_origin(first) is Literal:
        return "choice", list(get_args(first))
    if first is tuple:
        words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
        return "list", words or None
    names = {bool: "boolean", float: "number", int: "integer", str: "string"}
    return next((name for kind, name in names.items() if kind in kinds), "object"), None


def _documented(settings: Any) -> dict[str, str]:
    """The texts that stand below a class's fields, which Python itself forgets."""
    found: dict[str, str] = {}
    for each in reversed(settings.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0].body  # type: ignore[attr-defined] - a class
        for line, below in pairwise(body):
            if (
                isinstance(line, ast.AnnAssign)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                found[ast.unparse(line.target)] = " ".join(str(below.value.value).split())
    return found
