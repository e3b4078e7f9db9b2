"""Whether a picture can be made again, bit for bit."""

from __future__ import annotations

from pathlib import Path

from inkbloom.apps.service.worker.errand import Errand
from inkbloom.apps.service.worker.painting import open_model
from inkbloom.pipelines import verification
from inkbloom.pipelines.metadata import read_metadata
from inkbloom.pipelines.stable_diffusion import Progress


def verify(errand: Errand) -> None:
    path = Path(errand.run.get("picture", ""))
    model = open_model(errand, verification.paintable(read_metadata(path)))

    def told(now: Progress) -> None:
        done = now.step / now.total if now.total else 0.0
        errand.progress("working", done, step=now.step, steps=now.total)

    verdict = verification.verify(model, path, on_progress=told)
    errand.result({"same": verdict.same, "explanation": verdict.explanation, "notes": verdict.notes})
