"""Trainings on the service's data sets; a run lies in the data folder, and goes on when its name is given again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inkbloom.apps.samples import SamplePainter
from inkbloom.apps.service.folders import check_name
from inkbloom.apps.service.jobs import TRAINING_DATASETS, TRAINING_MODELS, TrainSpec
from inkbloom.apps.service.worker.errand import Errand
from inkbloom.apps.service.worker.homes import home, publish
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.saving import prepare_folder
from inkbloom.training.loop import Job, Progress
from inkbloom.training.reading import read_recipe, read_value
from inkbloom.training.recipes import DiffusionRecipe
from inkbloom.training.runs import prepare

HOMES = {
    "lora": "loras",
    "embedding": "embeddings",
    "dreambooth": "checkpoints",
    "diffusion": "checkpoints",
    "hypernetwork": "hypernetworks",
    "controlnet": "controlnet",
}
"""The kind of model that each training makes."""

DECIDED = ("base", "output", "name", "data", "cache_folder")
"""Fields that the job says otherwise, or the service."""
SAMPLES = {"sample_prompts": tuple[str, ...], "sample_seed": int, "sample_steps": int | None}

_PUBLISHED = "published.json"


def train(errand: Errand) -> None:
    """Train, or go on with the run of this name; its result goes into the library too.

    A stop keeps the state, so that the same job goes on from there. Models leave the memory before it begins.
    """
    spec = TrainSpec(**errand.run["spec"])
    errand.progress("loading")
    run = errand.folder.runs / check_name(spec.name, "name")
    sampling = {name: read_value(name, SAMPLES[name], value) for name, value in spec.fields.items() if name in SAMPLES}
    recipe = _recipe(errand, spec, run)
    recipe.run.budget(1)  # what has no end is told before anything is read
    kind = HOMES[spec.training]
    folder = home(errand.models.library, kind)
    _check_free(recipe, folder, run)
    errand.models.clear()
    prepare_folder(run)

    def looked(what: str, done: int, total: int) -> None:
        errand.progress("loading", step=done, steps=total)

    training = prepare(recipe, errand.models.compute.device, on_progress=looked)
    found = training.survey.findings.findings
    errand.warn(one.text.replace(f"{spec.dataset}/", "") for one in found if one.level == "warning")
    painter = SamplePainter(
        training,
        run / "samples",
        prompts=sampling.get("sample_prompts", ()),
        seed=sampling.get("sample_seed", 0),
        steps=sampling.get("sample_steps"),
    )
    result = {
        "files": [],
        "log": (run / "log.jsonl").relative_to(errand.folder.root).as_posix(),
        "sample_prompts": list(painter.prompts),
        "sample_every": recipe.run.sample_every,
    }
    errand.result(result)
    training.encode(looked)

    def told(now: Progress) -> None:
        _tell(errand, now, training.budget.steps)

    def show(step: int, job: Job) -> None:
        first = step // (recipe.run.sample_every or 1) * len(painter.prompts)
        for i, picture in enumerate(painter()):
            errand.keep(picture, first + i, role="sample", seed=painter.seed + i)

    files = training.run(
        stop=errand.must_stop, on_progress=told, on_samples=show, on_warning=lambda line: errand.warn([line])
    )
    errand.progress("saving", 1.0)
    _publish(files, folder, run)
    errand.result(result | {"files": [file.name for file in files]})


def _tell(errand: Errand, now: Progress, steps: int | None) -> None:
    left = now.seconds_left if math.isfinite(now.seconds_left) else None
    metrics = now.metrics | {"learning_rate": now.learning_rate, "steps_per_second": now.steps_per_second}
    errand.progress("working", now.part, step=now.step, steps=steps, seconds_left=left, metrics=metrics)


def _recipe(errand: Errand, spec: TrainSpec, run: Path) -> DiffusionRecipe:
    """The recipe of the job's fields, in which names stand for data sets and models, never paths."""
    fields: dict[str, Any] = {name: value for name, value in spec.fields.items() if name not in SAMPLES}
    for name in DECIDED:
        if name in fields:
            raise RequestError(f"The field {name} cannot be given here: the service decides it.")
    for name in fields.keys() & TRAINING_DATASETS.keys():
        match read_value(name, TRAINING_DATASETS[name], fields[name]):
            case tuple(names):
                fields[name] = tuple(_dataset(errand, name, one) for one in names)
            case str(one):
                fields[name] = _dataset(errand, name, one)
    for name in fields.keys() & TRAINING_MODELS.keys():
        if fields[name] is not None:
            fields[name] = errand.models.path(read_value(name, str, fields[name]), TRAINING_MODELS[name])
    base = None if spec.model is None else errand.models.path(spec.model)
    own = {"base": base, "output": run, "name": spec.name, "data": (Path(spec.dataset),)}
    return read_recipe(spec.training, fields | own)


def _dataset(errand: Errand, field: str, name: str) -> Path:
    """The folder of a data set; `RequestError` where there is none of the name."""
    folder = errand.folder.datasets / check_name(name, field)
    if not folder.is_dir():
        raise RequestError(f'{field}: there is no data set "{name}".')
    return folder


def _check_free(recipe: DiffusionRecipe, folder: Path, run: Path) -> None:
    """`RequestError` where the result's name belongs to a model that this run has not made."""
    words: Mapping[str, int] | None = getattr(recipe.own, "trigger_words", None)
    own = _published(run)
    for path in folder.iterdir():
        if path.stem in (words or (recipe.model.name,)) and path.name not in own:
            raise RequestError(f'There is already "{path.name}" in the library; give the training another name.')


def _publish(files: list[Path], folder: Path, run: Path) -> None:
    own = sorted(_published(run) | {file.name for file in files})
    (run / _PUBLISHED).write_text(json.dumps(own), encoding="utf-8")
    for file in files:
        publish(file, folder / file.name)


def _published(run: Path) -> set[str]:
    path = run / _PUBLISHED
    return set(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else set()
