"""The hashes by which other programs know a file, and a memory of them, since whole files are slow to read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from inkbloom.checkpoints.loading import file_hash
from inkbloom.core.errors import CheckpointError

_OLD_START, _OLD_LENGTH = 0x100000, 0x10000
_AUTOV2_DIGITS, _OLD_DIGITS, _A1111_DIGITS = 10, 8, 12
_DECLARED = "sshs_model_hash"
"""Where kohya's files say their own hash, which A1111 believes."""


@dataclass(frozen=True)
class Hashes:
    sha256: str
    """Of the whole file, 64 hexadecimal digits."""
    old: str
    """A1111's until 2023: of 64 KiB in the file alone, 8 digits."""

    @property
    def autov2(self) -> str:
        """The first 10 digits: "Model hash" in pictures, AutoV2 on Civitai."""
        return self.sha256[:_AUTOV2_DIGITS]


def old_hash(path: Path) -> str:
    """A1111's old hash: 8 digits of the SHA-256 of the 65,536 bytes from 1 MiB on (of fewer, where the file ends)."""
    try:
        with path.open("rb") as file:
            file.seek(_OLD_START)
            return hashlib.sha256(file.read(_OLD_LENGTH)).hexdigest()[:_OLD_DIGITS]
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error


def a1111_hash(path: Path, metadata: Mapping[str, str] | None = None) -> str:
    """The 12 digits by which A1111 knows a LoRA or an embedding, in its "Lora hashes" and "TI hashes".

    With the metadata of a LoRA: the hash that they declare, else for a safetensors file that of the tensors alone,
    without the header. Without: that of the whole file, as for embeddings. Remembered until the file changes;
    `CheckpointError` where it cannot be read.
    """
    if metadata is not None and metadata.get(_DECLARED):
        return metadata[_DECLARED][:_A1111_DIGITS]
    size, changed = _stamp(path)
    whole = metadata is None or path.suffix.lower() != ".safetensors"
    return _digits(path, size, changed, whole)


@lru_cache(maxsize=1024)
def _digits(path: Path, size: int, changed: int, whole: bool) -> str:
    if whole:
        return file_hash(path)[:_A1111_DIGITS]
    try:
        with path.open("rb") as file:
            file.seek(int.from_bytes(file.read(8), "little"), os.SEEK_CUR)
            return hashlib.file_digest(file, "sha256").hexdigest()[:_A1111_DIGITS]
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error


class HashCache:
    """Hashes kept in a JSON file; a file is read again once its path, size or time of change is another.

    A cache that is missing or damaged is begun anew, and one that cannot be written is not: it only saves time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def hashes(self, path: Path) -> Hashes:
        """Both hashes of a file; `CheckpointError` where it cannot be read."""
        return Hashes(self.sha256(path), old_hash(path))

    def sha256(self, path: Path) -> str:
        known = self.known(path)
        if known is None:
            stamp = _stamp(path)  # before, so that a file that changes meanwhile is read again
            known = file_hash(path)
            self._keep(path, stamp, known)
        return known

    def known(self, path: Path) -> str | None:
        """The SHA-256 if it is in the cache."""
        entry = self._entries().get(str(path.resolve()))
        return entry["sha256"] if isinstance(entry, dict) and entry.get("stamp") == _stamp(path) else None

    def _entries(self) -> dict[str, dict]:
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}

    def _keep(self, path: Path, stamp: list[int], sha256: str) -> None:
        entries = {name: entry for name, entry in self._entries().items() if Path(name).exists()}
        entries[str(path.resolve())] = {"stamp": stamp, "sha256": sha256}
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(entries, indent=1), encoding="utf-8")
            partial.replace(self._path)
        except OSError:
            with suppress(OSError):
                partial.unlink()


def _stamp(path: Path) -> list[int]:
    try:
        state = path.stat()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    return [state.st_size, state.st_mtime_ns]
