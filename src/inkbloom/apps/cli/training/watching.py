"""What a training shows while it runs: a line that moves in a terminal, lines in a file; TensorBoard where asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from inkbloom.core.errors import RequestError

if TYPE_CHECKING:
    from inkbloom.training.loop import Progress


@dataclass(frozen=True, kw_only=True)
class WatchSettings:
    sample_prompts: tuple[str, ...] = ()
    """What sample grids show, painted every sample_every steps. Empty: the data's first captions."""
    sample_seed: int = 0
    """Of the first sample picture; the next ones count up."""
    sample_steps: int | None = None
    """Sampling steps of sample pictures. None: the model's own."""
    tensorboard: bool = False
    """Write all measures for TensorBoard too, into the run's folder."""


_LINES_EVERY = 15.0
"""Seconds between lines where there is no terminal."""


class Watcher(Protocol):
    def __call__(self, progress: Progress) -> None: ...


@contextmanager
def watching(title: str, board: Path | None) -> Iterator[Watcher]:
    """A callback for the run's reports, closed at the end. `board` is TensorBoard's folder, where it is wanted."""
    from rich.console import Console

    console = Console()
    writer = _open_board(board) if board is not None else None
    with _terminal(console, title) if console.is_terminal else _lines() as show:

        def watch(progress: Progress) -> None:
            show(progress)
            if writer is not None:
                for name, value in progress.metrics.items():
                    writer.add_scalar(f"{progress.job}/{name}", value, progress.step)

        try:
            yield watch
        finally:
            if writer is not None:
                writer.close()


@contextmanager
def _terminal(console, title: str) -> Iterator[Watcher]:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.fields[job]}"), BarColumn(bar_width=16), TextColumn("{task.fields[told]}"))
    with Bar(*columns, console=console, transient=False) as bar:
        task = bar.add_task(title, total=1.0, job=title, told="starts")

        def show(progress: Progress) -> None:
            bar.update(task, completed=progress.part, job=progress.job, told=_short(progress))

        yield show


@contextmanager
def _lines() -> Iterator[Watcher]:
    last = 0.0

    def show(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINES_EVERY or progress.part >= 1.0:
            print(f"{progress.job}  {progress.part:6.1%}  {told(progress)}", flush=True)
            last = time.monotonic()

    yield show


def told(progress: Progress) -> str:
    """Step, measures, speed and the time left, in one line."""
    metrics = "  ".join(f"{name} {value:.4g}" for name, value in progress.metrics.items())
    examples = progress.samples_per_second
    speed = f"{progress.steps_per_second:.2f} steps/s" if examples is None else f"{examples:.1f} samples/s"
    left = _duration(progress.seconds_left)
    return f"step {progress.step}  {metrics}  rate {progress.learning_rate:.2g}  {speed}  {left} left"


def _short(progress: Progress) -> str:
    """What fits beside a bar into 80 columns."""
    held_out = {name: value for name, value in progress.metrics.items() if name.startswith("held_out")}
    shown = {"loss": progress.metrics["loss"], **held_out} if "loss" in progress.metrics else progress.metrics
    metrics = " ".join(f"{name} {value:.3f}" for name, value in shown.items())
    examples = progress.samples_per_second
    speed = f"{progress.steps_per_second:.1f} steps/s" if examples is None else f"{examples:.1f}/s"
    return f"{progress.step} {metrics} rate {progress.learning_rate:.1g} {speed} {_duration(progress.seconds_left)}"


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{hours:.1f} h" if hours >= 1 else f"{minutes:.0f} min" if minutes >= 1.5 else f"{seconds:.0f} s"


def _open_board(folder: Path):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        raise RequestError('--tensorboard needs the package tensorboard: pip install "inkbloom[train]"') from None
    return SummaryWriter(str(folder))
