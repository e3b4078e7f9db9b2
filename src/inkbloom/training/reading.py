"""A recipe from flat fields, as a program that is no command line has them: every field by its one name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from inkbloom.core.errors import RequestError, nearest
from inkbloom.training.adapters.settings import EmbeddingSettings, HypernetworkSettings, LoraSettings
from inkbloom.training.control import ControlNetSettings
from inkbloom.training.finetune import FinetuneSettings
from inkbloom.training.recipes import DiffusionRecipe

KINDS: dict[str, type] = {
    "lora": LoraSettings,
    "embedding": EmbeddingSettings,
    "dreambooth": FinetuneSettings,
    "diffusion": FinetuneSettings,
    "hypernetwork": HypernetworkSettings,
    "controlnet": ControlNetSettings,
}
"""The trainings of a diffusion model, and what each has of its own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecipeField:
    section: str
    type: Any
    default: Any


def recipe_fields(kind: str) -> dict[str, RecipeField]:
    """All fields of a kind of training, in the order of its sections; `RequestError` for an unknown kind."""
    return {
        each.name: RecipeField(section=name, type=hints[each.name], default=_default(each))
        for name, section in _sections(kind).items()
        for hints in [get_type_hints(section)]
        for each in dataclasses.fields(section)
    }


def read_recipe(kind: str, fields: Mapping[str, Any]) -> DiffusionRecipe:
    """The recipe of these fields; those that are not given have their defaults.

    `RequestError` names an unknown field with the nearest, and one of the wrong type; the sections refuse what is out
    of range.
    """
    known = recipe_fields(kind)
    given: dict[str, dict[str, Any]] = {name: {} for name in _sections(kind)}
    for name, value in fields.items():
        if name not in known:
            raise RequestError(f'A training of kind {kind} has no field "{name}".{nearest(name, known)}')
        given[known[name].section][name] = read_value(name, known[name].type, value)
    sections: dict[str, Any] = {name: section(**given[name]) for name, section in _sections(kind).items()}
    return DiffusionRecipe(kind=kind, **sections)


def read_value(name: str, kind: Any, value: Any) -> Any:
    """The value as what the field is, such as 3 from "3"; `RequestError` for one that is none of it."""
    try:
        return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False)).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].replace("Input should be", "must be")
        raise RequestError(f"{name} {first['input']!r}: {said}.") from None


def _sections(kind: str) -> dict[str, type]:
    if kind not in KINDS:
        raise RequestError(f'Unknown training "{kind}".{nearest(kind, KINDS)}')
    hints = get_type_hints(DiffusionRecipe)
    names = (each.name for each in dataclasses.fields(DiffusionRecipe) if each.name != "kind")
    return {name: KINDS[kind] if name == "own" else hints[name] for name in names}


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
