"""Whole models as files, after their training."""

from collections.abc import Mapping
from pathlib import Path

import torch

from inkbloom.checkpoints import LoadedModel, save_diffusers, save_ldm
from inkbloom.checkpoints.streaming import SINGLE_FILES
from inkbloom.training.finetune import Finetuning


def save_model(
    path: str | Path,
    trainee: Finetuning,
    metadata: Mapping[str, str] | None = None,
    *,
    dtype: torch.dtype | None = None,
) -> LoadedModel:
    """Write the model as it is now: a .safetensors or .ckpt file in the LDM layout, else a diffusers folder.

    The average's weights are written where they are in the networks, as within `averaged`. `dtype` None keeps each
    tensor's own, float32 for what was trained. `metadata` goes into the file, or into the headers of the folder's
    files. Written aside, then renamed. Returns what was written, with its spec. Raises `OutputError` where it cannot be
    written, `RequestError` for another ending or dtype, or where the base lacks a network that a folder needs.
    """
    path = Path(path)
    in_one = path.suffix in SINGLE_FILES
    model = trainee.result(path.stem if in_one else path.name, path)
    save = save_ldm if in_one else save_diffusers
    save(path, model, dtype=dtype, metadata=metadata)
    return model
