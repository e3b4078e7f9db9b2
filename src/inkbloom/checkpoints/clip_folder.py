"""CLIP on disk: transformers' `CLIPModel` folder with its tokenizer; and a text encoder, wherever it lies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from inkbloom.checkpoints.diffusers_config import text_config
from inkbloom.checkpoints.diffusers_folder import TEXT_FIXED, Config, open_weights, read_text_spec
from inkbloom.checkpoints.keymap import clip_rows, renamed
from inkbloom.checkpoints.loading import fill, load
from inkbloom.checkpoints.saving import write_safetensors
from inkbloom.checkpoints.source import Part
from inkbloom.checkpoints.writing import write_whole
from inkbloom.models.clip import Clip, ClipSpec, ClipVisionSpec
from inkbloom.models.clip_text import ClipText
from inkbloom.text.tokenizer import Tokenizer

_FIXED: dict[str, tuple[Any, ...]] = {"model_type": ("clip",)}
_VISION_FIXED: dict[str, tuple[Any, ...]] = {
    "layer_norm_eps": (1e-5,),
    "model_type": ("clip_vision_model",),
    "num_channels": (3,),
}
_LEFTOVERS = re.compile(r"(text|vision)_model\.embeddings\.position_ids")


def save_clip(
    folder: str | Path,
    clip: Clip,
    tokenizer: Tokenizer,
    *,
    dtype: torch.dtype | None = None,
    metadata: Mapping[str, str],
) -> None:
    """Write what transformers' `CLIPModel`, `CLIPTextModel` and `CLIPTokenizer` open; an older CLIP is replaced.

    Its `preprocessor_config.json` says that pictures come in [-1, 1]: mean and deviation 0.5, not OpenAI's. `dtype`
    None keeps each tensor's own. `metadata` goes into the tensors' file. Raises `OutputError`, `RequestError` for a
    dtype.
    """
    folder = Path(folder)
    state = clip.state_dict()
    theirs = renamed(clip_rows(clip.spec), "diffusers", state)
    tensors = {theirs[ours]: tensor for ours, tensor in state.items()} | {"logit_scale": clip.logit_scale.squeeze()}
    configs = {"config.json": _config(clip, tokenizer), "preprocessor_config.json": _preprocessor(clip.spec.vision)}

    def write(place: Path) -> None:
        place.mkdir()
        for name, config in configs.items():
            (place / name).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        tokenizer.save(place, length=clip.spec.text.max_tokens)
        write_safetensors(place / "model.safetensors", tensors, dtype=dtype, metadata=metadata)

    write_whole(folder, write)


def load_clip(folder: str | Path) -> tuple[Clip, Tokenizer]:
    """Open a `CLIPModel` folder. Its tower takes pictures normed as the folder's `preprocessor_config.json` says.

    Raises `CheckpointError` for what is missing, or for a field that we cannot follow.
    """
    folder = Path(folder)
    config = Config(folder / "config.json", _FIXED)
    vision = config.part("vision_config", _VISION_FIXED)
    width = vision.integer("hidden_size")
    if vision.integer("intermediate_size") != 4 * width:
        raise vision.wrong("intermediate_size", f"4 times hidden_size, {4 * width}")
    activation = vision.choose("hidden_act", ("quick_gelu", "gelu"))
    tokenizer = Tokenizer.from_folder(folder)
    spec = ClipSpec(
        text=read_text_spec(config.part("text_config", TEXT_FIXED)),
        vision=ClipVisionSpec(
            image_size=vision.integer("image_size"),
            patch_size=vision.integer("patch_size"),
            width=width,
            num_layers=vision.integer("num_hidden_layers"),
            num_heads=vision.integer("num_attention_heads"),
            activation="gelu" if activation == "gelu" else "quick_gelu",
        ),
        embedding_dim=config.integer("projection_dim"),
        end_token=tokenizer.eos_id,
    )
    with torch.device("meta"):
        clip = Clip(spec)
    file = open_weights(folder, "text")
    theirs = renamed(clip_rows(spec), "diffusers", clip.state_dict())
    fill(clip, theirs, Part(file, {name: name for name in file.shapes}), leftovers=_LEFTOVERS, label="CLIP model")
    return clip, tokenizer


def load_text_encoder(path: str | Path) -> tuple[ClipText, Tokenizer]:
    """The text encoder and tokenizer of a `CLIPModel` folder or of any Stable Diffusion model. As `load` raises."""
    path = Path(path)
    if (path / "config.json").is_file():
        clip, tokenizer = load_clip(path)
        return clip.text, tokenizer
    model = load(path, components=["text"])
    assert model.text is not None
    assert model.tokenizer is not None
    return model.text, model.tokenizer


def _config(clip: Clip, tokenizer: Tokenizer) -> dict[str, Any]:
    spec, vision = clip.spec, clip.spec.vision
    return {
        "architectures": ["CLIPModel"],
        "logit_scale_init_value": clip.logit_scale.item(),
        "model_type": "clip",
        "projection_dim": spec.embedding_dim,
        "text_config": text_config(spec.text, tokenizer) | {"projection_dim": spec.embedding_dim},
        "vision_config": {
            "attention_dropout": 0.0,
            "hidden_act": vision.activation,
            "hidden_size": vision.width,
            "image_size": vision.image_size,
            "intermediate_size": 4 * vision.width,
            "layer_norm_eps": 1e-5,
            "model_type": "clip_vision_model",
            "num_attention_heads": vision.num_heads,
            "num_channels": 3,
            "num_hidden_layers": vision.num_layers,
            "patch_size": vision.patch_size,
            "projection_dim": spec.embedding_dim,
        },
    }


def _preprocessor(vision: ClipVisionSpec) -> dict[str, Any]:
    side = vision.image_size
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "crop_size": {"height": side, "width": side},
        "size": {"shortest_edge": side},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 3,
        "rescale_factor": 1 / 255,
    }
