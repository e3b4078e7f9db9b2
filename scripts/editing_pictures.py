"""Run the commands of docs/editing.md and draw the page's pictures: python scripts/editing_pictures.py"""

import contextlib
import re
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageSequence

from inkbloom.apps.cli.main import main as inkbloom
from inkbloom.pipelines.pictures import make_grid

DOCS = Path(__file__).resolve().parents[1] / "docs"
MASK = (28, 24, 100, 112)
"""Where the cat of the page is, in pixels: left, top, right, bottom."""

SHOWN = {
    "img2img": ("start", "half", "most"),
    "mask": ("start", "mask.png", "masked"),
    "outpaint": ("wider",),
    "variations": ("varied/samples/00000.png", "varied/samples/00001.png", "varied/samples/00002.png"),
    "tiling": ("tile", "tile"),
    "invert": ("start", "inverted/00000-reconstruction.png", "redone"),
    "between": ("between.webp",),
}
"""By the page's picture what it shows side by side: a file, or the first picture of a folder."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        mask = Image.new("L", (128, 128))
        mask.paste(255, MASK)
        mask.save("mask.png")
        run_page("editing.md")
        for name, sources in SHOWN.items():
            draw(f"editing-{name}.png", sources, joined=name == "tiling")


def run_page(name: str) -> None:
    """Run the commands of a page, in the present folder."""
    page = (DOCS / name).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for line in "".join(blocks).splitlines():
        print(f"$ {line}")
        if inkbloom(shlex.split(line)[1:]):
            raise SystemExit(f"This command of the page failed: {line}")


def draw(name: str, sources: Sequence[str], *, joined: bool = False, columns: int | None = None) -> None:
    """Draw a page's picture of what its commands made."""
    pictures = [picture for source in sources for picture in opened(Path(source))]
    path = DOCS / "images" / name
    shown = side_by_side(pictures) if joined else make_grid(pictures, columns or len(pictures))
    shown.save(path, optimize=True)
    print(path)


def opened(source: Path) -> list[Image.Image]:
    path = source if source.suffix else source / "samples" / "00000.png"
    with Image.open(path) as file:
        return [frame.convert("RGB") for frame in ImageSequence.Iterator(file)]


def side_by_side(pictures: list[Image.Image]) -> Image.Image:
    """Without a border, so that a seam would show."""
    width, height = pictures[0].size
    whole = Image.new("RGB", (width * len(pictures), height))
    for i, picture in enumerate(pictures):
        whole.paste(picture, (i * width, 0))
    return whole


if __name__ == "__main__":
    main()
