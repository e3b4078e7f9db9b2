"""Draw the picture of docs/previews.md from the real model: python scripts/preview_pictures.py

Columns are steps of one run, rows the methods matrix, tiny and full.
"""

from pathlib import Path

from inkbloom import StableDiffusion
from inkbloom.pipelines.pictures import make_grid
from inkbloom.pipelines.previews import Previewer
from inkbloom.pipelines.stable_diffusion import Progress

PLACE = Path(__file__).parent.parent / "docs" / "images" / "previews.png"
PROMPT, SEED, STEPS, SHOWN = "a big castle under a starry night sky", 7, 30, (1, 6, 12, 18, 24, 30)


def main() -> None:
    model = StableDiffusion.load()
    kept: list[Progress] = []
    model.generate(PROMPT, seed=SEED, steps=STEPS, on_progress=kept.append)
    previewers = [Previewer.of(model, method) for method in ("matrix", "tiny", "full")]
    rows = [preview for previewer in previewers for step in SHOWN for preview in previewer(kept[step - 1])]
    make_grid(rows, len(SHOWN)).save(PLACE, optimize=True)


if __name__ == "__main__":
    main()
