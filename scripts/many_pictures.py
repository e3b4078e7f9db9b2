"""Run the plots of docs/many.md on the starter and keep the page's pictures: python scripts/many_pictures.py"""

import contextlib
import shutil
import tempfile
from pathlib import Path

from docs_pages import DOCS, commands

from inkbloom.apps.cli.main import main as inkbloom

SHOWN = ("steps", "animals", "matrix")
"""The folders of the plots, by which the page's pictures are called."""


def main() -> None:
    page = (DOCS / "many.md").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name in SHOWN:
            words = next(words for words in commands(page) if words[1] == "plot" and name in words)
            if inkbloom(words[1:]):
                raise SystemExit(f"This command of the page failed: {' '.join(words)}")
            shutil.copy(Path(name, "plot.png"), DOCS / "images" / f"many-{name}.png")


if __name__ == "__main__":
    main()
