"""The whole state of a run on disk, whole or not at all.

`state-00001234.pt` is what was after 1,234 steps; the highest number is the newest. Each is written aside, brought to
the disk, and renamed, and only then are the oldest deleted; so whatever ends a run, the last state is good. Shards of
several processes are written by all of them as a folder of `torch.distributed.checkpoint`, `state-00001234`. Either
can be resumed by any number of processes; those of several machines must see the same folder.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from inkbloom.core.errors import TrainingError
from inkbloom.training.world import World

# What PyTorch, zipfile and pickle say of a file that is not what was written
_DAMAGED = (OSError, RuntimeError, ValueError, KeyError, EOFError, struct.error, zipfile.BadZipFile)


class States:
    """The states in `folder`, which is made, of which the last `keep` stay. All processes of `world` call it alike."""

    def __init__(self, folder: Path, *, keep: int = 2, world: World | None = None) -> None:
        if keep < 1:
            raise TrainingError(f"keep is {keep}; it must be at least 1.")
        self.folder, self.keep, self.world = folder, keep, world or World()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(self.reason(error)) from error

    def paths(self) -> list[Path]:
        """All states, the oldest first."""
        return sorted(path for path in self.folder.glob("state-*") if path.suffix in ("", ".pt"))

    def kept(self) -> str:
        """What there is to go on from, for a message."""
        paths = self.paths()
        return f"kept: {paths[-1]}" if paths else "no state was saved yet"

    def load(self, on_warning: Callable[[str], None] = lambda warning: None) -> dict[str, Any] | None:
        """The newest state, on the CPU; None where there is none.

        One that cannot be read is put aside as `.damaged`, `on_warning` is told, and the one before it is taken.
        `TrainingError` where there are states, but none can be read.
        """
        found = self.world.tell(self.paths())
        for path in reversed(found):
            file, problem = self.world.tell(self._checked(path) if self.world.main else (path, ""))
            if not problem:
                # Shards of a large state are cut out of the file; nobody needs it in memory as a whole.
                state = torch.load(file, weights_only=True, map_location="cpu", mmap=self.world.sharded)
                self.world.wait()
                self._clear()
                return state
            if self.world.main:
                aside = path.with_name(f"{path.name}.damaged")
                _delete(aside)
                path.rename(aside)
                on_warning(f"{path} is damaged ({problem}); going on from the state before it.")
        if found:
            raise TrainingError(
                f"None of the {len(found)} states in {self.folder} can be read; they are put aside as .damaged, "
                "and the next call begins anew."
            )
        return None

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Write the state after `step` steps. `TrainingError` where it cannot be written; all before it stay."""
        path = self.folder / (f"state-{step:08d}" + ("" if self.world.sharded else ".pt"))
        aside = path.with_name(f".{path.name}.new")
        try:
            self._clear()
            self.world.wait()
            if self.world.sharded:
                _save_shards(state, aside)
            elif self.world.main:
                with aside.open("wb") as file:
                    torch.save(state, file)
                    file.flush()
                    os.fsync(file.fileno())
            if self.world.main:
                _put(aside, path)
                for old in self.paths()[: -self.keep]:
                    _delete(old)
        except (OSError, RuntimeError) as error:
            if self.world.main:
                _delete(aside)
            raise TrainingError(f"{self.reason(error)}; the state of step {step} is lost; {self.kept()}") from error
        self.world.wait()
        return path

    def reason(self, error: BaseException) -> str:
        """In plain words why the folder cannot be written; torch.save hides the system's error behind its own."""
        cause: BaseException | None = error
        while cause is not None and not (isinstance(cause, OSError) and cause.errno is not None):
            cause = cause.__cause__ or cause.__context__
        if not isinstance(cause, OSError):
            return f"{self.folder} cannot be written ({str(error).splitlines()[0].rstrip('.')})"
        if cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"No space left in {self.folder}"
        return f"{self.folder} cannot be written ({os.strerror(cause.errno or 0)})"

    def _checked(self, path: Path) -> tuple[Path, str]:
        """The state as one file, and what is wrong with it."""
        try:
            if path.is_dir():
                return _join_shards(path, self.folder / ".state-whole.pt"), ""
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()  # torch.load does not look at checksums
            return path, f"wrong checksum of {broken}" if broken else ""
        except _DAMAGED as error:
            return path, " ".join(str(error).split()) or type(error).__name__

    def _clear(self) -> None:
        """Delete what is half written: by runs that ended in the middle, or for the other processes to read."""
        if self.world.main:
            for leftover in self.folder.glob(".state-*"):
                _delete(leftover)


def _save_shards(state: dict[str, Any], folder: Path) -> None:
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict_saver import save

    try:
        save(state, checkpoint_id=folder)
    except CheckpointException as error:
        raise next(iter(error.failures.values()))[0] from error


def _join_shards(folder: Path, file: Path) -> Path:
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    try:
        dcp_to_torch_save(folder, file)
    except CheckpointException as error:
        raise next(iter(error.failures.values()))[0] from error
    return file


def _put(aside: Path, path: Path) -> None:
    if path.is_dir():
        _delete(path)
    os.replace(aside, path)
    if os.name != "posix":  # others have no way to ask for it
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _delete(path: Path) -> None:
    if path.is_dir():
        # Out of sight first: a folder that is half deleted is no state.
        path = path.rename(path.with_name(f".{path.name.removeprefix('.')}.old"))
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
