"""webdataset tars: members with the same name up to the first dot belong together (0001.jpg, 0001.txt, 0001.mask.png).

Only the places of the members are kept, so any of them can be read at any time.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path, PurePosixPath

from inkbloom.core.errors import RequestError, TrainingError
from inkbloom.training.data.examples import Blob

TAR_ENDING = ".tar"
JSON_ENDING = ".json"


def read_tar(path: Path) -> list[tuple[str, dict[str, Blob]]]:
    """For each example its key and its members by ending (".jpg"), in the tar's order.

    `TrainingError` where the tar is damaged, or compressed.
    """
    examples: dict[str, dict[str, Blob]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                name = PurePosixPath(member.name)
                stem, dot, ending = name.name.partition(".")
                blob = Blob(path, member.name, member.offset_data, member.size)
                examples.setdefault(str(name.with_name(stem or name.name)), {})[dot + ending.lower()] = blob
    except (tarfile.TarError, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise TrainingError(f'"{path}" cannot be read as a tar (it must not be compressed): {reason}.') from None
    return list(examples.items())


def json_caption(blob: Blob) -> str | None:
    """The "text" or "caption" of a JSON member, or None; `RequestError` where it is no JSON object."""
    try:
        entry = json.loads(blob.read())
        caption = entry.get("text", entry.get("caption"))
    except (ValueError, AttributeError):
        raise RequestError(f'"{blob}" must be a JSON object with "text" or "caption".') from None
    return None if caption is None else str(caption).strip()
