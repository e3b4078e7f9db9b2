"""Where new models go, so that the library finds them."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from inkbloom.checkpoints.library import Library
from inkbloom.core.errors import OutputError, RequestError


def home(library: Library | None, kind: str) -> Path:
    """The folder for new models of a kind, made where it is missing.

    `RequestError` where there is no library, and where the root is a plain folder of checkpoints, which another folder
    in it would make the library of many kinds, so that they were not found any more.
    """
    if library is None:
        raise RequestError("The server has no folder of models to write into; start it with --models-dir.")
    folder = library.home(kind)
    if library.folders == {"checkpoints": [library.root]} and folder != library.root:
        if library.entries("checkpoints"):
            raise RequestError(
                f'"{library.root}" is a plain folder of checkpoints; move them into a folder "checkpoints" in it, '
                f'so that there is a place for "{kind}" too.'
            )
        (library.root / "checkpoints").mkdir(exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def publish(source: Path, target: Path) -> None:
    """Copy a model, a file or a folder, to where the library finds it, as one step; an older one is replaced."""
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        if source.is_dir():
            shutil.copytree(source, aside)
            if target.exists():
                shutil.rmtree(target)
        else:
            shutil.copyfile(source, aside)
        os.replace(aside, target)
    except OSError as error:
        raise OutputError(f'Cannot write "{target}": {error.strerror or error}.') from error
    finally:
        if aside.is_dir():
            shutil.rmtree(aside)
        else:
            aside.unlink(missing_ok=True)
