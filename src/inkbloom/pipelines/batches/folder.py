"""A folder of pictures, each the beginning of a new one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image as PILImage

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.batches.jobs import Job, job_of
from inkbloom.pipelines.pictures import open_picture


def read_folder(folder: Path, base: Mapping[str, Any], masks: Path | None = None) -> tuple[list[Job], list[str]]:
    """A job for each picture of the folder, named as it, in the order of names; and a line for each that is unreadable.

    Pictures are the files with an ending that Pillow knows. `masks` is one mask for all, or a folder in which a
    picture's mask has its name without the ending; a picture without a mask there is told and left out.
    `RequestError` where no picture can be read, or the fields are wrong.
    """
    endings = PILImage.registered_extensions()
    try:
        paths = sorted(one for one in folder.iterdir() if one.suffix.lower() in endings and one.is_file())
    except OSError as error:
        raise RequestError(f'The folder "{folder}" cannot be read: {error.strerror}.') from None
    by_stem = {one.stem: one for one in sorted(masks.iterdir())} if masks is not None and masks.is_dir() else None
    jobs: list[Job] = []
    lines: list[str] = []
    stems: set[str] = set()
    for path in paths:
        fields: dict[str, Any] = {"init_image": str(path)}
        if masks is not None:
            fields["mask_image"] = str(masks if by_stem is None else by_stem.get(path.stem, ""))
            if not fields["mask_image"]:
                lines.append(f'"{path}" has no mask in "{masks}"; left out.')
                continue
        try:
            open_picture(path)
        except RequestError as error:
            lines.append(f"{error} It is left out.")
            continue
        job = job_of(fields, base, path.name)
        stem = path.name if path.stem in stems else path.stem
        stems.add(path.stem)
        jobs.append(Job(request=job.request, origin=job.origin, stem=stem))
    if not jobs:
        raise RequestError(f'There is no picture in "{folder}" to begin from.{" " if lines else ""}{" ".join(lines)}')
    return jobs, lines
