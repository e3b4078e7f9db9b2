"""What the commands for many pictures share: their options, the models of a batch, and the work itself."""

# Annotations stay real objects here, as in `options`.

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from inkbloom.apps.cli.painting.asking import load_model
from inkbloom.apps.cli.painting.options import RequestOptions, flag
from inkbloom.core.errors import CheckpointError

if TYPE_CHECKING:
    from inkbloom.families.spec import ModelSpec
    from inkbloom.pipelines.batches.plan import Plan
    from inkbloom.pipelines.stable_diffusion import StableDiffusion
    from inkbloom.text.prompt.styles import Style

MANY = Group("Many pictures", sort_key=0)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ManyOptions(RequestOptions):
    """What decides the pictures of a batch, and how they are kept."""

    format: Annotated[
        Literal["png", "jpg", "webp", "avif"],
        flag("--format", group=MANY, help="Of the pictures; all carry how they were made."),
    ] = "png"
    privacy: Annotated[
        Literal["full", "without-prompt", "hash-only", "none"],
        flag("--privacy", group=MANY, help="How much the pictures tell; `inkbloom verify` needs full."),
    ] = "full"
    styles_file: Annotated[
        tuple[Path, ...],
        flag("--styles-file", group=MANY, negative_iterable="", help="Where styles are read from; repeatable."),
    ] = field(default=(Path("styles.csv"),))

    def asked(self) -> tuple[str, ...]:
        """What decides the pictures beside their requests."""
        load = (self.ckpt, self.vae, self.config, self.ema, self.device, self.dtype, self.precision)
        return tuple(map(str, load))


def read_styles_of(options: ManyOptions) -> "dict[str, Style]":
    """The styles of the files that are there; the usual file may be missing."""
    from inkbloom.text.prompt.styles import read_styles

    usual = ManyOptions().styles_file
    return read_styles(path for path in options.styles_file if options.styles_file != usual or path.exists())


class Models:
    """The models of a batch by name or file; one is in memory at a time."""

    def __init__(self, options: ManyOptions) -> None:
        self._options = options
        self._loaded: tuple[tuple[str | None, str | None], StableDiffusion] | None = None
        self._specs: dict[str | None, ModelSpec] = {}

    def spec(self, checkpoint: str | None) -> "ModelSpec":
        """Of a checkpoint, read off its header."""
        from inkbloom.checkpoints import detect
        from inkbloom.families.starter import FOLDER

        if checkpoint not in self._specs:
            path = self._path(checkpoint)
            config = self._options.config if checkpoint is None else None
            self._specs[checkpoint] = detect(FOLDER if path is None else path, config=config)
        return self._specs[checkpoint]

    def load(self, checkpoint: str | None, vae: str | None) -> "StableDiffusion":
        if self._loaded is None or self._loaded[0] != (checkpoint, vae):
            self._loaded = None  # free before the next is read
            changed: dict[str, Any] = {"ckpt": self._path(checkpoint)}
            if checkpoint is not None:
                changed["config"] = None
            if vae is not None:
                changed["vae"] = vae
            self._loaded = (checkpoint, vae), load_model(replace(self._options, **changed))
        return self._loaded[1]

    def _path(self, checkpoint: str | None) -> Path | None:
        from inkbloom.apps.cli.storage import open_library

        if checkpoint is None:
            return self._options.ckpt
        if Path(checkpoint).exists():
            return Path(checkpoint)
        library = open_library(self._options.models_dir)
        if library is None:
            raise CheckpointError(f'There is no model file "{checkpoint}", and no folder of models to look it up in.')
        return library.find(checkpoint)


def work(plan: "Plan", folder: Path, models: Models, options: ManyOptions) -> int | None:
    """Paint what is missing of the plan and say so; the exit code where the work ends early, or None.

    2: some pictures failed, and the lines on standard error say which; 130: stopped by Ctrl-C.
    """
    from inkbloom.apps.cli.progress import step_bar
    from inkbloom.pipelines.batches.work import SPOOL, paint_plan
    from inkbloom.pipelines.spool import Spool

    missing = len(plan.missing(folder))
    there = len(plan.entries) - missing
    if there:
        print(f"{there} of {len(plan.entries)} pictures are there already.")
    started = time.monotonic()
    try:
        with step_bar("Pictures", missing) as show:
            outcome = paint_plan(
                plan,
                folder,
                models.load,
                privacy=options.privacy,
                on_saved=show,
            )
    except KeyboardInterrupt:
        done = len(plan.entries) - len(plan.missing(folder))
        tell([f"stopped. {done} of {len(plan.entries)} pictures are in {folder}; the same command goes on."])
        return 130
    finally:
        if (folder / SPOOL).is_dir():
            tell([Spool(folder / SPOOL).left()])
    tell([*outcome.warnings, *outcome.failures])
    if outcome.painted:
        print(f"Painted {_pictures(outcome.painted)} in {time.monotonic() - started:.1f} s, saved in {folder}.")
    return 2 if outcome.failures else None


def tell(lines: Sequence[str]) -> None:
    """On standard error, one line each."""
    for line in lines:
        print(f"inkbloom: {line}", file=sys.stderr)


def _pictures(count: int) -> str:
    return f"{count} picture{'s' if count != 1 else ''}"
