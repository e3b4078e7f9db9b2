"""How a model gets to disk: whole or not at all, and one tensor in memory at a time.

A safetensors file begins with the places of all tensors, which follow from their precisions and shapes alone; so they
can be worked out one by one while they are written. (The library's own writer takes them all at once and orders the
metadata at random.)
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inkbloom.core.errors import CheckpointError, OutputError

DTYPES: dict[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The format's names of precisions, and PyTorch's."""

_NAMES = {dtype: name for name, dtype in DTYPES.items()}

OnProgress = Callable[[int, int], None]
"""Called with (tensors done, tensors in all)."""


@dataclass(frozen=True)
class Planned:
    """A tensor to be written: what the header says of it, and how it is made when its turn comes."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    make: Callable[[], Tensor]
    """A tensor of this shape; of another precision, it is cast."""


def write_planned(
    path: Path,
    plan: Mapping[str, Planned],
    *,
    metadata: Mapping[str, str],
    on_progress: OnProgress | None = None,
) -> None:
    """Write a safetensors file, each tensor made, cast and let go in turn; the same tensors give the same bytes.

    `CheckpointError` names a tensor whose finite numbers overflow in a smaller precision.
    """
    # Wide types first, so that every tensor starts at a multiple of its items' size
    order = sorted(plan, key=lambda name: (-plan[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt", **metadata}}
    end = 0
    for name in order:
        planned = plan[name]
        start, end = end, end + torch.Size(planned.shape).numel() * planned.dtype.itemsize
        header[name] = {"dtype": _NAMES[planned.dtype], "shape": list(planned.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for done, name in enumerate(order, 1):
            tensor = cast(plan[name].make(), plan[name].dtype, name)
            assert tensor.shape == plan[name].shape, name
            file.write(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
            if on_progress:
                on_progress(done, len(order))


def cast(tensor: Tensor, dtype: torch.dtype, name: str) -> Tensor:
    """The tensor in another precision; `CheckpointError` where its finite numbers do not fit."""
    result = tensor.detach().to("cpu", dtype)
    if dtype in (torch.float16, torch.float8_e4m3fn, torch.float8_e5m2) and tensor.dtype != dtype:
        lost = tensor.isfinite() & ~result.float().isfinite()
        if lost.any():
            largest = tensor[lost].abs().max().item()
            raise CheckpointError(f'"{name}" has numbers as large as {largest:g}, which do not fit {_NAMES[dtype]}.')
    return result


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file or folder under a temporary name, then put it at `path`; a failure leaves nothing.

    A model that is already there is replaced, and stays until the new one is complete; any other folder is left alone.
    Raises `OutputError`.
    """
    if path.is_dir() and any(path.iterdir()) and not _is_model(path):
        raise OutputError(f"{path} is a folder with other things in it; give a new name, or that of an older model.")
    temporary, older = (path.with_name(f".{path.name}.{os.getpid()}.{kind}") for kind in ("new", "old"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(temporary)
            _put(temporary, path, older)
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary)
            else:
                temporary.unlink(missing_ok=True)
    except (OSError, RuntimeError, OutputError) as error:
        # torch.save says RuntimeError where the disk is full.
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0]
        raise OutputError(f"{path} cannot be written: {reason.rstrip('.')}.") from error


def _is_model(folder: Path) -> bool:
    """Whether it holds a whole model, or one network by itself, in diffusers' or transformers' layout."""
    if (folder / "model_index.json").is_file():
        return True
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def _put(temporary: Path, path: Path, older: Path) -> None:
    """Rename; a folder that is not empty cannot be replaced in one step, and waits as `older` for the second."""
    if not path.is_dir():
        temporary.replace(path)
        return
    path.rename(older)
    try:
        temporary.replace(path)
    except BaseException:
        older.rename(path)
        raise
    shutil.rmtree(older)
