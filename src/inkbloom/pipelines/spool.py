"""Latents on disk while they are decoded: what sampling made in minutes is not lost when decoding fails in a second.

A file is a .safetensors with the tensor `latents` (scaled, float32, one row for each picture) and, in its metadata as
JSON, the list of their `requests`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from inkbloom.core.errors import InkbloomError, OutputError, RequestError
from inkbloom.core.types import Latent
from inkbloom.pipelines.request import GenerationRequest, ResolvedRequest
from inkbloom.pipelines.saving import prepare_folder, save_new

_LATENTS, _REQUESTS = "latents", "requests"
ENDING = ".latents.safetensors"


class Spool:
    """Writes latents into a folder, and removes what it wrote when the pictures are safe."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when there is something to write."""
        self.folder = folder
        self.files: list[Path] = []

    def write(self, latents: Latent, requests: Sequence[ResolvedRequest]) -> None:
        """Keep the scaled latents of these requests. `OutputError` where the folder cannot be written."""
        prepare_folder(self.folder)
        metadata = {_REQUESTS: json.dumps([request.model_dump(mode="json") for request in requests])}
        kept = {_LATENTS: latents.detach().float().cpu().contiguous()}
        path = self.folder / f"{requests[0].seed}-{secrets.token_hex(4)}{ENDING}"
        try:
            self.files.append(save_new(lambda place: place.write_bytes(save(kept, metadata)), iter([path])))
        except OutputError:
            self._remove_folder()
            raise

    def clear(self) -> None:
        """Remove what was written, and the folder where nothing else is in it."""
        for path in self.files:
            path.unlink(missing_ok=True)
        self.files.clear()
        self._remove_folder()

    def _remove_folder(self) -> None:
        with suppress(OSError):  # it is not empty, or was never made
            self.folder.rmdir()

    def left(self) -> str:
        """What to tell where `files` are left."""
        return f"The latents of the last pictures are kept; paint them with: inkbloom decode {self.folder}"


def spooled(path: Path) -> list[Path]:
    """The files of a spool folder, or the file itself; `RequestError` where there are none."""
    files = sorted(path.glob(f"*{ENDING}")) if path.is_dir() else [path] if path.is_file() else []
    if not files:
        raise RequestError(f'There are no spooled latents at "{path}".')
    return files


def read_spooled(path: Path) -> tuple[Latent, list[GenerationRequest]]:
    """The scaled latents of a file, and the request of each. `RequestError` for a file of another kind or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            latents = file.get_tensor(_LATENTS)
            requests = [GenerationRequest(**fields) for fields in json.loads((file.metadata() or {})[_REQUESTS])]
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, InkbloomError):
        raise RequestError(f'"{path}" holds no spooled latents, or is damaged.') from None
    if latents.ndim != 4 or len(latents) != len(requests) or not requests or not latents.is_floating_point():
        raise RequestError(f'"{path}" is damaged: its latents and requests do not agree.')
    return latents, requests


def remove_spooled(path: Path) -> None:
    """Remove a file whose pictures are saved, and its folder where nothing else is in it."""
    path.unlink(missing_ok=True)
    with suppress(OSError):  # it is not empty
        path.parent.rmdir()
