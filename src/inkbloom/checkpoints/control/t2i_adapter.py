"""Opening a T2I-Adapter, full or light, in the original layout (TencentARC's) or in diffusers'."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import torch

from inkbloom.checkpoints.control.opening import ControlFile, open_control
from inkbloom.checkpoints.keymap import Row, renamed
from inkbloom.checkpoints.loading import fill
from inkbloom.core.errors import CheckpointError
from inkbloom.families.spec import ModelSpec
from inkbloom.models.t2i_adapter import T2IAdapter, T2IAdapterSpec

_NONE = re.compile(r"(?!)")


def load_t2i_adapter(source: str | Path | ControlFile, model: ModelSpec) -> T2IAdapter:
    """The adapter in a file or diffusers folder, for a model of this spec; on the CPU, in the file's precision.

    Raises `CheckpointError` for a file that cannot be read, is something else or is for another model.
    """
    file = source if isinstance(source, ControlFile) else open_control(source)
    if file.kind != "T2I-Adapter":
        raise CheckpointError(f"{file.path} holds another kind of control ({file.kind}), not a T2I-Adapter.")
    spec = _read_spec(file, model)
    with torch.device("meta"):
        adapter = T2IAdapter(spec)
    theirs = renamed(t2i_rows(spec), file.layout, adapter.state_dict())
    fill(adapter, theirs, file.part, leftovers=_NONE, label="T2I-Adapter for such a model")
    return adapter.requires_grad_(False)


def _read_spec(file: ControlFile, model: ModelSpec) -> T2IAdapterSpec:
    """The blocks and input channels as the file has them; the levels as the model."""
    first_level = r"(adapter\.)?body\.0\.(resnets|body)\.(\d+)\.block1\.weight"
    light = any(name.endswith("body.0.out_conv.weight") for name in file.part.names)
    downscale = model.autoencoder.downscale
    first = "body.0.in_conv.weight" if light else "conv_in.weight"
    folded = next((file.part.shape(name)[1] for name in file.part.names if name.endswith(first)), 0)
    if file.layout == "ldm" and not light:
        # The blocks of all levels in one row
        blocks = sum(bool(re.fullmatch(r"body\.\d+\.block1\.weight", name)) for name in file.part.names)
        blocks //= len(model.unet.levels)
    else:
        blocks = sum(bool(re.fullmatch(first_level, name)) for name in file.part.names)
    return T2IAdapterSpec(
        level_channels=tuple(level.channels for level in model.unet.levels),
        num_blocks=blocks,
        hint_in_channels=folded // downscale**2,
        light=light,
        downscale=downscale,
    )


def t2i_rows(spec: T2IAdapterSpec) -> Iterator[Row]:
    """The original layout counts the blocks of a full adapter in one row; a light one's are nested in both."""
    yield Row("conv_in", "conv_in", "adapter.conv_in")
    for i in range(len(spec.level_channels)):
        level = f"body.{i if spec.light else spec.num_blocks * i}"
        for name, theirs in (("conv_in", "in_conv"), ("conv_out", "out_conv")):
            yield Row(f"levels.{i}.{name}", f"{level}.{theirs}", f"adapter.body.{i}.{theirs}")
        for j in range(spec.num_blocks):
            block = f"{level}.body.{j}" if spec.light else f"body.{spec.num_blocks * i + j}"
            for k in (1, 2):
                theirs = f"adapter.body.{i}.resnets.{j}.block{k}"
                yield Row(f"levels.{i}.blocks.{j}.conv{k}", f"{block}.block{k}", theirs)
