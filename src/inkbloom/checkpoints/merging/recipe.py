"""A merge, as asked for, and as it is written into the result's metadata."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from inkbloom.checkpoints.hashes import old_hash
from inkbloom.checkpoints.ldm import SPEC_KEY
from inkbloom.checkpoints.merging.inputs import INPAINTING, PIX2PIX, MergeInput, known_by
from inkbloom.checkpoints.merging.methods import Method, find_method
from inkbloom.checkpoints.streaming import choose_precision
from inkbloom.core.errors import RequestError

RECIPE_KEY, MODELS_KEY = "sd_merge_recipe", "sd_merge_models"
"""A1111's keys of metadata, whose values are JSON."""

_ROLES = ("A", "B", "C")
_HASH_KEYS = ("primary_model_hash", "secondary_model_hash", "tertiary_model_hash")

# What describes a parent's very file, so that it would be wrong of the result
_OF_ONE_FILE = re.compile(r"modelspec\.(hash_sha256|thumbnail|date|title|merged_from)|sshs_.*|format")


@dataclass(frozen=True, kw_only=True)
class MergeRecipe:
    """What to merge and how. `RequestError` on construction for what cannot be."""

    models: tuple[Path, ...]
    """A; A and B; or A, B and C."""
    method: str = "weighted-sum"
    multiplier: float | None = None
    """None: the method's default, 0.3 for A1111's."""
    blocks: str | None = None
    """Multipliers of single blocks, in the words of `blocks.read_ratios`; other blocks have `multiplier`."""
    density: float = 0.2
    drop: float = 0.9
    seed: int = 0
    vae: Path | None = None
    """A file whose autoencoder replaces A's."""
    discard: str | None = None
    """Tensors whose names this regular expression finds are left out."""
    precision: str | None = None
    """Of all tensors of floating-point numbers; None: the widest of those that are merged."""
    name: str | None = None
    """The result's, without ending; None: one that says what it is made of."""

    def __post_init__(self) -> None:
        how = self.how
        if len(self.models) != how.models:
            needed = " and ".join(", ".join(_ROLES[: how.models]).rsplit(", ", 1))
            raise RequestError(
                f"The method {how.name} takes {how.models} model{'s' if how.models > 1 else ''} ({needed}); "
                f"{len(self.models)} were given."
            )
        if not math.isfinite(self.ratio) or (how.mixes and not 0 <= self.ratio <= 1):
            allowed = "from 0 to 1" if how.mixes else "a finite number"
            raise RequestError(f"The multiplier is {self.ratio:g}; for {how.name} it must be {allowed}.")
        if not 0 < self.density <= 1:
            raise RequestError(f"The density is {self.density:g}; it must be above 0 and at most 1.")
        if not 0 <= self.drop < 1:
            raise RequestError(f"The drop rate is {self.drop:g}; it must be at least 0 and below 1.")
        choose_precision(self.precision)
        if self.name is not None and (not self.name or Path(self.name).name != self.name):
            raise RequestError(f'"{self.name}" is no name for a file; it must not be empty or hold a path.')
        try:
            re.compile(self.discard or "")
        except re.error as error:
            raise RequestError(f'"{self.discard}" is no regular expression: {error}.') from error

    @property
    def how(self) -> Method:
        return find_method(self.method)

    @property
    def ratio(self) -> float:
        return self.how.multiplier if self.multiplier is None else self.multiplier

    @property
    def dtype(self) -> torch.dtype | None:
        return choose_precision(self.precision)

    def file_name(self, channels: int) -> str:
        """A1111's name of the result, in which a model of more input channels says what it is for."""
        stems = dict(zip("abc", map(_stem, self.models), strict=False))
        shown = {"m": round(self.ratio, 2), "rest": round(1 - self.ratio, 2)}
        name = self.name or self.how.title.format(**stems, **shown)
        return f"{name}{self._suffix(channels)}.safetensors"

    def _suffix(self, channels: int) -> str:
        # A1111 adds it where channels differed, which without a second model never is
        kinds = {INPAINTING: ".inpainting", PIX2PIX: ".instruct-pix2pix"}
        return kinds.get(channels, "") if len(self.models) > 1 else ""

    def metadata(
        self, inputs: list[MergeInput], ratios: dict[str, float], hash_of: Callable[[Path], str]
    ) -> dict[str, str]:
        """The parents' own metadata, the later models' winning as in A1111, and above them what the result is."""
        facts: dict[str, str] = {}
        for one in inputs:
            facts |= {key: text for key, text in one.metadata.items() if not _OF_ONE_FILE.fullmatch(key)}
        hashes = [hash_of(known_by(path)) for path in self.models]
        channels = inputs[0].channels
        recipe: dict[str, Any] = {
            "type": "inkbloom",
            **dict(zip(_HASH_KEYS, [*hashes, None, None], strict=False)),
            "interp_method": self.how.label,
            "multiplier": self.ratio,
            "save_as_half": self.precision == "float16",
            "custom_name": self.name or "",
            "config_source": 0,
            "bake_in_vae": self.vae.name if self.vae else "None",
            "discard_weights": self.discard or "",
            "is_inpainting": self._suffix(channels) == ".inpainting",
            "is_instruct_pix2pix": self._suffix(channels) == ".instruct-pix2pix",
            "precision": self.precision,
            "vae_hash": hash_of(known_by(self.vae)) if self.vae else None,
            "blocks": ratios or None,
        }
        if self.method == "ties":
            recipe["density"] = self.density
        if self.method == "dare":
            recipe |= {"drop": self.drop, "seed": self.seed}
        parents: dict[str, Any] = {}
        for one, sha256 in zip(inputs, hashes, strict=True):
            path = one.source.path
            parents[sha256] = {
                "name": path.name,
                "legacy_hash": old_hash(known_by(path)),
                RECIPE_KEY: _read_json(one.metadata.get(RECIPE_KEY)),
            }
            parents |= _read_json(one.metadata.get(MODELS_KEY)) or {}
        return facts | {
            SPEC_KEY: inputs[0].source.spec.to_json(),
            "modelspec.title": Path(self.file_name(channels)).stem,
            "modelspec.merged_from": ", ".join(map(_stem, self.models)),
            RECIPE_KEY: json.dumps(recipe),
            MODELS_KEY: json.dumps(parents),
        }


def _stem(path: Path) -> str:
    return path.name if path.is_dir() else path.stem


def _read_json(text: str | None) -> dict[str, Any] | None:
    """A parent's own provenance, as far as it can be read: it is passed on, and decides nothing."""
    try:
        value = json.loads(text or "null")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
