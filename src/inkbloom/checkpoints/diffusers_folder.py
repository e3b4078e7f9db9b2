"""The diffusers layout: a folder with `model_index.json` and, for each network, its own folder of configuration and
tensors.

Each fact of ours is one field there. Fields that would change the arithmetic, and that we have no counterpart for,
must have the one value that stands for what we do; a value that we do not know is an error and never ignored. Beware
`attention_head_dim`: in the U-Net's configuration it is the *number* of heads.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar, get_args

from inkbloom.checkpoints.foreign import check_folder, refuse
from inkbloom.checkpoints.keymap import Component, modern
from inkbloom.checkpoints.source import ModelSource, Part
from inkbloom.checkpoints.tensors import TensorFile, join, open_tensors
from inkbloom.core.errors import CheckpointError, RequestError, nearest
from inkbloom.families.sd1 import SD1
from inkbloom.families.spec import ModelSpec
from inkbloom.models.autoencoder import AutoencoderSpec
from inkbloom.models.clip_text import ClipTextSpec
from inkbloom.models.unet import UNetLevel, UNetSpec
from inkbloom.sampling.prediction import Prediction
from inkbloom.sampling.schedules import NoiseScheduleSpec, ScheduleKind
from inkbloom.text.tokenizer import Tokenizer

T = TypeVar("T")

FOLDERS: dict[Component, str] = {"text": "text_encoder", "unet": "unet", "autoencoder": "vae"}
STEMS: dict[Component, str] = {
    "text": "model",
    "unet": "diffusion_pytorch_model",
    "autoencoder": "diffusion_pytorch_model",
}
SPEC_FILE = "inkbloom.json"
"""Our own file beside `model_index.json`: the whole `ModelSpec`, for the facts that diffusers has no field for."""

_PICKLE_STEMS = {**STEMS, "text": "pytorch_model"}

_PIPELINES = (
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionInstructPix2PixPipeline",
)

SCHEDULES: dict[str, ScheduleKind] = {
    "linear": "linear",
    "scaled_linear": "scaled_linear",
    "squaredcos_cap_v2": "cosine",
}
"""diffusers' names of the noise schedules, and ours."""

CROSS_DOWN, PLAIN_DOWN = "CrossAttnDownBlock2D", "DownBlock2D"
CROSS_UP, PLAIN_UP = "CrossAttnUpBlock2D", "UpBlock2D"

# Fields with the only values that stand for what our networks do. Absent is as good as the first.
_UNET_FIXED: dict[str, tuple[Any, ...]] = {
    "act_fn": ("silu", "swish"),
    "mid_block_type": ("UNetMidBlock2DCrossAttn",),
    "norm_eps": (1e-5,),
    "center_input_sample": (False,),
    "flip_sin_to_cos": (True,),
    "freq_shift": (0,),
    "downsample_padding": (1,),
    "mid_block_scale_factor": (1,),
    "only_cross_attention": (False,),
    "mid_block_only_cross_attention": (None, False),
    "reverse_transformer_layers_per_block": (None,),
    "encoder_hid_dim": (None,),
    "encoder_hid_dim_type": (None,),
    "dual_cross_attention": (False,),
    "class_embed_type": (None,),
    "addition_embed_type": (None,),
    "num_class_embeds": (None,),
    "resnet_time_scale_shift": ("default",),
    "resnet_skip_time_act": (False,),
    "resnet_out_scale_factor": (1.0,),
    "time_embedding_type": ("positional",),
    "time_embedding_dim": (None,),
    "time_embedding_act_fn": (None,),
    "timestep_post_act": (None,),
    "time_cond_proj_dim": (None,),
    "conv_in_kernel": (3,),
    "conv_out_kernel": (3,),
    "attention_type": ("default",),
    "class_embeddings_concat": (False,),
    "cross_attention_norm": (None,),
}
_AUTOENCODER_FIXED: dict[str, tuple[Any, ...]] = {
    "act_fn": ("silu", "swish"),
    "in_channels": (3,),
    "out_channels": (3,),
    "shift_factor": (None, 0.0),
    "latents_mean": (None,),
    "latents_std": (None,),
    "use_quant_conv": (True,),
    "use_post_quant_conv": (True,),
    "mid_block_add_attention": (True,),
}
TEXT_FIXED: dict[str, tuple[Any, ...]] = {"layer_norm_eps": (1e-5,), "model_type": ("clip_text_model",)}
_SCHEDULER_FIXED: dict[str, tuple[Any, ...]] = {"trained_betas": (None,)}


class Config:
    """One JSON file of the folder; errors name the file and the field."""

    def __init__(self, path: Path, fixed: dict[str, tuple[Any, ...]]) -> None:
        self.path = path
        try:
            self.values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CheckpointError(f"The diffusers folder lacks the file {path}.") from None
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}.") from error
        if not isinstance(self.values, dict):
            raise CheckpointError(f"{path} holds a {type(self.values).__name__}; it must be an object.")
        self._check(fixed)

    def part(self, field: str, fixed: dict[str, tuple[Any, ...]]) -> Config:
        """The object in a field, as a configuration of its own."""
        if not isinstance(self.get(field), dict):
            raise self.wrong(field, "an object")
        part = copy.copy(self)
        part.values = self.values[field]
        part._check(fixed)
        return part

    def _check(self, fixed: dict[str, tuple[Any, ...]]) -> None:
        for field, allowed in fixed.items():
            value = self.values.get(field, allowed[0])
            if value not in allowed:
                raise self.wrong(field, " or ".join(map(repr, allowed)))

    def get(self, field: str) -> Any:
        if field not in self.values:
            raise CheckpointError(f'{self.path} lacks the field "{field}".')
        return self.values[field]

    def integer(self, field: str) -> int:
        if type(self.get(field)) is not int or self.values[field] < 1:
            raise self.wrong(field, "a whole number above 0")
        return self.values[field]

    def number(self, field: str, default: float | None = None) -> float:
        """A field's number; where there is a `default`, the field may be absent."""
        value = self.get(field) if default is None else self.values.get(field, default)
        if type(value) not in (int, float):
            raise self.wrong(field, "a number")
        return value

    def items(self, field: str, kind: type[T]) -> list[T]:
        """A field that is a list of whole numbers or of names."""
        value = self.get(field)
        if not isinstance(value, list) or not value or any(type(part) is not kind for part in value):
            raise self.wrong(field, f"a list with items of type {kind.__name__}")
        return value

    def each(self, field: str, count: int) -> list[int]:
        """A field that is one whole number for all levels, or a list with one for each."""
        value = self.get(field)
        listed = value if isinstance(value, list) else [value] * count
        if len(listed) != count or any(type(part) is not int or part < 1 for part in listed):
            raise self.wrong(field, f"a whole number above 0, or {count} of them")
        return listed

    def choose(self, field: str, allowed: tuple[str, ...]) -> str:
        if self.get(field) not in allowed:
            raise CheckpointError(
                f'{self.path}: {field} is "{self.values[field]}".{nearest(str(self.values[field]), allowed)}'
            )
        return self.values[field]

    def wrong(self, field: str, allowed: str) -> CheckpointError:
        return CheckpointError(f"{self.path}: {field} is {self.values.get(field)!r}; it must be {allowed}.")


def open_folder(path: Path) -> ModelSource:
    """Open a diffusers folder. `CheckpointError` says what is missing, or which field we cannot follow."""
    check_folder(path)
    index = Config(path / "model_index.json", {})
    pipeline = index.get("_class_name")
    if pipeline not in _PIPELINES:
        raise refuse(path, f"a diffusers folder of a {pipeline}")
    spec = _read_spec(path)
    parts: dict[Component, Part] = {
        component: _open_part(path / folder, component) for component, folder in FOLDERS.items()
    }
    return ModelSource(path, "diffusers", spec, parts, lambda: Tokenizer.from_folder(path / "tokenizer"))


def _read_spec(path: Path) -> ModelSpec:
    unet = Config(path / FOLDERS["unet"] / "config.json", _UNET_FIXED)
    autoencoder = Config(path / FOLDERS["autoencoder"] / "config.json", _AUTOENCODER_FIXED)
    text = Config(path / FOLDERS["text"] / "config.json", TEXT_FIXED)
    scheduler = Config(path / "scheduler" / "scheduler_config.json", _SCHEDULER_FIXED)
    if text.get("hidden_size") == 1024 and text.get("hidden_act") == "gelu":
        raise refuse(path, "a Stable Diffusion 2 model")
    facts: dict[str, Any] = {
        "unet": _unet_spec(unet),
        "autoencoder": _autoencoder_spec(autoencoder),
        "text": read_text_spec(text),
        "latent_scale": autoencoder.number("scaling_factor", SD1.latent_scale),
        "prediction": _prediction(scheduler),
        "noise_schedule": _noise_schedule(scheduler),
    }
    facts["default_size"] = unet.integer("sample_size") * facts["autoencoder"].downscale
    if scheduler.values.get("timestep_spacing") == "trailing":
        facts["default_schedule"] = "trailing"
    try:
        spec = dataclasses.replace(SD1, **facts)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    own = path / SPEC_FILE
    return _own_spec(own, spec) if own.is_file() else spec


def _own_spec(path: Path, spec: ModelSpec) -> ModelSpec:
    """The spec in our own file. What the configurations say too must be the same; the rest is known from here alone."""
    try:
        own = ModelSpec.from_json(path.read_text(encoding="utf-8"))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    for field in dataclasses.fields(ModelSpec):
        said_here_alone = field.name == "family" or field.name.startswith("default_")
        if not said_here_alone and getattr(own, field.name) != getattr(spec, field.name):
            raise CheckpointError(f"{path}: {field.name} disagrees with the configurations beside it.")
    return own


def _unet_spec(config: Config) -> UNetSpec:
    widths = config.items("block_out_channels", int)
    count = len(widths)
    down, up = config.items("down_block_types", str), config.items("up_block_types", str)
    for field, types, allowed in (
        ("down_block_types", down, (CROSS_DOWN, PLAIN_DOWN)),
        ("up_block_types", up, (CROSS_UP, PLAIN_UP)),
    ):
        strange = [kind for kind in types if kind not in allowed]
        if strange:
            raise config.wrong(field, f"made of {' and '.join(allowed)} (not {strange[0]})")
    crossing = [kind == CROSS_DOWN for kind in down]
    if len(down) != count or [kind == CROSS_UP for kind in reversed(up)] != crossing:
        raise config.wrong("up_block_types", "the mirror image of down_block_types, one for each of block_out_channels")
    heads_field = "num_attention_heads" if config.values.get("num_attention_heads") else "attention_head_dim"
    heads = config.each(heads_field, count)
    blocks = config.each("layers_per_block", count)
    depths = (
        config.each("transformer_layers_per_block", count)
        if "transformer_layers_per_block" in config.values
        else [1] * count
    )
    return UNetSpec(
        levels=tuple(
            UNetLevel(
                channels=widths[i],
                num_blocks=blocks[i],
                transformer_depth=depths[i] if crossing[i] else 0,
                num_heads=heads[i],
            )
            for i in range(count)
        ),
        mid_transformer_depth=depths[-1],
        context_dim=config.integer("cross_attention_dim"),
        in_channels=config.integer("in_channels"),
        out_channels=config.integer("out_channels"),
        norm_groups=config.integer("norm_num_groups"),
        linear_projection=bool(config.values.get("use_linear_projection", False)),
    )


def _autoencoder_spec(config: Config) -> AutoencoderSpec:
    widths = config.items("block_out_channels", int)
    for field, kind in (("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")):
        if config.get(field) != [kind] * len(widths):
            raise config.wrong(field, f"{kind}, {len(widths)} times")
    return AutoencoderSpec(
        level_channels=tuple(widths),
        num_blocks=config.integer("layers_per_block"),
        latent_channels=config.integer("latent_channels"),
        norm_groups=config.integer("norm_num_groups"),
    )


def read_text_spec(config: Config) -> ClipTextSpec:
    width = config.integer("hidden_size")
    if config.integer("intermediate_size") != 4 * width:
        raise config.wrong("intermediate_size", f"4 times hidden_size, {4 * width}")
    activation = config.choose("hidden_act", ("quick_gelu", "gelu"))
    return ClipTextSpec(
        width=width,
        num_layers=config.integer("num_hidden_layers"),
        num_heads=config.integer("num_attention_heads"),
        vocab_size=config.integer("vocab_size"),
        max_tokens=config.integer("max_position_embeddings"),
        activation="gelu" if activation == "gelu" else "quick_gelu",
    )


def _prediction(config: Config) -> Prediction:
    if "prediction_type" not in config.values:
        return "epsilon"  # what everything predicted before the field was introduced
    config.choose("prediction_type", get_args(Prediction))
    return config.values["prediction_type"]


def _noise_schedule(config: Config) -> NoiseScheduleSpec:
    kind = SCHEDULES[config.choose("beta_schedule", tuple(SCHEDULES))]
    try:
        return NoiseScheduleSpec(
            kind=kind,
            beta_start=None if kind == "cosine" else config.number("beta_start"),
            beta_end=None if kind == "cosine" else config.number("beta_end"),
            timesteps=config.integer("num_train_timesteps"),
            zero_terminal_snr=bool(config.values.get("rescale_betas_zero_snr", False)),
        )
    except RequestError as error:
        raise CheckpointError(f"{config.path}: {error}") from error


def _open_part(folder: Path, component: Component) -> Part:
    file = open_weights(folder, component)
    return Part(file, {modern(component, name): name for name in file.shapes})


def open_weights(folder: Path, component: Component) -> TensorFile:
    """Tensors of one network: safetensors before pickles, full precision before variants, a file before shards."""
    for stem, suffix in ((STEMS[component], "safetensors"), (_PICKLE_STEMS[component], "bin")):
        for variant in ("", *_variants(folder, stem, suffix)):
            whole = folder / f"{stem}{variant}.{suffix}"
            if whole.is_file():
                return open_tensors(whole)
            index = folder / f"{stem}.{suffix}.index{variant}.json"
            if index.is_file():
                shards = sorted(set(Config(index, {}).get("weight_map").values()))
                return join((open_tensors(folder / shard) for shard in shards), index)
    raise CheckpointError(
        f"{folder} has no weights; it needs {STEMS[component]}.safetensors, its shards, a variant as fp16, or .bin."
    )


def _variants(folder: Path, stem: str, suffix: str) -> list[str]:
    """The variants that are there, as ".fp16", in the alphabet's order; not "non_ema", for whoever trains on."""
    found = {name.name.removeprefix(stem).removesuffix(f".{suffix}") for name in folder.glob(f"{stem}.*.{suffix}")}
    found |= {
        name.name.removeprefix(f"{stem}.{suffix}.index").removesuffix(".json")
        for name in folder.glob(f"{stem}.{suffix}.index.*.json")
    }
    return sorted(
        variant for variant in found if variant.count(".") == 1 and variant != ".non_ema" and "-of-" not in variant
    )
