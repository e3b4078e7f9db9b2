"""Pictures from requests: painted with tapes, so that an interrupted one goes on exactly; shown, saved and told."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Mapping

from inkbloom.apps.service.jobs import GenerateSpec
from inkbloom.apps.service.worker.errand import Errand
from inkbloom.core.errors import Stopped
from inkbloom.pipelines.request import GenerationRequest, ResolvedRequest
from inkbloom.pipelines.stable_diffusion import Progress, StableDiffusion
from inkbloom.text.prompt.templates import Templates
from inkbloom.text.prompt.unknown import refuse
from inkbloom.text.prompt.wildcards import Wildcards

QUALITY = 80
"""Of previews, as JPEG."""
FIRST_PREVIEW = 0.25
"""Seconds after which there is something to show; what is done sooner is seen at once."""
PREVIEWS = 0.015
"""The part of the painting's time that they take, where the settings do not say how often they come."""


def generate(errand: Errand) -> None:
    spec = GenerateSpec(**errand.run["spec"])
    model = open_model(errand, spec.request)
    requests = _each(errand, model, spec)
    easel = Easel(errand, len(requests))
    size = spec.request.batch_size
    for first in range(0, len(requests), size):
        easel.paint(model, dict(list(enumerate(requests))[first : first + size]))


def open_model(errand: Errand, request: GenerationRequest) -> StableDiffusion:
    """The model that the request names, which may take its time."""
    errand.progress("loading", pictures=request.num_images)
    return errand.models.get(request.model, vae=request.vae, dtype=request.dtype, lenient=errand.settings.lenient)


def for_loaded(request: GenerationRequest) -> GenerationRequest:
    """The request without the model's name in the library, by which that was found; the model has its own."""
    return request.model_copy(update={"model": None})


def _each(errand: Errand, model: StableDiffusion, spec: GenerateSpec) -> list[ResolvedRequest]:
    """For each picture of the job the request that paints it alone; all of them are checked."""
    asked = for_loaded(spec.request)
    drawn = asked.resolved(model.spec)
    counted = "variation_seed" if drawn.variation_strength else "seed"
    templates = _templates(errand, spec)
    texts = []
    for single in drawn.singles():
        prompt, negative = templates.fill(single.prompt, single.negative_prompt, getattr(single, counted))
        texts.append({"prompt": prompt, "negative_prompt": negative})
    seeds = {"seed": drawn.seed, "variation_seed": drawn.variation_seed}
    whole = dict(model.resolve(GenerationRequest(**dict(asked) | seeds | texts[0])))
    alone = {"num_images": 1, "batch_size": 1, "network_hashes": {}, "a1111_hashes": {}}
    start = whole[counted]
    requests = [ResolvedRequest(**whole | alone | text | {counted: start + i}) for i, text in enumerate(texts)]
    for request in {(request.prompt, request.negative_prompt): request for request in requests}.values():
        model.prompts.read(request)
    return requests


def _templates(errand: Errand, spec: GenerateSpec) -> Templates:
    folder = errand.folder.wildcards
    wildcards = Wildcards([folder] if folder.is_dir() else []) if spec.variants else None
    unknown = (lambda line: errand.warn([line])) if errand.settings.lenient else refuse
    return Templates(style=spec.styles, styles_file=(errand.folder.styles,), wildcards=wildcards, on_unknown=unknown)


class Easel:
    """Paints, shows and saves the pictures of a job, batch after batch."""

    def __init__(self, errand: Errand, pictures: int) -> None:
        self._errand, self._pictures = errand, pictures
        self._finished = 0
        self._next_preview = time.perf_counter() + FIRST_PREVIEW

    def paint(self, model: StableDiffusion, batch: Mapping[int, ResolvedRequest]) -> None:
        """Paint pictures at once, by their numbers in the job, but for those left out or saved; save and tell them.

        All of the batch are painted again where one of them is still to be saved, since a picture's last bits depend
        on how many are painted at once; from the tape that costs nothing. `Stopped` where the job is to end.
        """
        errand = self._errand
        wanted = {index: request for index, request in batch.items() if index not in errand.left_out}
        if wanted.keys() - errand.done:
            tapes = errand.spool / f"tapes-{min(wanted):05}"
            try:
                result = model.paint(
                    list(wanted.values()),
                    on_progress=lambda progress: self._watch(model, list(wanted), progress),
                    first=min(wanted),
                    num_images=self._pictures,
                    tapes=tapes,
                )
            except Stopped:
                errand.check()  # else just these pictures are left out
            else:
                made = zip(wanted, result.images, result.requests, result.stages, strict=True)
                errand.warn(result.warnings)
                for index, picture, request, stages in made:
                    if index not in errand.done | errand.left_out:
                        errand.keep(picture, index, request=request, stages=stages, warnings=result.warnings)
            shutil.rmtree(tapes, ignore_errors=True)
        self.passed(len(batch))

    def passed(self, pictures: int) -> None:
        """So many more need no painting."""
        self._finished += pictures
        self._errand.leap(self._finished / self._pictures)

    def _watch(self, model: StableDiffusion, batch: list[int], now: Progress) -> None:
        errand = self._errand
        errand.check()
        if not set(batch) - errand.done - errand.left_out:
            raise Stopped
        if now.replayed:  # told in the attempt that did it
            return
        place = now.first - batch[0]
        part = place + (len(now.latents) * now.step / now.total if now.total else 0)
        pictures = batch[place : place + len(now.latents)]
        errand.progress(
            "working",
            (self._finished + part) / self._pictures,
            picture=pictures[0],
            pictures=self._pictures,
            step=now.step,
            steps=now.total,
        )
        if errand.settings.preview_method != "none" and self._is_due(now):
            self._show(model, pictures, now)

    def _is_due(self, now: Progress) -> bool:
        """Whether this step is shown: each so many, or when the last preview has been paid for by enough painting."""
        every = self._errand.settings.preview_every
        return now.step % every == 0 if every else time.perf_counter() >= self._next_preview

    def _show(self, model: StableDiffusion, pictures: list[int], now: Progress) -> None:
        errand, began = self._errand, time.perf_counter()
        previewer, line = errand.models.previewer(model, errand.settings.preview_method)
        errand.warn([] if line is None else [line])
        for index, picture in zip(pictures, previewer(now), strict=False):
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=QUALITY)
            errand.preview(index, now.step, file.getvalue())
        ended = time.perf_counter()
        self._next_preview = ended + (ended - began) / PREVIEWS
