"""A bar on the terminal while a model works; nothing where standard error is no terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def step_bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar of `total` steps (None: unknown) and their speed; the given function is told how many are done."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn

    class Speed(TextColumn):
        def render(self, task: Task):
            self.text_format = f"{task.speed:.1f} steps/s" if task.speed else ""
            return super().render(task)

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), Speed(""), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def count_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for whatever is being counted: the given function is told (what, how many are done, of how many)."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(
            task, description=what[:1].upper() + what[1:], completed=done, total=total
        )
