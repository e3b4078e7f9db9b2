"""Files that steer a U-Net, told apart by the names of their tensors; nothing is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from inkbloom.checkpoints.control.keymap import LDM_PREFIX
from inkbloom.checkpoints.diffusers_folder import Config, open_weights
from inkbloom.checkpoints.foreign import kind_by_names, missing
from inkbloom.checkpoints.keymap import Layout
from inkbloom.checkpoints.pickles import read_pickle
from inkbloom.checkpoints.source import Part
from inkbloom.checkpoints.tensors import TensorFile, open_tensors
from inkbloom.core.errors import CheckpointError

ControlKind = Literal["ControlNet", "T2I-Adapter", "IP-Adapter"]

# (what it is, whether it is ours, the layout, a name that only such files have), without `control_model.`
_SIGNS: list[tuple[str, ControlKind | None, Layout, str]] = [
    ("a Control-LoRA", None, "ldm", "lora_controlnet"),
    ("a ControlNet Union", None, "diffusers", "control_add_embedding.linear_1.bias"),
    ("a ControlNet-LLLite", None, "ldm", "lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.down.0.weight"),
    ("a ControlNet", "ControlNet", "ldm", "input_hint_block.0.weight"),
    ("a ControlNet", "ControlNet", "diffusers", "controlnet_cond_embedding.conv_in.weight"),
    ("a T2I-Adapter", "T2I-Adapter", "ldm", "body.0.block1.weight"),
    ("a light T2I-Adapter", "T2I-Adapter", "ldm", "body.0.body.0.block1.weight"),
    ("a T2I-Adapter", "T2I-Adapter", "diffusers", "adapter.body.0.resnets.0.block1.weight"),
    ("an IP-Adapter Plus", None, "ldm", "image_proj.latents"),
    ("an IP-Adapter for faces", None, "ldm", "image_proj.proj.0.weight"),
    ("an IP-Adapter", "IP-Adapter", "ldm", "image_proj.proj.weight"),
]
_ALLOWED = "plain ControlNets, T2I-Adapters and IP-Adapters"
_IP_PARTS = ("image_proj", "ip_adapter")
"""Dictionaries of their own in pickled IP-Adapters."""
_DIFFERENCE = "difference"
"""The mark of files whose tensors are to be added to the U-Net's."""


@dataclass(frozen=True)
class ControlFile:
    """A control network on disk, opened but not read."""

    path: Path
    kind: ControlKind
    layout: Layout
    part: Part
    config: dict[str, Any]
    """diffusers' configuration, where the file came with one."""
    is_difference: bool


def open_control(path: str | Path) -> ControlFile:
    """Open a single file or a diffusers folder of one network.

    Raises `CheckpointError` where it is missing, damaged, something else (it says what), or of a kind that cannot be
    used yet.
    """
    path = Path(path)
    if not path.exists():
        raise missing(path)
    config: dict[str, Any] = {}
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise CheckpointError(f"{path} is a folder without config.json, so no ControlNet or adapter of diffusers.")
        config = Config(path / "config.json", {}).values
        file = open_weights(path, "unet")  # whose files are named alike
    else:
        file = open_tensors(path)
        if set(file.top_level) >= set(_IP_PARTS):
            file = _open_nested(path)
    prefix = LDM_PREFIX if any(name.startswith(LDM_PREFIX) for name in file.shapes) else ""
    names = {name.removeprefix(prefix): name for name in file.shapes if name.startswith(prefix)}
    for what, kind, layout, sign in _SIGNS:
        if sign in names:
            if kind is None:
                raise CheckpointError(f"{path} is {what}, which cannot be used yet; allowed are {_ALLOWED}.")
            is_difference = _DIFFERENCE in (*file.shapes, *file.top_level)
            names.pop(_DIFFERENCE, None)
            return ControlFile(path, kind, layout, Part(file, names), config, is_difference)
    what = kind_by_names(file.shapes) or "a file of other tensors"
    raise CheckpointError(f"{path} is {what}, not a ControlNet, T2I-Adapter or IP-Adapter.")


def _open_nested(path: Path) -> TensorFile:
    content = read_pickle(path)
    tensors = {f"{part}.{name}": tensor for part in _IP_PARTS for name, tensor in dict(content[part]).items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return TensorFile(path, shapes, lambda name: tensors.pop(name).detach())
