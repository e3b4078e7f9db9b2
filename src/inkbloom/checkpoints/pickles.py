"""Reading `.ckpt`, `.pt`, `.pth` and `.bin`: pickles, which in the hands of Python's own `pickle` can run any code.

Three guards, one behind the other. The pickle is first disassembled, which runs nothing, and every name in it must be
one that tensors need. Names of pytorch_lightning and numpy, which trainers leave behind in original Stable Diffusion
files, are replaced by stubs that do nothing. Then PyTorch's own restricted reader (`weights_only=True`) builds the
tensors, with its own list.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import threading
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import torch

from inkbloom.core.errors import CheckpointError, UnsafeCheckpointError

_TENSOR_NAMES = re.compile(
    r"collections\.(OrderedDict|Counter)|_codecs\.encode|(builtins|__builtin__)\.(set|bytearray|complex)"
    r"|torch\._utils\._rebuild_\w+|torch\.nn\.parameter\.Parameter|torch\.serialization\._get_layout"
    r"|torch\.nn\.modules\.container\.ParameterDict"
    r"|torch\.(\w*Storage|storage\.\w*Storage|Size|Tensor|device|bool|(bfloat|float|int|uint|complex)\d\w*)"
)
_PARAMETER_DICT = "torch.nn.modules.container.ParameterDict"
_INERT_NAMES = re.compile(r"(pytorch_lightning|numpy)\..+")

_LEGACY_PICKLES = 5  # magic number, protocol, system, the object, the order of storages; then the storages' bytes

# PyTorch keeps the extra names that it allows in one list for the whole process.
_reading = threading.Lock()


class _Inert:
    """Stands in for a leftover object of a trainer: takes everything, keeps nothing."""

    def __init__(self, *args: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


class _Parameters(OrderedDict[str, Any]):
    """Stands in for PyTorch's ParameterDict, of which the first embeddings were made: its parameters by name."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.update(state["_parameters"])


def read_pickle(path: Path) -> Any:
    """The object in a file of `torch.save`, its tensors on the CPU; mapped, not read, where the file is a ZIP archive.

    Raises `UnsafeCheckpointError` with the names that do not belong in a model, `CheckpointError` where the file is
    damaged.
    """
    is_zip = zipfile.is_zipfile(path)
    names, protocol = _disassemble(path, is_zip)
    unsafe = sorted(name for name in names if not _TENSOR_NAMES.fullmatch(name) and not _INERT_NAMES.fullmatch(name))
    if unsafe:
        listed = ", ".join(f'"{name}"' for name in unsafe[:10])
        more = f" and {len(unsafe) - 10} more" if len(unsafe) > 10 else ""
        raise UnsafeCheckpointError(
            f"{path} was refused, because loading it could run code: its pickle names {listed}{more}."
        )
    if protocol != 2:
        raise CheckpointError(f"{path} is a pickle of protocol {protocol}; PyTorch writes models in protocol 2.")
    # PyTorch's reader fills only true dictionaries, so a dictionary of theirs becomes one.
    stubs: list[Any] = [
        (OrderedDict if name.endswith("Dict") else _Inert, name) for name in names if _INERT_NAMES.fullmatch(name)
    ]
    stubs += [(_Parameters, name) for name in names if name == _PARAMETER_DICT]
    try:
        with _reading, torch.serialization.safe_globals(stubs):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        raise CheckpointError(f"{path} is truncated or damaged: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _disassemble(path: Path, is_zip: bool) -> tuple[set[str], int]:
    """Every global name in the file's pickles, and the newest pickle protocol among them."""
    names: set[str] = set()
    protocols = [0]
    try:
        if is_zip:
            for file in _pickles_of(path):
                protocols.append(_add_names(file, names))
        else:
            with path.open("rb") as file:
                if file.read(2) == b"PK":
                    raise ValueError("the end of the archive is missing")
                file.seek(0)
                for _ in range(_LEGACY_PICKLES):
                    protocols.append(_add_names(file, names))
    except (ValueError, EOFError, IndexError, zipfile.BadZipFile, zlib.error) as error:
        # A short pickle that is malicious all the same is refused as that.
        if not names:
            raise CheckpointError(f"{path} is truncated or damaged: {error}.") from error
    return names, max(protocols)


def _pickles_of(path: Path) -> list[io.BytesIO]:
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
        if any("/code/" in name for name in members):
            raise CheckpointError(
                f"{path} is a TorchScript program, which inkbloom cannot use; it needs plain weights."
            )
        pickles = [name for name in members if name.endswith(".pkl")]
        if not pickles:
            raise CheckpointError(f"{path} is a ZIP archive without a PyTorch model in it.")
        return [io.BytesIO(archive.read(name)) for name in pickles]


def _add_names(file: BinaryIO | io.BytesIO, names: set[str]) -> int:
    """Add the global names of the pickle at the file's position, which moves to its end; return its protocol."""
    protocol = 0
    pushed: list[object] = []
    memo: dict[int, object] = {}
    for opcode, argument, _ in pickletools.genops(file):
        match opcode.name:
            case "GLOBAL" | "INST":
                names.add(str(argument).replace(" ", "."))
            case "STACK_GLOBAL":
                names.add(".".join(map(str, pushed[-2:])))
            case "PROTO":
                protocol = int(argument or 0)
            case "MEMOIZE":
                memo[len(memo)] = pushed[-1] if pushed else None
            case "BINPUT" | "LONG_BINPUT":
                memo[int(argument or 0)] = pushed[-1] if pushed else None
            case "BINGET" | "LONG_BINGET":
                pushed.append(memo.get(int(argument or 0)))
            case _ if opcode.stack_after:
                pushed.append(argument)
    return protocol
