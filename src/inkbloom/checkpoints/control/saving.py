"""Writing a ControlNet so that other programs open it: one file in the original layout, or a diffusers folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inkbloom.checkpoints.control.keymap import LDM_PREFIX, controlnet_rows
from inkbloom.checkpoints.diffusers_config import VERSION, unet_config
from inkbloom.checkpoints.keymap import Layout, renamed
from inkbloom.checkpoints.saving import write_safetensors
from inkbloom.checkpoints.writing import write_whole
from inkbloom.core.errors import RequestError
from inkbloom.models.controlnet import ControlNet, ControlNetSpec

# Fields of a U-Net's configuration that a ControlNet's has not
_UP = (
    "center_input_sample",
    "mid_block_scale_factor",
    "mid_block_type",
    "out_channels",
    "sample_size",
    "up_block_types",
)


def save_controlnet(
    path: str | Path,
    control: ControlNet,
    *,
    dtype: torch.dtype | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write one `.safetensors` file in the original layout (`control_model.*`), as A1111 and ComfyUI read it.

    `dtype` None keeps the network's. Raises `OutputError` where it cannot be written, `RequestError` for another
    ending or dtype.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise RequestError(f'A ControlNet is saved as .safetensors, not as "{path.suffix}" ({path}).')
    tensors = {LDM_PREFIX + name: tensor for name, tensor in _tensors(control, "ldm").items()}
    write_whole(path, lambda place: write_safetensors(place, tensors, dtype=dtype, metadata=metadata))


def save_controlnet_folder(
    folder: str | Path,
    control: ControlNet,
    *,
    dtype: torch.dtype | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a folder that diffusers' `ControlNetModel.from_pretrained` opens; an older ControlNet there is replaced.

    Raises `OutputError` where it cannot be written, `RequestError` for a dtype or a spec that diffusers has no words
    for.
    """
    config = controlnet_config(control.control_spec)
    tensors = _tensors(control, "diffusers")

    def write(place: Path) -> None:
        place.mkdir()
        (place / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        file = place / "diffusion_pytorch_model.safetensors"
        write_safetensors(file, tensors, dtype=dtype, metadata=metadata)

    write_whole(Path(folder), write)


def controlnet_config(spec: ControlNetSpec) -> dict[str, Any]:
    """diffusers' configuration; `RequestError` for what it cannot say."""
    blocks = sorted({level.num_blocks for level in spec.unet.levels})
    if len(blocks) > 1:
        raise RequestError(f"diffusers' ControlNets have the same number of blocks in all levels, not {blocks}.")
    fields = {name: value for name, value in unet_config(spec.unet, latent_size=0).items() if name not in _UP}
    return fields | {
        "_class_name": "ControlNetModel",
        "_diffusers_version": VERSION,
        "conditioning_channels": spec.hint_in_channels,
        "conditioning_embedding_out_channels": list(spec.hint_channels),
        "controlnet_conditioning_channel_order": "rgb",
        "global_pool_conditions": spec.global_pool,
    }


def _tensors(control: ControlNet, layout: Layout) -> dict[str, Tensor]:
    state = control.state_dict()
    theirs = renamed(controlnet_rows(control.control_spec), layout, state)
    return {theirs[ours]: tensor for ours, tensor in state.items()}
