"""The safety checker in a diffusers folder."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from inkbloom.checkpoints.control.ip_adapter import read_vision_spec
from inkbloom.checkpoints.diffusers_folder import Config, open_weights
from inkbloom.checkpoints.keymap import Row, clip_vision_rows, renamed
from inkbloom.checkpoints.loading import fill
from inkbloom.checkpoints.source import Part
from inkbloom.core.errors import CheckpointError
from inkbloom.models.safety import SafetyChecker

FOLDER = "safety_checker"
"""Where it lies in a model's folder."""

_ROWS = {
    "concepts": "concept_embeds",
    "thresholds": "concept_embeds_weights",
    "special_concepts": "special_care_embeds",
    "special_thresholds": "special_care_embeds_weights",
}
_LEFTOVERS = re.compile(r"vision_model\.embeddings\.position_ids")
_NESTED = "vision_model.vision_model."


def has_safety_checker(model: Path) -> bool:
    return (model / FOLDER / "config.json").is_file()


def load_safety_checker(model: str | Path) -> SafetyChecker:
    """The checker of a model's folder, on the CPU, in float32. `CheckpointError` where it is missing or damaged."""
    folder = Path(model) / FOLDER
    if not has_safety_checker(Path(model)):
        raise CheckpointError(f"{model} has no safety checker; diffusers folders of Stable Diffusion 1 may have one.")
    config = Config(folder / "config.json", {"model_type": ("clip",)})
    spec = read_vision_spec(config.part("vision_config", {}))
    file = open_weights(folder, "text")  # whose files are named alike
    names = {name.replace(_NESTED, "vision_model.", 1): name for name in file.shapes}
    counts = [file.shapes.get(name, (0,))[0] for name in ("concept_embeds", "special_care_embeds")]
    with torch.device("meta"):
        checker = SafetyChecker(spec, config.integer("projection_dim"), *counts)
    rows = [*clip_vision_rows(spec), *(Row(ours, theirs, theirs) for ours, theirs in _ROWS.items())]
    theirs = renamed(rows, "diffusers", checker.state_dict())
    fill(checker, theirs, Part(file, names), leftovers=_LEFTOVERS, label="safety checker")
    return checker.float().requires_grad_(False)
