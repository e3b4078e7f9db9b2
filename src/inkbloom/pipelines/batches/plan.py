"""A plan: the file and the whole request of every picture of a batch, written down before the first is painted.

The plan is also the journal. A picture's file appears under its name at once and whole, so that what is there is done;
a batch that was interrupted goes on when the same is asked for again. Deleting a picture has it painted anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

import inkbloom
from inkbloom.core.errors import OutputError, RequestError
from inkbloom.families.spec import ModelSpec
from inkbloom.pipelines.batches.jobs import Job
from inkbloom.pipelines.request import GenerationRequest
from inkbloom.pipelines.saving import prepare_folder, save_new

SpecOf = Callable[[str | None], ModelSpec]
"""The spec of a job's checkpoint; None: the batch's own."""


class Entry(BaseModel, frozen=True, extra="forbid"):
    """One picture."""

    file: str = Field(description="its name in the folder of the plan")
    origin: str = Field(description="where it was asked for")
    place: tuple[int, ...] | None = Field(None, description="its cell in a plot: x, y, z, from 0")
    checkpoint: str | None = Field(None, description="the file or name of its model; null: the batch's own")
    vae: str | None = Field(None, description="the same of its autoencoder")
    request: dict[str, Any] = Field(description="resolved: all fields are there, for one picture")

    @property
    def load(self) -> tuple[str | None, str | None]:
        """What must be loaded for it: checkpoint and autoencoder."""
        return self.checkpoint, self.vae

    def opened(self) -> GenerationRequest:
        """The request; its pictures are read when they are used."""
        return GenerationRequest(**self.request)


class AxisRecord(BaseModel, frozen=True, extra="forbid"):
    name: str
    labels: list[str]


class Plan(BaseModel, frozen=True, extra="forbid"):
    program: str
    asked: str = Field(description="the hash of all that was asked for")
    axes: dict[str, AxisRecord] = Field(default_factory=dict, description="of a plot: x, y and z")
    entries: list[Entry]

    def missing(self, folder: Path) -> list[Entry]:
        """The pictures that are still to be painted."""
        return [entry for entry in self.entries if not (folder / entry.file).exists()]


def open_plan(
    folder: Path | None,
    parent: Path,
    name: str,
    jobs: Sequence[Job],
    spec_of: SpecOf,
    *,
    ending: str,
    own: tuple[str, ...] = (),
    axes: dict[str, AxisRecord] | None = None,
    known_by: Sequence[Job] | None = None,
) -> tuple[Path, Plan]:
    """The folder and the plan of these jobs: the one that was begun there, where the very same was asked for; or a new.

    `folder` None is parent/0000, parent/0001, ...: the one where this was begun, or the first that is free. `name` is
    the plan's file, `ending` that of the pictures, such as ".png"; `own` is whatever else decides the pictures, such as
    the model. Where something in the jobs was drawn at random, `known_by` are the same without it. Every job is checked
    first: `RequestError` with what is wrong, and with whose plan is already there.
    """
    asked = _asked(jobs if known_by is None else known_by, [*own, ending], axes or {})
    if folder is None:
        for home in _numbered(parent):
            if (home / name).exists() and _read(home / name).asked == asked:
                return home, _read(home / name)
            if not home.exists():
                folder = home
                break
    assert folder is not None
    path = folder / name
    if path.exists():
        plan = _read(path)
        if plan.asked != asked:
            raise RequestError(f'"{folder}" holds what another command has begun ({name}); choose another --outdir.')
        return folder, plan
    entries = list(_entries(jobs, spec_of, folder, ending))
    plan = Plan(program=f"inkbloom {inkbloom.__version__}", asked=asked, axes=axes or {}, entries=entries)
    prepare_folder(folder)
    text = json.dumps(plan.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"

    def write(place: Path) -> None:
        place.write_text(text, encoding="utf-8")

    save_new(write, iter([path]))
    return folder, plan


def _entries(jobs: Sequence[Job], spec_of: SpecOf, folder: Path, ending: str) -> Iterator[Entry]:
    taken = {one.name for one in folder.iterdir()} if folder.is_dir() else set()
    numbers = (f"{number:05}{ending}" for number in count())
    for job in jobs:
        # A copy is resolved, since pictures stay in memory once a request has opened them
        request = GenerationRequest.from_json(job.request.model_dump_json())
        try:
            singles = request.resolved(spec_of(job.checkpoint)).singles()
        except RequestError as error:
            raise RequestError(f"{job.origin}: {error}" if job.origin else str(error)) from None
        for i, single in enumerate(singles):
            stems = iter((f"{job.stem}{f'-{i}' if i else ''}{ending}",)) if job.stem else numbers
            file = next((name for name in stems if name not in taken), None)
            if file is None:
                raise OutputError(f'"{folder / (job.stem or "")}{ending}" is already there; choose another --outdir.')
            taken.add(file)
            yield Entry(
                file=file,
                origin=job.origin,
                place=job.place,
                checkpoint=job.checkpoint,
                vae=job.vae,
                request=single.model_dump(mode="json"),
            )


def _asked(jobs: Sequence[Job], own: Sequence[str], axes: dict[str, AxisRecord]) -> str:
    rows = [[job.request.model_dump(mode="json"), job.checkpoint, job.vae, job.stem, job.place] for job in jobs]
    labels = {name: axis.model_dump() for name, axis in axes.items()}
    return hashlib.sha256(json.dumps([rows, list(own), labels], sort_keys=True).encode()).hexdigest()


def _numbered(parent: Path) -> Iterator[Path]:
    return (parent / f"{number:04}" for number in count())


def _read(path: Path) -> Plan:
    try:
        return Plan.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f'The plan "{path}" cannot be read: {error.strerror}.') from None
    except (ValidationError, UnicodeDecodeError):
        raise RequestError(f'"{path}" is no plan of inkbloom, or is damaged; choose another --outdir.') from None
