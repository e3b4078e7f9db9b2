"""One training on the command line: look first, then train, watched, until it is done or stopped."""

from __future__ import annotations

import sys
from pathlib import Path

from inkbloom.apps.cli.progress import count_bar, step_bar
from inkbloom.apps.cli.training.recipe_file import to_toml
from inkbloom.apps.cli.training.samples import SampleGrids
from inkbloom.apps.cli.training.watching import WatchSettings, watching
from inkbloom.core.errors import RequestError, Stopped
from inkbloom.pipelines.device import choose_compute
from inkbloom.pipelines.saving import prepare_folder
from inkbloom.training.loop import stop_on_signals
from inkbloom.training.recipes import Recipe, sections
from inkbloom.training.runs import Training, prepare
from inkbloom.training.world import World, joined

RECIPE_FILE = "recipe.toml"


def execute(recipe: Recipe, watch: WatchSettings, *, device: str | None, dry_run: bool) -> int:
    """Train what the recipe says, in all the processes that `torchrun` started; 130 where it was stopped."""
    if not recipe.data.data:
        raise RequestError("There is no data; name a folder of pictures with --data.")
    if not dry_run:
        recipe.run.budget(1)  # what has no end is told before anything is read
    folder = recipe.model.folder
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"output {folder} is a file; give a folder.")
    where = choose_compute(device, None).device
    with joined(recipe.run.strategy) as world:
        with count_bar() as count:
            training = prepare(recipe, where, world=world, writes=not dry_run, on_progress=count)
        if world.main:
            print("\n".join(training.survey.findings.lines()))
        if dry_run:
            _print_plan(training)
            return 0
        return _train(training, watch, world, folder)


def _train(training: Training, watch: WatchSettings, world: World, folder: Path) -> int:
    text = to_toml({**sections(training.recipe), "watch": watch})
    if world.main:
        prepare_folder(folder)
        if not (folder / RECIPE_FILE).exists():
            (folder / RECIPE_FILE).write_text(text, encoding="utf-8")
    board = folder / "tensorboard" if watch.tensorboard and world.main else None
    painter = SampleGrids(training, watch, folder / "samples") if training.model is not None else None
    with count_bar() as count:
        training.encode(count)
    try:
        with watching(training.job.name, board) as show, stop_on_signals() as stop:
            files = training.run(
                stop=stop,
                on_progress=show,
                on_samples=painter or (lambda step, job: None),
                on_warning=lambda line: print(f"inkbloom: {line}", file=sys.stderr),
            )
    except Stopped as error:
        print(f"inkbloom: {error}", file=sys.stderr)
        return 130
    if world.main:  # what may change when a run goes on, as the steps, is as it was in the end
        (folder / RECIPE_FILE).write_text(text, encoding="utf-8")
    for file in files:
        print(f"The result is {file}.")
    return 0


def _print_plan(training: Training) -> None:
    print()
    print(to_toml(sections(training.recipe)))
    trainee = training.job.trainee
    learning = sum(p.numel() for p in trainee.trained.parameters() if p.requires_grad)
    print(f"Parameters: {learning:,} learn, of {sum(p.numel() for p in trainee.parameters()):,} in use.")
    with step_bar("Estimating memory and time", None):
        needs, seconds = training.estimate(), training.seconds_per_step()
    parts = {
        "weights": needs.bytes_weights,
        "average": needs.bytes_average,
        "optimizer": needs.bytes_optimizer,
        "activations and gradients": needs.bytes_activations,
    }
    told = ", ".join(f"{name} {_size(count)}" for name, count in parts.items())
    print(f"Memory: about {_size(needs.bytes_in_all)} a process ({told}).")
    steps = training.recipe.run.budget(training.data.steps_per_epoch).steps if _has_budget(training) else None
    whole = f"; {steps} steps take about {seconds * steps / 60:.0f} min" if steps is not None else ""
    print(f"Time: about {seconds:.2g} s a step here{whole}.")


def _has_budget(training: Training) -> bool:
    settings = training.recipe.run
    return any(limit is not None for limit in (settings.steps, settings.epochs, settings.minutes))


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
