"""Tensors from file to file, one in memory at a time.

`load` maps files into memory; mapped pages count as the process's own until the system wants them back. A tool that
goes through gigabytes therefore reads each tensor into memory of its own and lets it go.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from inkbloom.checkpoints.foreign import check_first_bytes
from inkbloom.checkpoints.tensors import TensorFile
from inkbloom.checkpoints.writing import DTYPES, write_whole
from inkbloom.core.errors import CheckpointError, OutputError, RequestError, nearest

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""Those that a model can be written in."""

SINGLE_FILES = (".safetensors", ".ckpt")
"""The endings of models in one file that are written."""


class TensorReader:
    """The tensors of an opened file, each read when it is asked for, as often as it is.

    Those of a pickle and of shards stay mapped, and are in memory where the pickle is no ZIP archive. `CheckpointError`
    for a precision that is not among `DTYPES`.
    """

    def __init__(self, file: TensorFile) -> None:
        self.path = file.path
        self._mapped: dict[str, Tensor] = {}
        self._starts: dict[str, int] = {}
        self.shapes = file.shapes
        if file.path.suffix != ".json" and check_first_bytes(file.path) == "safetensors":  # no index of shards
            self.dtypes = self._read_header()
        else:
            self._mapped = {name: file.take(name) for name in file.shapes}
            self.dtypes = {name: tensor.dtype for name, tensor in self._mapped.items()}
            strange = next((name for name, dtype in self.dtypes.items() if dtype not in DTYPES.values()), None)
            if strange is not None:
                raise self._unknown(strange, str(self.dtypes[strange]))

    def _read_header(self) -> dict[str, torch.dtype]:
        """Note where each tensor begins; `open_tensors` has already looked whether all that is sound."""
        with self.path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        strange = next((name for name, entry in header.items() if entry["dtype"] not in DTYPES), None)
        if strange is not None:
            raise self._unknown(strange, header[strange]["dtype"])
        self._starts = {name: 8 + length + entry["data_offsets"][0] for name, entry in header.items()}
        return {name: DTYPES[entry["dtype"]] for name, entry in header.items()}

    def _unknown(self, name: str, dtype: str) -> CheckpointError:
        return CheckpointError(f'{self.path}: "{name}" is stored as {dtype}; known are {", ".join(DTYPES)}.')

    def read(self, name: str) -> Tensor:
        if name in self._mapped:
            return self._mapped[name]
        dtype, shape = self.dtypes[name], self.shapes[name]
        content = bytearray(torch.Size(shape).numel() * dtype.itemsize)
        if not content:
            return torch.empty(shape, dtype=dtype)
        with self.path.open("rb") as file:
            file.seek(self._starts[name])
            if file.readinto(content) < len(content):
                raise CheckpointError(f'{self.path} was cut short while it was read, at "{name}".')
        return torch.frombuffer(content, dtype=torch.uint8).view(dtype).reshape(shape)


def choose_precision(name: str | None) -> torch.dtype | None:
    """The precision of this name, None for None; `RequestError` with the nearest ones otherwise."""
    if name is not None and name not in PRECISIONS:
        raise RequestError(f'Unknown precision "{name}".{nearest(name, PRECISIONS)}')
    return None if name is None else PRECISIONS[name]


def refuse_existing(target: Path, sources: Iterable[Path], *, overwrite: bool) -> None:
    """`OutputError` where a model is there already, or a YAML that would be taken for its configuration.

    One that is the configuration of a source may stay: it is right for the result too.
    """
    beside = target.with_suffix(".yaml")
    in_the_way = [target]
    if target.suffix in SINGLE_FILES and beside not in [source.with_suffix(".yaml") for source in sources]:
        in_the_way.append(beside)
    there = next((path for path in in_the_way if path.exists()), None)
    if there is not None and not overwrite:
        raise OutputError(f"{there} is there already; give another name, or overwrite it.")


def copy_whole(source: Path, target: Path) -> None:
    """Copy a small file so that the copy is complete or not there; `OutputError` where it cannot be written."""

    def write(place: Path) -> None:
        place.write_bytes(source.read_bytes())

    write_whole(target, write)
