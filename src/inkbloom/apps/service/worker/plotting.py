"""X/Y/Z plots: every cell a picture of its own, and all of them drawn as one."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

from PIL import Image as PILImage

from inkbloom.apps.service.jobs import PlotSpec
from inkbloom.apps.service.messages import place
from inkbloom.apps.service.worker.errand import Errand
from inkbloom.apps.service.worker.painting import Easel, for_loaded, open_model
from inkbloom.checkpoints import detect
from inkbloom.core.errors import InkbloomError, RequestError
from inkbloom.families.spec import ModelSpec
from inkbloom.pipelines.batches.axes import NOTHING, Axis, Setting, read_axis
from inkbloom.pipelines.batches.drawing import check_size, draw_plot
from inkbloom.pipelines.batches.jobs import Job
from inkbloom.pipelines.batches.plan import AxisRecord
from inkbloom.pipelines.batches.plots import Plot
from inkbloom.pipelines.pictures import open_picture
from inkbloom.pipelines.request import GenerationRequest
from inkbloom.text.prompt.styles import read_styles


def plot(errand: Errand) -> None:
    spec = PlotSpec(**errand.run["spec"])
    errand.progress("loading")
    specs = _Specs(errand)
    axes = _axes(errand, spec)
    drawn = spec.request.resolved(specs.of(spec.request.model))
    variation_seed = spec.request.variation_seed if drawn.variation_seed is None else drawn.variation_seed
    if variation_seed in (None, -1):
        variation_seed = drawn.seed + 1  # for an axis of strengths; not random, so that another attempt has the same
    base = spec.request.model_copy(update={"seed": drawn.seed, "variation_seed": variation_seed})
    jobs = Plot(base=Job(request=base, checkpoint=base.model, vae=base.vae), **axes, vary_seeds=spec.vary_seeds).jobs()
    records = {
        name: AxisRecord(name=axis.name, labels=[value.label for value in axis.values]) for name, axis in axes.items()
    }
    check_size((drawn.width, drawn.height), records, spec.margin)
    requests = [specs.resolved(job) for job in jobs]
    errand.result(
        {
            "axes": [{"name": axis.name, "values": axis.labels} for axis in records.values()],
            "cells": [{"place": job.place, "index": index} for index, job in enumerate(jobs)],
        }
    )
    _paint(errand, jobs, requests)
    _draw(errand, spec, jobs, records)


class _Specs:
    """The facts of models, read off their headers, so that every cell is checked before the first is painted."""

    def __init__(self, errand: Errand) -> None:
        self._models = errand.models
        self._known: dict[str | None, ModelSpec] = {}

    def of(self, checkpoint: str | None) -> ModelSpec:
        if checkpoint not in self._known:
            self._known[checkpoint] = detect(self._models.path(checkpoint))
        return self._known[checkpoint]

    def resolved(self, job: Job) -> GenerationRequest:
        """The cell's request with the names of its models, which it can be painted by."""
        try:
            _check_upscaler(job.request)
            request = job.request.model_copy(update={"model": job.checkpoint, "vae": job.vae})
            request.resolved(self.of(job.checkpoint))
        except InkbloomError as error:
            raise RequestError(f"{job.origin}: {error}") from None
        return request


def _check_upscaler(request: GenerationRequest) -> None:
    """`RequestError` where an axis names a file, which is not for clients to choose."""
    name = Path(request.hires.upscaler if request.hires is not None else "")
    if name.is_absolute() or ".." in name.parts or name.is_file():
        raise RequestError(f'hires upscaler "{name}": give its name in the library, not a path.')


def _axes(errand: Errand, spec: PlotSpec) -> dict[str, Axis]:
    styles = errand.folder.styles
    setting = Setting(
        prompt=spec.request.prompt,
        negative_prompt=spec.request.negative_prompt,
        styles=read_styles([styles] if styles.exists() else []),
    )
    given = {"x": spec.x, "y": spec.y, "z": spec.z}
    return {name: read_axis(text, setting) if text else NOTHING for name, text in given.items()}


def _paint(errand: Errand, jobs: list[Job], requests: list[GenerationRequest]) -> None:
    """Paint the cells, those of one model after the other, in the order in which the models occur."""
    easel = Easel(errand, len(jobs))

    def loaded(index: int) -> tuple[Any, ...]:
        return jobs[index].checkpoint, jobs[index].vae, requests[index].dtype

    order = list(dict.fromkeys(map(loaded, range(len(jobs)))))
    for _, group in groupby(sorted(range(len(jobs)), key=lambda i: order.index(loaded(i))), key=loaded):
        cells = list(group)
        if set(cells) - errand.done - errand.left_out:
            _paint_cells(errand, easel, {index: (jobs[index].origin, requests[index]) for index in cells})
        else:
            easel.passed(len(cells))


def _paint_cells(errand: Errand, easel: Easel, cells: dict[int, tuple[str, GenerationRequest]]) -> None:
    """Paint cells of one model, which nothing holds afterwards, so that the next may take its memory."""
    model = open_model(errand, next(request for _, request in cells.values()))
    resolved = {}
    for index, (origin, request) in cells.items():
        try:
            resolved[index] = model.resolve(for_loaded(request))
        except InkbloomError as error:
            raise RequestError(f"{origin}: {error}") from None
    for index, request in resolved.items():
        easel.paint(model, {index: request})


def _draw(errand: Errand, spec: PlotSpec, jobs: list[Job], records: dict[str, AxisRecord]) -> None:
    cells: dict[tuple[int, ...], PILImage.Image] = {}
    for index, job in enumerate(jobs):
        path = place(errand.run, index)
        if job.place is not None and path.exists():
            cells[job.place] = open_picture(path)
    if not cells:
        return
    errand.progress("saving", 1.0, pictures=len(jobs))
    drawing = draw_plot(cells, records, legend=spec.legend, margin=spec.margin)
    if spec.legend and drawing.missing:
        errand.warn([f"No font of the server has {' '.join(drawing.missing[:10])}; the labels show boxes."])
    errand.keep(drawing.picture, 0, role="grid")
