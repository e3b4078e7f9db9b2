"""Tensors in files, seen before they are read: names and shapes first, each tensor when it is asked for."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
from torch import Tensor

from inkbloom.checkpoints.foreign import check_first_bytes
from inkbloom.checkpoints.pickles import read_pickle
from inkbloom.core.errors import CheckpointError

_LONGEST_HEADER = 100_000_000  # bytes; the format's own limit


@dataclass(frozen=True)
class TensorFile:
    """The tensors of one file, or of the shards of one model."""

    path: Path
    shapes: dict[str, tuple[int, ...]]
    take: Callable[[str], Tensor]
    """Hand over one tensor, on the CPU, mapped into memory where the format allows; each can be taken once."""
    metadata: dict[str, str] = field(default_factory=dict)
    """What the writer said beside the tensors."""
    top_level: tuple[str, ...] = ()
    """The names in the outermost dictionary of a pickle, by which some foreign files are told."""


def open_tensors(path: Path) -> TensorFile:
    """Open a `.safetensors` file or a pickle of PyTorch's (told by content, not by name) and read its header.

    Raises `CheckpointError` where it is missing, damaged or of another kind, `UnsafeCheckpointError` where it could
    run code.
    """
    if check_first_bytes(path) == "safetensors":
        return _open_safetensors(path)
    return _open_pickle(path)


def join(files: Iterable[TensorFile], path: Path) -> TensorFile:
    """The shards of one model as one file."""
    owner: dict[str, TensorFile] = {}
    for file in files:
        twice = next((name for name in file.shapes if name in owner), None)
        if twice is not None:
            raise CheckpointError(f'"{twice}" is in two shards: {owner[twice].path} and {file.path}.')
        owner |= dict.fromkeys(file.shapes, file)
    return TensorFile(
        path, {name: file.shapes[name] for name, file in owner.items()}, lambda name: owner[name].take(name)
    )


def _open_safetensors(path: Path) -> TensorFile:
    header = _read_header(path)
    metadata = header.pop("__metadata__", {})
    try:
        shapes = {name: tuple(entry["shape"]) for name, entry in header.items()}
        handle = safetensors.safe_open(path, framework="pt", device="cpu")
    except (safetensors.SafetensorError, KeyError, TypeError, OSError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from error
    return TensorFile(path, shapes, handle.get_tensor, metadata)


def _read_header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file: eight bytes of its length, then itself; the tensors' bytes follow."""
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > _LONGEST_HEADER:
            raise CheckpointError(f"{path} is damaged: its header says that it is {length:,} bytes long.")
        text = file.read(length)
    if len(text) < length:
        raise CheckpointError(f"{path} is truncated: its header alone has {length:,} bytes, the file {size:,}.")
    try:
        header = json.loads(text)
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise CheckpointError(f"{path} is damaged: its header cannot be read ({error}).") from error
    promised = 8 + length + max(ends, default=0)
    if size < promised:
        raise CheckpointError(f"{path} is truncated: it should have {promised:,} bytes and has {size:,}.")
    return header


def _open_pickle(path: Path) -> TensorFile:
    content = read_pickle(path)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}; a model is a dictionary of tensors.")
    nested = content.get("state_dict", content)
    if not isinstance(nested, dict):
        raise CheckpointError(
            f'{path} holds a "state_dict" that is a {type(nested).__name__}; it must be a dictionary of tensors.'
        )
    tensors = {str(name): value for name, value in nested.items() if isinstance(value, Tensor)}
    metadata = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, str)}
    shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    del nested
    top_level = tuple(map(str, content))
    content.clear()
    return TensorFile(path, shapes, lambda name: tensors.pop(name).detach(), metadata, top_level)
