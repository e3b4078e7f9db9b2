"""`inkbloom list`: the samplers and schedules that requests may name, read off the registries."""

from __future__ import annotations

import inspect
import shutil
import textwrap
from collections.abc import Callable
from typing import Any

from cyclopts import App

list_ = App(name="list", help="List what --sampler and --schedule may name.", help_format="markdown")

_STEADY = "More steps refine one picture."
_RESTLESS = "It adds noise on the way: each number of steps gives another picture."
_SWITCHES = ("eta", "s_churn")
"""Options that turn noise on, where they are 0 by default."""


@list_.command
def samplers() -> int:
    """List the samplers: other names, order, model calls a step, noise, own schedule, options, and what each does.

    ```
    inkbloom list samplers
    ```
    """
    from inkbloom.sampling.registry import all_samplers

    for one in all_samplers():
        calls = f"{one.calls_per_step} call{'s' if one.calls_per_step > 1 else ''} a step" if one.calls_per_step else ""
        switch = next((name for name in _SWITCHES if one.options.get(name) == 0), None)
        noise = "noise" if one.stochastic and not switch else f"noise with {switch}" if one.stochastic else "no noise"
        options = ", ".join(f"{name}={value}" for name, value in one.options.items())
        _show(
            _named(one.name, one.aliases),
            ", ".join((f"order {one.order}", calls or "as many calls as it needs", noise)),
            f"Schedule {one.schedule}, unless another is named.",
            f"Options {options}." if options else "",
            _RESTLESS if noise == "noise" else _STEADY,
            _about(one.function),
        )
    return 0


@list_.command
def schedules() -> int:
    """List the schedules, the lists of sigmas that samplers step through: other names, and the formula of each.

    ```
    inkbloom list schedules
    ```
    """
    from inkbloom.sampling.sigmas import all_schedules

    for one in all_schedules():
        tuned = ", ".join(name for name in ("sigma_min", "sigma_max", "rho") if name in one.options)
        labels = (one.label, *one.aliases) if one.label.lower() != one.name else one.aliases
        _show(_named(one.name, labels), f"Takes {tuned}." if tuned else "", _about(one.function))
    return 0


def _named(name: str, others: tuple[str, ...]) -> str:
    return f"{name} ({', '.join(others)})" if others else name


def _about(function: Callable[..., Any]) -> str:
    """The first paragraph of its docstring."""
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].replace("`", "").split())


def _show(title: str, *lines: str) -> None:
    print(title)
    width = shutil.get_terminal_size().columns
    for line in filter(None, lines):
        print(textwrap.fill(line, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))
