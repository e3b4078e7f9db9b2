"""The LDM layout: CompVis' single file, in which the networks lie side by side under prefixes.

Such a file says nothing about itself but the names and shapes of its tensors; sizes are read off them, the rest is
what every Stable Diffusion 1 file shares, unless one of these says otherwise, the later ones first: our own metadata
(a whole spec), the community's marks for v-prediction, a CompVis configuration.
"""

from __future__ import annotations

import dataclasses
import re
import tempfile
from pathlib import Path

from inkbloom.checkpoints.compvis_config import apply_config
from inkbloom.checkpoints.foreign import kind_by_names, refuse
from inkbloom.checkpoints.keymap import COMPONENTS, LDM_PREFIX, Component, modern
from inkbloom.checkpoints.source import ModelSource, Part
from inkbloom.checkpoints.tensors import TensorFile, open_tensors
from inkbloom.core.errors import CheckpointError, nearest
from inkbloom.families.sd1 import SD1
from inkbloom.families.spec import ModelSpec
from inkbloom.models.autoencoder import AutoencoderSpec
from inkbloom.models.clip_text import ClipTextSpec
from inkbloom.models.unet import UNetLevel, UNetSpec
from inkbloom.text.tokenizer import Tokenizer

SPEC_KEY = "inkbloom.spec"
"""Where files that we write carry the whole `ModelSpec` as JSON."""
VOCAB_KEY, MERGES_KEY = "inkbloom.tokenizer.vocab", "inkbloom.tokenizer.merges"
"""Where they carry the two files of a tokenizer that is not CLIP's."""

EMA_PREFIX = "model_ema."

NUM_HEADS = 8
"""Attention heads everywhere in the U-Net of Stable Diffusion 1."""
HEAD_DIM = 64
"""Width of an attention head in CLIP's text transformers of all sizes."""

V_PREDICTION_MARK, ZERO_SNR_MARK = "v_pred", "ztsnr"
"""Empty tensors, by which files say what they predict and with which noise: a habit of the community."""

_PREDICTION_KEY = "modelspec.prediction_type"
_DECLARED = {"epsilon": "epsilon", "v": "v_prediction", "v_prediction": "v_prediction"}

# What training leaves behind next to the networks.
_LEFTOVERS = re.compile(
    r"betas|alphas_cumprod(_prev)?|sqrt_\w+|log_one_minus_alphas_cumprod|posterior_\w+|logvar|lvlb_weights|scale_factor"
    rf"|global_step|denoiser\.sigmas|{V_PREDICTION_MARK}|{ZERO_SNR_MARK}|cond_stage_model\.(logit_scale|text_projection)"
    r"|model_ema\..*"
)


def marks(spec: ModelSpec) -> list[str]:
    """The marks that a single file of this model carries."""
    found = {V_PREDICTION_MARK: spec.prediction == "v_prediction", ZERO_SNR_MARK: spec.noise_schedule.zero_terminal_snr}
    return [mark for mark, is_set in found.items() if is_set]


def open_ldm(path: Path, config: Path | None) -> ModelSource:
    """Open a single file; `config` is a CompVis YAML, by default the one with the file's own name beside it.

    Raises `CheckpointError` with what the file is instead, where it is no Stable Diffusion 1 model (or part of one).
    """
    file = open_tensors(path)
    kind = kind_by_names({**dict.fromkeys(file.top_level), **file.shapes})
    if kind:
        raise refuse(path, kind)
    parts = _split(file)
    if not parts:
        first = next(iter(file.shapes), None)
        what = f'a file of {len(file.shapes)} unknown tensors, first "{first}"' if first else "a file without tensors"
        raise refuse(path, what)

    spec = _read_spec(file, parts)
    beside = path.with_suffix(".yaml")
    if config is None and beside.is_file():
        config = beside
    if config is not None:
        spec = apply_config(config, spec)

    owned = {name for part in parts.values() for name in part.names.values()}
    strangers = tuple(name for name in file.shapes if name not in owned and not _LEFTOVERS.fullmatch(name))
    return ModelSource(path, "ldm", spec, parts, lambda: _open_tokenizer(file, spec), _ema(file, parts), strangers)


def _split(file: TensorFile) -> dict[Component, Part]:
    prefixes = LDM_PREFIX
    if {"encoder.conv_in.weight", "decoder.conv_in.weight"} <= file.shapes.keys():
        prefixes = {"autoencoder": ""}  # an autoencoder published by itself
    parts: dict[Component, Part] = {}
    for component in COMPONENTS:
        prefix = prefixes.get(component)
        if prefix is None:
            continue
        named = {modern(component, name.removeprefix(prefix)): name for name in file.shapes if name.startswith(prefix)}
        if named:
            parts[component] = Part(file, named)
    return parts


def _ema(file: TensorFile, parts: dict[Component, Part]) -> Part | None:
    """The U-Net's averaged weights, whose names lost their dots: "model_ema.diffusion_modelinput_blocks00weight"."""
    unet = parts.get("unet")
    if unet is None or not any(name.startswith(EMA_PREFIX) for name in file.shapes):
        return None
    flat = {name: EMA_PREFIX + f"diffusion_model.{name}".replace(".", "") for name in unet.names}
    return Part(file, {name: ema for name, ema in flat.items() if ema in file.shapes})


def _open_tokenizer(file: TensorFile, spec: ModelSpec) -> Tokenizer:
    if VOCAB_KEY in file.metadata and MERGES_KEY in file.metadata:
        with tempfile.TemporaryDirectory() as folder:
            vocab, merges = Path(folder, "vocab.json"), Path(folder, "merges.txt")
            vocab.write_text(file.metadata[VOCAB_KEY], encoding="utf-8")
            merges.write_text(file.metadata[MERGES_KEY], encoding="utf-8")
            return Tokenizer.from_files(vocab, merges)
    return Tokenizer.clip()


def _read_spec(file: TensorFile, parts: dict[Component, Part]) -> ModelSpec:
    if SPEC_KEY in file.metadata:
        try:
            return ModelSpec.from_json(file.metadata[SPEC_KEY])
        except CheckpointError as error:
            raise CheckpointError(f"{file.path}: {error}") from error
    shapes = {
        component: {name: file.shapes[there] for name, there in part.names.items()} for component, part in parts.items()
    }
    try:
        spec = dataclasses.replace(
            SD1,
            unet=unet_spec(shapes["unet"]) if "unet" in shapes else SD1.unet,
            autoencoder=autoencoder_spec(shapes["autoencoder"]) if "autoencoder" in shapes else SD1.autoencoder,
            text=text_spec(shapes["text"]) if "text" in shapes else SD1.text,
        )
    except CheckpointError as error:
        raise CheckpointError(f"{file.path} is no Stable Diffusion 1 model: {error}") from error
    declared = file.metadata.get(_PREDICTION_KEY, "epsilon")
    if declared not in _DECLARED:
        raise CheckpointError(f'{file.path}: {_PREDICTION_KEY} is "{declared}".{nearest(declared, _DECLARED)}')
    if V_PREDICTION_MARK in file.shapes or _DECLARED[declared] == "v_prediction":
        spec = dataclasses.replace(spec, prediction="v_prediction")
    if ZERO_SNR_MARK in file.shapes:
        schedule = dataclasses.replace(spec.noise_schedule, zero_terminal_snr=True)
        spec = dataclasses.replace(spec, noise_schedule=schedule, default_schedule="trailing")
    return spec


Shapes = dict[str, tuple[int, ...]]


def _dim(shapes: Shapes, name: str, dim: int) -> int:
    if name not in shapes or len(shapes[name]) <= dim:
        raise CheckpointError(f'it lacks the tensor "{name}".')
    return shapes[name][dim]


def _count(shapes: Shapes, template: str) -> int:
    """How many of the names "template" with {} = 0, 1, 2, ... there are."""
    n = 0
    while template.format(n) in shapes:
        n += 1
    return n


def unet_spec(shapes: Shapes) -> UNetSpec:
    """A U-Net's spec from its tensors' names (LDM's, no prefix) and shapes, which do not tell heads: `NUM_HEADS`."""
    levels: list[UNetLevel] = []
    blocks: list[tuple[int, int]] = []  # channels and transformer depth of each block since the last downsampling

    def close_level() -> None:
        if len(set(blocks)) != 1:
            raise CheckpointError(f"level {len(levels)} of its U-Net has blocks of different kinds.")
        channels, depth = blocks[0]
        levels.append(
            UNetLevel(channels=channels, num_blocks=len(blocks), transformer_depth=depth, num_heads=NUM_HEADS)
        )
        blocks.clear()

    n = 1
    while True:
        if f"input_blocks.{n}.0.out_layers.3.weight" in shapes:
            channels = shapes[f"input_blocks.{n}.0.out_layers.3.weight"][0]
            blocks.append((channels, _count(shapes, f"input_blocks.{n}.1.transformer_blocks.{{}}.norm1.weight")))
        elif f"input_blocks.{n}.0.op.weight" in shapes:
            close_level()
        else:
            break
        n += 1
    close_level()
    context = next((shape[1] for name, shape in shapes.items() if name.endswith(".attn2.to_k.weight")), None)
    if context is None:
        raise CheckpointError("its U-Net has no attention to a text.")
    return UNetSpec(
        levels=tuple(levels),
        mid_transformer_depth=_count(shapes, "middle_block.1.transformer_blocks.{}.norm1.weight"),
        context_dim=context,
        in_channels=_dim(shapes, "input_blocks.0.0.weight", 1),
        out_channels=_dim(shapes, "out.2.weight", 0),
        linear_projection=len(shapes.get("middle_block.1.proj_in.weight", ())) == 2,
    )


def autoencoder_spec(shapes: Shapes) -> AutoencoderSpec:
    """An autoencoder's spec from its tensors' names (LDM's, no prefix) and shapes."""
    num_levels = _count(shapes, "encoder.down.{}.block.0.conv1.weight")
    return AutoencoderSpec(
        level_channels=tuple(_dim(shapes, f"encoder.down.{i}.block.0.conv1.weight", 0) for i in range(num_levels)),
        num_blocks=_count(shapes, "encoder.down.0.block.{}.conv1.weight"),
        latent_channels=_dim(shapes, "decoder.conv_in.weight", 1),
    )


def text_spec(shapes: Shapes) -> ClipTextSpec:
    """A text encoder's spec from its tensors' names (today's, no prefix) and shapes."""
    width = _dim(shapes, "text_model.embeddings.token_embedding.weight", 1)
    if width % HEAD_DIM:
        raise CheckpointError(
            f"its text encoder is {width} wide; CLIP's are a multiple of {HEAD_DIM}, the width of a head."
        )
    return ClipTextSpec(
        width=width,
        num_layers=_count(shapes, "text_model.encoder.layers.{}.layer_norm1.weight"),
        num_heads=width // HEAD_DIM,
        vocab_size=_dim(shapes, "text_model.embeddings.token_embedding.weight", 0),
        max_tokens=_dim(shapes, "text_model.embeddings.position_embedding.weight", 0),
    )
