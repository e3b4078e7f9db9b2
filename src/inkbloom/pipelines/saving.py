"""Files that are whole or not there: written under a temporary name, then given their own, never over another's."""

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

from PIL import Image as PILImage

from inkbloom.core.errors import OutputError
from inkbloom.pipelines.metadata import Privacy, write_picture
from inkbloom.pipelines.metadata.writing import format_of
from inkbloom.pipelines.request import ResolvedRequest
from inkbloom.pipelines.stages import StageHashes

NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


def prepare_folder(folder: Path) -> None:
    """Make the folder where it is missing and try whether files can be written into it; `OutputError` if not."""
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{secrets.token_hex(8)}.tmp"
        probe.touch()
        probe.unlink()


@contextmanager
def output_folders(*folders: Path) -> Iterator[None]:
    """`prepare_folder` for each; those that were made here and are still empty at the end are removed again."""
    missing = [place for folder in folders for place in (folder, *folder.parents) if not place.exists()]
    try:
        for folder in folders:
            prepare_folder(folder)
        yield
    finally:
        for place in sorted(set(missing), key=lambda place: -len(place.parts)):
            with suppress(OSError):  # it is not empty
                place.rmdir()


def save_picture(
    picture: PILImage.Image,
    names: Iterator[Path],
    request: ResolvedRequest | None = None,
    *,
    stages: StageHashes | None = None,
    privacy: Privacy = "full",
) -> Path:
    """Write a picture under the first free name, in the format of the names' ending, and return it.

    With a request it carries its metadata, as `metadata.write_picture` says, which also says what is raised.
    """
    first = next(names)
    format = format_of(first)
    return save_new(
        lambda path: write_picture(picture, path, format=format, request=request, stages=stages, privacy=privacy),
        chain([first], names),
    )


def save_new(write: Callable[[Path], object], names: Iterator[Path]) -> Path:
    """Let `write` fill a temporary file beside the first name, then give it the first free name, and return that.

    `OutputError` where the folder cannot be written or the disk is full; nothing is left behind then.
    """
    first = next(names)
    partial = first.with_name(f".{first.name}.{secrets.token_hex(4)}.tmp")
    try:
        with _explained(first):
            write(partial)
            target = first
            while not _rename_new(partial, target):
                target = next(names)
            return target
    finally:
        partial.unlink(missing_ok=True)


def numbered(folder: Path, pattern: str, start: int) -> Iterator[Path]:
    """Names in the folder by the pattern, such as "{:05}.png", counted up from `start`."""
    return (folder / pattern.format(number) for number in count(start))


def _rename_new(partial: Path, target: Path) -> bool:
    """Rename, unless the target exists. Linking makes it one step, safe from others who write into the same folder."""
    try:
        os.link(partial, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        # A file system without hard links, such as FAT: here two writers could meet between the two steps.
        if target.exists():
            return False
        partial.rename(target)
    return True


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f'Cannot write "{path}": {error.strerror or error}.') from error
