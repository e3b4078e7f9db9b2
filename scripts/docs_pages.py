"""Run the commands that the documentation shows, and write their true output into its pages.

A page shows a command and its output in a block of its own:

    ```console
    $ inkbloom prompt "a cat"
    a cat
    ```

All commands of a page run one after the other in one empty folder, into which the files go that the page shows in
blocks with a `:caption:`. The starter lies there as `starter`, and, where a page teaches it something, 8 pictures of a
hedgehog as `lesson`. Output that differs only in seconds stays as it was.

    python scripts/docs_pages.py                     writes all pages
    python scripts/docs_pages.py docs/prompt.md      writes this one
    python scripts/docs_pages.py --check docs/*.md   says which pages are out of date, with the exit code 1
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from inkbloom.apps.cli.main import main as inkbloom
from inkbloom.families.starter import FOLDER
from inkbloom.training.starter.teaching import write_lesson

DOCS = Path(__file__).parents[1] / "docs"

_CONSOLE = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^```\{code-block\} \w+\n:caption: (\S+)\n\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ (.*(?:(?<=\\)\n> .*)*)\n", re.MULTILINE)
_SECONDS = re.compile(r"\b\d+\.\d s\b")


def pages() -> list[Path]:
    return sorted(DOCS.rglob("*.md"))


def commands(text: str) -> list[list[str]]:
    """The words of each command of a page, without the `$`."""
    found = [command for block in _CONSOLE.findall(text) for command in _COMMAND.findall(block)]
    return [shlex.split(command.replace("\\\n> ", "")) for command in found]


def shown(text: str) -> list[str]:
    """The blocks of a page that are the same in every language: commands with their output, and files."""
    return [*_CONSOLE.findall(text), *(f"{name}: {content}" for name, content in _FILE.findall(text))]


def rewritten(text: str) -> str:
    """The page with the output that its commands have now."""
    with scratch(text):
        return _CONSOLE.sub(lambda block: _run_block(block[0]), text)


def _run_block(block: str) -> str:
    shown = _COMMAND.split(block)
    parts = []
    for command, before in zip(shown[1::2], shown[2::2], strict=True):
        now = _run(shlex.split(command.replace("\\\n> ", "")))
        parts.append(f"$ {command}\n{before if _SECONDS.sub('', before) == _SECONDS.sub('', now) else now}")
    return "".join(parts)


def _run(words: list[str]) -> str:
    """What one command says, on both streams."""
    program, *arguments = words
    if program != "inkbloom":
        raise SystemExit(f'Pages show the program inkbloom, not "{program}".')
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        inkbloom(arguments)
    return "".join(f"{line.rstrip()}\n" for line in said.getvalue().splitlines())


@contextlib.contextmanager
def scratch(text: str) -> Iterator[None]:
    """A folder to work in, with the page's files, its lesson and the starter, and no settings from outside."""
    files = dict(_FILE.findall(text))
    outside = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("starter").symlink_to(FOLDER)
        if any(name.startswith("lesson/") for name in files):
            write_lesson(Path("lesson"), "hedgehog")
        for name, text in files.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text, encoding="utf-8")
        settings = {"COLUMNS": "80", "XDG_CACHE_HOME": f"{folder}/.cache", "NO_COLOR": "1"}
        os.environ.update(settings)
        os.environ.pop("INKBLOOM_MODELS", None)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(outside)


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    chosen = [Path(name) for name in arguments if name != "--check"] or pages()
    old = []
    for page in chosen:
        text = page.read_text(encoding="utf-8")
        new = rewritten(text)
        if new != text:
            old.append(page)
            print(f"{page}: {'out of date' if check else 'written'}")
            if not check:
                page.write_text(new, encoding="utf-8")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
