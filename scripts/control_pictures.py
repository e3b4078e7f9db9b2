"""Run the commands of docs/control.md and draw the page's pictures: python scripts/control_pictures.py"""

import contextlib
import tempfile

from editing_pictures import draw, run_page
from PIL import Image

SHOWN = {
    "outlines": ("scene", "outlines.png", "sea", "words", "alone"),
    "weights": ("weak", "middle", "alone", "first", "last"),
    "modes": ("balanced", "prompt", "control"),
    "preprocessors": (
        *("scene", "outlines.png", "invert.png", "blur.png", "scribble.png"),
        *("threshold.png", "shuffle.png", "tile.png", "luminance.png", "intensity.png"),
    ),
    "regions": ("both", "left.png", "right.png", "halves", "soft"),
    "steered-regions": ("outlined",),
}
"""By the page's picture what it shows: a file, or the first picture of a folder."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, edges in (("left", (0, 0, 64, 128)), ("right", (64, 0, 128, 128))):
            mask = Image.new("L", (128, 128))
            mask.paste(255, edges)
            mask.save(f"{name}.png")
        run_page("control.md")
        for name, sources in SHOWN.items():
            draw(f"control-{name}.png", sources, columns=5 if len(sources) > 5 else None)


if __name__ == "__main__":
    main()
