"""Checkpoints out of checkpoints, and what sets two of them apart."""

from __future__ import annotations

import math

from inkbloom.apps.service.jobs import MergeSpec
from inkbloom.apps.service.worker.errand import Errand
from inkbloom.apps.service.worker.homes import home
from inkbloom.checkpoints import merging
from inkbloom.checkpoints.hashes import HashCache

_BEGUN = "merge-begun"


def merge(errand: Errand) -> None:
    spec = MergeSpec(**errand.run["spec"])
    errand.progress("loading")
    models = errand.models
    fields = spec.model_dump(exclude={"kind", "models", "vae", "compare"})
    recipe = merging.MergeRecipe(
        models=tuple(models.path(name) for name in spec.models),
        vae=None if spec.vae is None else models.path(spec.vae, "vae"),
        **fields,
    )
    if spec.compare:
        found = merging.differences(recipe)
        rows = [(one.block, one.tensors, _number(one.distance), _number(one.cosine)) for one in found]
        names = ("block", "tensors", "distance", "cosine")
        errand.result({"blocks": [dict(zip(names, row, strict=True)) for row in rows]})
        return
    # An attempt that began to write found the name free, so what is there by now is its own
    begun = errand.spool / _BEGUN

    def told(done: int, total: int) -> None:
        if not begun.exists():
            begun.parent.mkdir(parents=True, exist_ok=True)
            begun.touch()
        errand.progress("working", done / total, step=done, steps=total)

    folder = home(models.library, "checkpoints")
    path = merging.merge(
        recipe,
        folder,
        overwrite=begun.exists(),
        hash_of=HashCache(errand.folder.hashes).sha256,
        on_progress=told,
    )
    errand.result({"model": path.stem, "files": [path.name]})


def _number(value: float) -> float | None:
    """JSON knows no infinity."""
    return value if math.isfinite(value) else None
