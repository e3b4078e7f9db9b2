"""What a person asks for: the sections of each kind of training's configuration, in the order of its TOML file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from inkbloom.core.errors import TrainingError
from inkbloom.training.adapters.settings import EmbeddingSettings, HypernetworkSettings, LoraSettings
from inkbloom.training.autoencoder.settings import AutoencoderSettings
from inkbloom.training.control import ControlNetSettings
from inkbloom.training.data.settings import DataSettings
from inkbloom.training.denoising import ConditioningSettings
from inkbloom.training.evaluation import EvaluationSettings
from inkbloom.training.finetune import FinetuneSettings
from inkbloom.training.loop import RunSettings
from inkbloom.training.noising import check_choice
from inkbloom.training.objective import ObjectiveSettings
from inkbloom.training.optimizers import OptimizerSettings
from inkbloom.training.text_encoder import TextEncoderSettings

FilePrecision = Literal["fp32", "fp16", "bf16"]


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    base: Path | None = None
    """The model to begin with: a .safetensors or .ckpt file, or a diffusers folder. None: the starter."""
    base_precision: FilePrecision = "fp32"
    """Of networks that do not learn; fp16 and bf16 take half the memory."""
    output: Path | None = None
    """The folder of the run: its state, log, samples and result; the same folder goes on. None: runs/NAME."""
    name: str = "trained"
    """What the result is called, and its file without the ending."""
    result_precision: FilePrecision = "fp16"
    """Of the numbers in the result's file (embeddings and hypernetworks: always fp32)."""
    as_folder: bool = False
    """Write a whole model as a diffusers folder, not as one file."""

    def __post_init__(self) -> None:
        check_choice("base_precision", self.base_precision, FilePrecision)
        check_choice("result_precision", self.result_precision, FilePrecision)
        if not self.name or any(character in self.name for character in '/\\:*?"<>|'):
            raise TrainingError(f'name is "{self.name}"; it must be usable as the name of a file.')

    @property
    def folder(self) -> Path:
        return self.output or Path("runs") / self.name


Own = FinetuneSettings | LoraSettings | EmbeddingSettings | HypernetworkSettings | ControlNetSettings


@dataclass(frozen=True, kw_only=True)
class DiffusionRecipe:
    """A training of something that takes part in denoising; its kind is the type of `own`."""

    kind: str
    model: ModelSettings = field(default_factory=ModelSettings)
    data: DataSettings = field(default_factory=DataSettings)
    own: Own
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    conditioning: ConditioningSettings = field(default_factory=ConditioningSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    run: RunSettings = field(default_factory=RunSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)


@dataclass(frozen=True, kw_only=True)
class AutoencoderRecipe:
    kind: str = "autoencoder"
    model: ModelSettings = field(default_factory=ModelSettings)
    data: DataSettings = field(default_factory=DataSettings)
    own: AutoencoderSettings = field(default_factory=AutoencoderSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    run: RunSettings = field(default_factory=RunSettings)


@dataclass(frozen=True, kw_only=True)
class TextEncoderRecipe:
    kind: str = "text-encoder"
    model: ModelSettings = field(default_factory=ModelSettings)
    data: DataSettings = field(default_factory=DataSettings)
    own: TextEncoderSettings = field(default_factory=TextEncoderSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    run: RunSettings = field(default_factory=RunSettings)


Recipe = DiffusionRecipe | AutoencoderRecipe | TextEncoderRecipe


def sections(recipe: Recipe) -> dict[str, Any]:
    """The recipe's sections by their names in the file; that of the kind is called as the kind."""
    named = {f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe) if f.name != "kind"}
    return {recipe.kind if name == "own" else name: section for name, section in named.items()}


def as_config(recipe: Recipe) -> dict[str, Any]:
    """All fields by name, flat, as resume compares them and results keep them; of paths only the last name."""
    flat: dict[str, Any] = {"kind": recipe.kind}
    for section in sections(recipe).values():
        flat |= {each.name: _plain(getattr(section, each.name)) for each in dataclasses.fields(section)}
    return flat


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value
