"""Files that are not a model of ours, called by their name: told by their first bytes, then by their tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from inkbloom.core.errors import CheckpointError, nearest

ALLOWED = "a model is a Stable Diffusion 1 file (.safetensors, .ckpt) or a diffusers folder"

_MODEL_SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")


def refuse(path: Path, what: str) -> CheckpointError:
    """The error for a file that is plainly something else."""
    return CheckpointError(f"{path} is {what}, which inkbloom cannot use as a model; {ALLOWED}.")


def missing(path: Path) -> CheckpointError:
    """The error for a path where nothing is, with the names next to it that may have been meant."""
    message = f"There is no model at {path}."
    if path.parent.is_dir():
        beside = [
            p.name for p in path.parent.iterdir() if p.suffix in _MODEL_SUFFIXES or (p / "model_index.json").is_file()
        ]
        message += nearest(path.name, beside) if beside else f" {path.parent.resolve()} holds no models."
    return CheckpointError(message)


def check_first_bytes(path: Path) -> Literal["safetensors", "pickle"]:
    """How the file is read, told by its beginning; `CheckpointError` says what it is where it is no file of tensors."""
    if not path.exists():
        raise missing(path)
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    if not head:
        raise CheckpointError(f"{path} is empty (0 bytes); the download or copy failed.")
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise CheckpointError(f"{path} is a web page, not a model; the download needs a login or another address.")
    if text.startswith(b"version https://git-lfs"):
        raise CheckpointError(f'{path} is a git-lfs pointer, not the model itself; "git lfs pull" fetches it.')
    if head.startswith(b"GGUF"):
        raise refuse(path, "a GGUF file (quantised weights)")
    if head.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return "pickle"
    if head[8:9] == b"{":
        return "safetensors"
    if path.suffix == ".safetensors":
        raise CheckpointError(f"{path} is damaged: it does not begin with the header of a safetensors file.")
    raise refuse(path, f"no file of tensors (it begins with {head[:8]!r})")


def check_folder(path: Path) -> None:
    """Say what a folder without `model_index.json` lacks."""
    if (path / "model_index.json").is_file():
        return
    if (path / "adapter_config.json").is_file():
        raise refuse(path, "a LoRA (a PEFT folder)")
    if (path / "config.json").is_file() and (path.parent / "model_index.json").is_file():
        raise CheckpointError(f"{path} is one part of a model; give the whole folder {path.parent}.")
    files = [p.name for p in path.iterdir() if p.suffix in _MODEL_SUFFIXES]
    inside = f" It holds the files {', '.join(sorted(files)[:3])}; give one of them." if files else ""
    raise CheckpointError(f"{path} is a folder without model_index.json, so not a diffusers model.{inside}")


def _has(pattern: str) -> Callable[[list[str]], bool]:
    compiled = re.compile(pattern)
    return lambda names: any(compiled.search(name) for name in names)


_EMBEDDING = "a textual-inversion embedding"
_MOST_VECTORS, _WIDTH_STEP = 75, 64
"""Of an embedding: what a prompt holds, and what the widths of CLIP's text encoders are multiples of."""

# What a file is, told by the first of these that one of its names fits.
_KINDS: list[tuple[str, Callable[[list[str]], bool]]] = [
    (
        "a LoRA (or another adapter of that kind)",
        _has(
            r"\.lora_(down|up|A|B|linear_layer)\b|[._]lora\.(down|up)\."
            r"|\.(hada_w1|lokr_w1|oft_blocks|oft_diag|dora_scale)|^bundle_emb\."
            # (IA)^3, GLoRA, whole differences, and ComfyUI's
            r"|\.(on_input|[ab][12]\.weight|diff|diff_b|w_norm|b_norm|set_weight|reshape_weight)$"
        ),
    ),
    (_EMBEDDING, _has(r"^(string_to_param|emb_params|clip_l|clip_g)$")),
    ("a ControlNet", _has(r"^(control_model\.|controlnet_cond_embedding\.|input_hint_block\.)")),
    ("a Flux model", _has(r"(^|\.)double_blocks\.0\.")),
    ("a Stable Diffusion 3 model", _has(r"(^|\.)joint_blocks\.0\.")),
    ("a Stable Diffusion XL refiner", _has(r"^conditioner\.embedders\.0\.model\.")),
    ("a Stable Diffusion XL model", _has(r"^conditioner\.embedders\.|^(model\.diffusion_model\.)?label_emb\.0\.")),
    ("a Stable Diffusion 2 model", _has(r"^cond_stage_model\.model\.")),
    ("an AltDiffusion model", _has(r"^cond_stage_model\.roberta\.")),
    ("a latent diffusion text2img-large model", _has(r"^cond_stage_model\.transformer\.(token_emb|attn_layers)\.")),
    ("a U-Net of a diffusers folder, without its config", _has(r"^down_blocks\.0\.(resnets|attentions)\.0\.")),
    ("an autoencoder of a diffusers folder, without its config", _has(r"^encoder\.down_blocks\.0\.")),
    ("a hypernetwork", lambda names: {"768", "320"} <= set(names)),
    (
        "an upscaler",
        _has(r"^(params_ema\.|params\.)?(conv_first\.|RRDB_trunk\.|model\.0\.weight$|model\.1\.sub\.)|^params_ema$"),
    ),
]


def kind_by_names(shapes: Mapping[str, tuple[int, ...] | None]) -> str | None:
    """What a file with tensors of these names is, where that is something else than a Stable Diffusion 1 file.

    A lone tensor under a word, such as diffusers' "<cat-toy>", is an embedding if it has the shape of one; None stands
    for a shape that is not known.
    """
    names = list(shapes)
    found = next((kind for kind, fits in _KINDS if fits(names)), None)
    if found is None and len(names) == 1 and "." not in names[0] and _like_embedding(shapes[names[0]]):
        return _EMBEDDING
    return found


def _like_embedding(shape: tuple[int, ...] | None) -> bool:
    if shape is None:
        return True
    *count, width = shape or (0,)
    return len(count) < 2 and math.prod(count) in range(1, _MOST_VECTORS + 1) and width > 0 and width % _WIDTH_STEP == 0
