"""Where the service keeps things: one folder, which one server at a time has for itself."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inkbloom.apps.service.refusals import UnknownError
from inkbloom.core.errors import OutputError, RequestError

_NAME = re.compile(r"\w[\w .()+-]{0,99}")


@dataclass(frozen=True)
class DataFolder:
    """The places below `root`; `make` makes them."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "inkbloom.db"

    @property
    def outputs(self) -> Path:
        """Finished pictures, in a folder for each day."""
        return self.root / "outputs"

    @property
    def inputs(self) -> Path:
        """Uploaded pictures, named by their contents."""
        return self.root / "inputs"

    @property
    def thumbnails(self) -> Path:
        return self.root / "thumbnails"

    @property
    def spool(self) -> Path:
        """What jobs that run need to go on, in a folder for each."""
        return self.root / "spool"

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def runs(self) -> Path:
        """The runs of trainings."""
        return self.root / "runs"

    @property
    def wildcards(self) -> Path:
        return self.root / "wildcards"

    @property
    def styles(self) -> Path:
        return self.root / "styles.csv"

    @property
    def hashes(self) -> Path:
        return self.root / "hashes.json"

    def make(self) -> None:
        """Make what is missing; `OutputError` where that cannot be."""
        folders = (self.outputs, self.inputs, self.thumbnails, self.spool, self.datasets, self.runs, self.wildcards)
        with explained(self.root):
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Have the folder alone; the system gives it back when the process ends, however it does.

        `OutputError` where another server has it.
        """
        with explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.root / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not lock_file(descriptor):
                raise OutputError(f'Another server works in "{self.root}"; stop it, or give this one its own folder.')
            yield
        finally:
            os.close(descriptor)


def lock_file(descriptor: int) -> bool:
    """Whether the file is now this process's own."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue] - Windows only
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def check_name(name: str, field: str) -> str:
    """A name of a client's that becomes the name of one file or folder; `RequestError` where it could be more."""
    if not _NAME.fullmatch(name) or name[-1] in " .":
        raise RequestError(
            f"{field} {name[:120]!r}: must be a plain name of at most 100 letters, digits, spaces and _ - + . ( )."
        )
    return name


def within(folder: Path, name: str, what: str) -> Path:
    """The file of a name directly or deeper in a folder, links followed; `UnknownError` where it is not in there."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise UnknownError(f'There is no {what} "{name[:120]}".')
    return path


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, safe from a loss of power; `OutputError` where that cannot be."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Errors of the system become an `OutputError` that names the path."""
    try:
        yield
    except OSError as error:
        raise OutputError(f'Cannot write "{path}": {error.strerror or error}.') from error
