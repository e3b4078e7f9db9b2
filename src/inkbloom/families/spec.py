"""What a model is, as frozen facts: the sizes of its networks, what it predicts, its noise, and how it likes to be
sampled.

A spec has one spelling on disk, `to_json`; the names of its fields are therefore permanent.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, get_args

from inkbloom.core.errors import CheckpointError, RequestError, nearest
from inkbloom.models.autoencoder import AutoencoderSpec
from inkbloom.models.clip_text import ClipTextSpec
from inkbloom.models.unet import UNetSpec
from inkbloom.sampling.prediction import Prediction
from inkbloom.sampling.schedules import NoiseScheduleSpec


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Everything about a Stable Diffusion model but its weights. `CheckpointError` names the field that cannot be."""

    family: str
    unet: UNetSpec
    autoencoder: AutoencoderSpec
    text: ClipTextSpec
    latent_scale: float
    """Raw latents times this have a variance near 1."""
    prediction: Prediction
    noise_schedule: NoiseScheduleSpec
    default_size: int
    """Height and width of the pictures it was trained on, in pixels."""
    default_sampler: str
    default_schedule: str
    default_steps: int
    default_guidance_scale: float

    def __post_init__(self) -> None:
        if self.prediction not in get_args(Prediction):
            raise CheckpointError(f'prediction is "{self.prediction}".{nearest(self.prediction, get_args(Prediction))}')
        if not (math.isfinite(self.latent_scale) and self.latent_scale > 0):
            raise CheckpointError(f"latent_scale is {self.latent_scale}; it must be a finite number above 0.")
        if self.default_size < 1 or self.default_size % self.autoencoder.downscale:
            raise CheckpointError(
                f"default_size is {self.default_size}; it must be a multiple of {self.autoencoder.downscale}, "
                "by which the autoencoder shrinks."
            )
        if self.default_steps < 1:
            raise CheckpointError(f"default_steps is {self.default_steps}; it must be at least 1.")
        schedule = self.noise_schedule
        if schedule.kind != "cosine" and None in (schedule.beta_start, schedule.beta_end):
            raise CheckpointError(
                "noise_schedule leaves its betas open; a model's spec must say beta_start and beta_end."
            )
        self._check_widths()

    def _check_widths(self) -> None:
        unet, autoencoder, text = self.unet, self.autoencoder, self.text
        if unet.context_dim != text.width:
            raise CheckpointError(
                f"The U-Net reads text vectors {unet.context_dim} wide, but the text encoder's are {text.width} wide."
            )
        latents = autoencoder.latent_channels
        if unet.out_channels != latents or unet.in_channels < latents:
            raise CheckpointError(
                f"The autoencoder's latents have {latents} channels, but the U-Net reads {unet.in_channels} "
                f"and predicts {unet.out_channels}."
            )
        divisions = [("text.num_heads", text.num_heads, text.width)]
        for i, level in enumerate(unet.levels):
            divisions.append((f"unet.levels[{i}].num_heads", level.num_heads, level.channels))
            divisions.append(("unet.norm_groups", unet.norm_groups, level.channels))
        divisions += [("autoencoder.norm_groups", autoencoder.norm_groups, c) for c in autoencoder.level_channels]
        for field, divisor, width in divisions:
            if divisor < 1 or width % divisor:
                raise CheckpointError(f"{field} is {divisor}; it must divide the width {width}.")

    def to_json(self) -> str:
        """The spec as one line of JSON, its fields by name."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """The inverse of `to_json`. `CheckpointError` names a field that is missing, unknown or of the wrong type."""
        try:
            value = json.loads(text)
        except ValueError as error:
            raise CheckpointError(f"The model's spec is not JSON: {error}.") from error
        return _read(cls, value, "spec")


def _read(kind: Any, value: Any, where: str) -> Any:
    """`value`, as JSON has it, as the annotated type `kind`: a dataclass, a tuple of one type, or a plain value."""
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise CheckpointError(f"{where} is {value!r}; it must be an object.")
        hints = typing.get_type_hints(kind)
        for name in value:
            if name not in hints:
                raise CheckpointError(f'{where} has an unknown field "{name}".{nearest(name, hints)}')
        needed = [field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING]
        for name in needed:
            if name not in value:
                raise CheckpointError(f'{where} lacks the field "{name}".')
        fields = {name: _read(hints[name], part, f"{where}.{name}") for name, part in value.items()}
        try:
            return typing.cast("type", kind)(**fields)
        except RequestError as error:
            raise CheckpointError(f"{where}: {error}") from error
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise CheckpointError(f"{where} is {value!r}; it must be a list.")
        return tuple(_read(get_args(kind)[0], part, f"{where}[{i}]") for i, part in enumerate(value))
    if not _fits(kind, value):
        allowed = ", ".join(map(repr, get_args(kind))) if typing.get_origin(kind) is Literal else _type_name(kind)
        raise CheckpointError(f"{where} is {value!r}; it must be {allowed}.")
    return value


def _fits(kind: Any, value: Any) -> bool:
    if typing.get_origin(kind) is types.UnionType:
        return any(_fits(part, value) for part in get_args(kind))
    if typing.get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind


def _type_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)
