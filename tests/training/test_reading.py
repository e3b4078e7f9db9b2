"""Recipes from flat fields."""

from pathlib import Path
from typing import Any, get_args

import pytest

from inkbloom.apps.service.jobs import TrainSpec
from inkbloom.core.errors import RequestError
from inkbloom.training.adapters.settings import LoraSettings
from inkbloom.training.reading import KINDS, read_recipe, recipe_fields


def test_fields_find_their_sections() -> None:
    fields = {
        "rank": "8",
        "block_ranks": {"M00": 4},
        "data": ["cats", "dogs"],
        "base": "a.safetensors",
        "steps": 10,
        "betas": [0.9, 0.99],
        "flip": True,
        "alpha": None,
    }
    recipe = read_recipe("lora", fields)
    assert recipe.own == LoraSettings(rank=8, block_ranks={"M00": 4})
    assert recipe.data.data == (Path("cats"), Path("dogs"))
    assert recipe.data.flip is True
    assert recipe.model.base == Path("a.safetensors")
    assert recipe.run.steps == 10
    assert recipe.optimizer.betas == (0.9, 0.99)


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_make_a_recipe_again(kind: str) -> None:
    fields = recipe_fields(kind)
    assert {"steps", "data", "learning_rate", "held_out_timesteps"} <= fields.keys()
    own = {"trigger_words": {"cat": 2}} if kind == "embedding" else {}
    assert read_recipe(kind, {name: field.default for name, field in fields.items()} | own) == read_recipe(kind, own)


def test_the_service_s_trainings_are_these() -> None:
    assert get_args(TrainSpec.model_fields["training"].annotation) == tuple(KINDS)


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("lorra", {}, 'Unknown training "lorra". Did you mean "lora"'),
        ("lora", {"rnak": 1}, 'A training of kind lora has no field "rnak". Did you mean "rank"'),
        ("lora", {"trigger_words": {"a": 1}}, 'A training of kind lora has no field "trigger_words".'),
        ("lora", {"rank": 1.5}, "rank 1.5: must be a valid integer"),
        ("lora", {"learning_rate": float("nan")}, "learning_rate nan: must be a finite number"),
        ("lora", {"adapter_kind": "lorra"}, "adapter_kind 'lorra': must be 'lora', 'loha' or 'lokr'"),
        ("lora", {"dora": "maybe"}, "dora 'maybe': must be a valid boolean"),
        ("embedding", {"trigger_words": "cat"}, "trigger_words 'cat': must be a valid dictionary"),
    ],
)
def test_what_is_wrong_is_said(kind: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as told:
        read_recipe(kind, fields)
    assert str(told.value).startswith(message)
