"""What --help shows on a terminal of 80 columns, for every command there is."""

import inspect
import re
import shlex
from collections.abc import Iterator

import pytest
from cyclopts import App

from inkbloom.apps.cli.main import app

COLUMNS = 80


def commands(group: App, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    for name in group:
        if not name.startswith("-"):
            yield (*words, name), group[name]
            yield from commands(group[name], (*words, name))


COMMANDS = dict(commands(app))


def examples(command: App) -> list[str]:
    """The lines of the examples in a command's docstring."""
    found = re.search(r"```\n(.*?)```", inspect.getdoc(command.default_command) or "", re.DOTALL)
    return found[1].splitlines() if found else []


@pytest.mark.parametrize(
    "words", [words for words, command in COMMANDS.items() if command.default_command], ids=" ".join
)
def test_examples_are_shown_in_full(run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    lines = examples(COMMANDS[words])
    assert lines
    code, out, _ = run(*words, "--help")
    shown = [line.strip() for line in out.splitlines()]
    assert code == 0
    assert max(map(len, out.splitlines())) <= COLUMNS
    assert [line for line in lines if line.strip() not in shown] == []


@pytest.mark.parametrize(
    "words", [words for words, command in COMMANDS.items() if command.default_command], ids=" ".join
)
def test_examples_name_what_there_is(words: tuple[str, ...]) -> None:
    text = "\n".join(examples(COMMANDS[words])).replace("\\\n", " ")
    for line in text.splitlines():
        program, *rest = shlex.split(line)
        # Others start Python on several devices; a file of settings would be read
        if program != "inkbloom" or any(word.endswith(".toml") for word in rest):
            continue
        command, _, _ = app.parse_args(rest, exit_on_error=False, print_error=False)
        assert callable(command)
