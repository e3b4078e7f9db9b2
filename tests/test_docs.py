"""The documentation keeps up with the program: its commands exist, and what it shows is what they say.

The pages that load models are only read here; `python scripts/docs_pages.py` runs them all.
"""

import contextlib
import importlib.util
from pathlib import Path

import pytest

from inkbloom.apps.cli.main import app
from inkbloom.core.errors import InkbloomError

ROOT = Path(__file__).parents[1]
_spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "scripts" / "docs_pages.py")
assert _spec
assert _spec.loader
docs_pages = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(docs_pages)

PAGES = {page.relative_to(docs_pages.DOCS).as_posix(): page.read_text(encoding="utf-8") for page in docs_pages.pages()}


@pytest.mark.parametrize("name", [name for name, text in PAGES.items() if docs_pages.commands(text)])
def test_commands_can_be_typed(name: str) -> None:
    with docs_pages.scratch(PAGES[name]):
        for program, *words in docs_pages.commands(PAGES[name]):
            assert program == "inkbloom"
            with contextlib.suppress(InkbloomError):  # known, and refused for its values
                command, _, _ = app.parse_args(words, exit_on_error=False, print_error=False)
                assert callable(command)


@pytest.mark.parametrize("name", ["prompt.md", "list.md"])
def test_output_is_what_commands_say(name: str) -> None:
    assert docs_pages.rewritten(PAGES[name]) == PAGES[name]


@pytest.mark.parametrize("name", [name.removeprefix("zh/") for name in PAGES if name.startswith("zh/")])
def test_chinese_pages_show_the_same(name: str) -> None:
    assert docs_pages.shown(PAGES[f"zh/{name}"]) == docs_pages.shown(PAGES[name])


BEFORE, AFTER = (
    """\
# A page

```{code-block} text
:caption: lists/animal.txt

cat
```

```console
$ inkbloom prompt "a __animal__" \\
> --wildcards lists --seed 1
old
$ inkbloom prompt "a" --steps 0
```
Text.
""",
    """\
# A page

```{code-block} text
:caption: lists/animal.txt

cat
```

```console
$ inkbloom prompt "a __animal__" \\
> --wildcards lists --seed 1
a cat
  chunk 1, 2/75: a cat
$ inkbloom prompt "a" --steps 0
inkbloom: steps 0: a schedule needs at least 1 step.
```
Text.
""",
)


def test_the_script_writes_true_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(BEFORE, encoding="utf-8")
    assert docs_pages.main(["--check", str(page)]) == 1
    assert docs_pages.main([str(page)]) == 0
    assert capsys.readouterr().out == f"{page}: out of date\n{page}: written\n"
    assert page.read_text(encoding="utf-8") == AFTER
    assert docs_pages.main(["--check", str(page)]) == 0
