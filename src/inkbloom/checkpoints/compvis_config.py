"""CompVis' YAML configurations, read as data: the names of classes in them are never imported, only their numbers are
used.

What is absent has CompVis' own default. Sizes must agree with the tensors; what tensors cannot tell is taken from
here: the noise schedule, the prediction, the latents' scale and the attention heads.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

import yaml

from inkbloom.core.errors import CheckpointError, InkbloomError, nearest
from inkbloom.families.spec import ModelSpec
from inkbloom.models.unet import UNetSpec
from inkbloom.sampling.prediction import Prediction
from inkbloom.sampling.schedules import NoiseScheduleSpec, ScheduleKind

T = TypeVar("T")

# CompVis' "linear" is linear in the square roots of the betas.
_SCHEDULES: dict[str, ScheduleKind] = {"linear": "scaled_linear", "sqrt_linear": "linear", "cosine": "cosine"}
_PREDICTIONS: dict[str, Prediction] = {"eps": "epsilon", "v": "v_prediction", "x0": "sample"}

_MODEL = "model.params"
_UNET = "model.params.unet_config.params"
_AUTOENCODER = "model.params.first_stage_config.params.ddconfig"


class _Fields:
    """A parsed file, its fields by their dotted path; errors name file and field."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.root = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise CheckpointError(f"The configuration {path} cannot be read: {error.strerror}.") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise CheckpointError(f"The configuration {path} is not YAML: {' '.join(str(error).split())}") from error

    def get(self, field: str, default: Any) -> Any:
        """The value at a dotted path, or `default`, whose type it must have."""
        value = self.root
        for name in field.split("."):
            if value is not None and not isinstance(value, dict):
                raise CheckpointError(
                    f"{self.path}: {field} cannot be read, because the field before it holds {value!r}."
                )
            value = value.get(name) if value else None
        if value is None or default is None:
            return default if value is None else value
        if isinstance(default, float):
            try:
                return float(value)  # YAML reads "1e-4" as text and "1" as a whole number
            except (TypeError, ValueError):
                raise self.wrong(field, value, "a number") from None
        if type(value) is not type(default):
            raise self.wrong(field, value, f"of type {type(default).__name__}")
        return value

    def choose(self, field: str, default: str, allowed: dict[str, T]) -> T:
        value = self.get(field, default)
        if value not in allowed:
            raise CheckpointError(f'{self.path}: {field} is "{value}".{nearest(value, allowed)}')
        return allowed[value]

    def must_be(self, field: str, needed: Any) -> None:
        """Where the field is given, it must have this value."""
        value = self.get(field, None)
        if value is not None and value != needed:
            raise self.wrong(field, value, f"{needed}")

    def wrong(self, field: str, value: Any, allowed: str) -> CheckpointError:
        return CheckpointError(f"{self.path}: {field} is {value!r}; it must be {allowed}.")


def apply_config(path: Path, spec: ModelSpec) -> ModelSpec:
    """`spec`, as read from a file's tensors, with what the configuration at `path` knows better.

    Raises `CheckpointError` that names the field which is wrong, unsupported, or disagrees with the tensors.
    """
    fields = _Fields(path)
    if not isinstance(fields.root, dict) or not isinstance(fields.root.get("model"), dict):
        raise CheckpointError(f'{path}: the field "model" is missing; a CompVis configuration has it.')
    _check_sizes(fields, spec)
    kind = fields.choose(f"{_MODEL}.beta_schedule", "linear", _SCHEDULES)
    try:
        return dataclasses.replace(
            spec,
            unet=_with_heads(fields, spec.unet),
            latent_scale=fields.get(f"{_MODEL}.scale_factor", 1.0),
            prediction=fields.choose(f"{_MODEL}.parameterization", "eps", _PREDICTIONS),
            noise_schedule=NoiseScheduleSpec(
                kind=kind,
                beta_start=None if kind == "cosine" else fields.get(f"{_MODEL}.linear_start", 1e-4),
                beta_end=None if kind == "cosine" else fields.get(f"{_MODEL}.linear_end", 2e-2),
                timesteps=fields.get(f"{_MODEL}.timesteps", 1000),
                zero_terminal_snr=spec.noise_schedule.zero_terminal_snr,
            ),
        )
    except InkbloomError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _check_sizes(fields: _Fields, spec: ModelSpec) -> None:
    unet, autoencoder = spec.unet, spec.autoencoder
    fields.must_be(f"{_UNET}.use_spatial_transformer", True)
    fields.must_be(f"{_UNET}.in_channels", unet.in_channels)
    fields.must_be(f"{_UNET}.out_channels", unet.out_channels)
    fields.must_be(f"{_UNET}.model_channels", unet.levels[0].channels)
    fields.must_be(f"{_UNET}.channel_mult", [level.channels // unet.levels[0].channels for level in unet.levels])
    fields.must_be(f"{_UNET}.num_res_blocks", unet.levels[0].num_blocks)
    fields.must_be(f"{_UNET}.transformer_depth", unet.mid_transformer_depth)
    fields.must_be(f"{_UNET}.context_dim", unet.context_dim)
    fields.must_be(f"{_UNET}.use_linear_in_transformer", unet.linear_projection)
    fields.must_be(f"{_AUTOENCODER}.z_channels", autoencoder.latent_channels)
    fields.must_be(f"{_AUTOENCODER}.ch", autoencoder.level_channels[0])
    fields.must_be(f"{_AUTOENCODER}.ch_mult", [c // autoencoder.level_channels[0] for c in autoencoder.level_channels])
    fields.must_be(f"{_AUTOENCODER}.num_res_blocks", autoencoder.num_blocks)
    fields.must_be(f"{_AUTOENCODER}.attn_resolutions", [])


def _with_heads(fields: _Fields, unet: UNetSpec) -> UNetSpec:
    """`unet` with the configuration's heads: so many (`num_heads`), or as many as are `num_head_channels` wide."""
    num_heads = fields.get(f"{_UNET}.num_heads", -1)
    head_dim = fields.get(f"{_UNET}.num_head_channels", -1)
    if num_heads == head_dim == -1:
        return unet
    levels = []
    for level in unet.levels:
        if head_dim != -1 and (head_dim < 1 or level.channels % head_dim):
            raise fields.wrong(f"{_UNET}.num_head_channels", head_dim, f"a divisor of {level.channels}")
        levels.append(dataclasses.replace(level, num_heads=num_heads if head_dim == -1 else level.channels // head_dim))
    return dataclasses.replace(unet, levels=tuple(levels))
