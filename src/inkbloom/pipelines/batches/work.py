"""Painting what is missing of a plan, one model after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from inkbloom.core.errors import InkbloomError, RequestError
from inkbloom.pipelines.batches.plan import Entry, Plan
from inkbloom.pipelines.metadata import Privacy
from inkbloom.pipelines.saving import save_picture
from inkbloom.pipelines.spool import Spool
from inkbloom.pipelines.stable_diffusion import OWN_FIELDS, StableDiffusion

SPOOL = "spool"
"""The folder, beside the pictures, of latents that were not decoded."""

Load = Callable[[str | None, str | None], StableDiffusion]
"""Give the model of a checkpoint and an autoencoder, each a file, a name, or None for the batch's own."""


@dataclass(kw_only=True)
class Outcome:
    painted: int = 0
    failures: list[str] = field(default_factory=list)
    """One line for each picture that could not be painted."""
    warnings: list[str] = field(default_factory=list)


def paint_plan(
    plan: Plan,
    folder: Path,
    load: Load,
    *,
    privacy: Privacy = "full",
    on_saved: Callable[[int], None] = lambda done: None,
) -> Outcome:
    """Paint what is missing of the plan, and save each picture as soon as it is there.

    Models are the outer loop, so that each is loaded once; neighbours that differ in prompt and seed alone are painted
    at once, as many as their `batch_size` says. All requests of a model are checked against it before its first picture
    (`RequestError`). What fails later is told in the outcome, and the rest goes on; latents that could not be decoded
    stay in the folder's `SPOOL`. `on_saved` is told how many pictures are done.
    """
    outcome = Outcome()
    missing = plan.missing(folder)
    order = list(dict.fromkeys(entry.load for entry in missing))
    for key, group in groupby(sorted(missing, key=lambda entry: order.index(entry.load)), key=lambda entry: entry.load):
        model, entries = load(*key), list(group)
        for entry in entries:
            try:
                model.resolve(entry.opened())
            except InkbloomError as error:
                raise RequestError(f"{entry.origin}: {error}") from None
        for batch in _batches(entries):
            for part in _painted(model, batch, folder, outcome, privacy):
                outcome.painted += part
                on_saved(outcome.painted)
    return outcome


def _painted(
    model: StableDiffusion,
    batch: Sequence[Entry],
    folder: Path,
    outcome: Outcome,
    privacy: Privacy,
) -> Iterator[int]:
    """Paint and save a batch, or, where that fails, its pictures one by one; how many were saved, each time."""
    spool = Spool(folder / SPOOL)
    try:
        result = model.paint([model.resolve(entry.opened()) for entry in batch], spool=spool)
    except InkbloomError as error:
        if len(batch) == 1:
            outcome.failures.append(f"{batch[0].origin}: {error}")
            return
        result = None
    if result is None:
        spool.clear()  # they are painted once more
        for entry in batch:
            yield from _painted(model, [entry], folder, outcome, privacy)
        return
    outcome.warnings += [line for line in result.warnings if line not in outcome.warnings]
    made = zip(batch, result.images, result.requests, result.stages, strict=True)
    for entry, picture, request, stages in made:
        save_picture(picture, iter([folder / entry.file]), request, stages=stages, privacy=privacy)
    spool.clear()
    yield len(batch)


def _batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    def common(entry: Entry) -> str:
        return json.dumps({name: value for name, value in entry.request.items() if name not in OWN_FIELDS})

    for _, alike in groupby(entries, key=common):
        same = list(alike)
        size = same[0].request["batch_size"]
        yield from (same[first : first + size] for first in range(0, len(same), size))
