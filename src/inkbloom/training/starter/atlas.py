"""The starter's sprites: one emoji for each object, in a picture that ships with the package.

`atlas.png` holds the cells row by row in the order of `catalogue.OBJECTS`. `python -m inkbloom.training.starter.atlas`
rebuilds it from the font; nothing else needs the font.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from inkbloom.core.errors import RequestError
from inkbloom.core.types import Float
from inkbloom.training.starter.catalogue import OBJECTS

CELL = 128
MARGIN = 4
"""Free pixels around a sprite in its cell, so that two neighbours never touch."""
GRID_COLUMNS = 6
ATLAS_PATH = Path(__file__).with_name("atlas.png")
FONT_PATH = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
"""Where Debian's fonts-noto-color-emoji puts it."""
_BITMAP_SIZE = 109  # the only size that the font's bitmaps (136 x 128) answer to


def build_atlas(font_path: Path | str = FONT_PATH) -> Image.Image:
    """Draw every object's emoji: RGBA, cells of 128 pixels, six to a row.

    A sprite is trimmed, scaled until its longer side fills the cell but for the margin, centred, and set on the cell's
    bottom margin, so that all stand on one ground line. Raises `RequestError` where the font cannot be opened.
    """
    try:
        font = ImageFont.truetype(str(font_path), _BITMAP_SIZE)
    except OSError as error:
        raise RequestError(f'Cannot open the emoji font "{font_path}": {error}.') from error
    atlas = Image.new("RGBA", (GRID_COLUMNS * CELL, math.ceil(len(OBJECTS) / GRID_COLUMNS) * CELL))
    for index, thing in enumerate(OBJECTS):
        drawn = Image.new("RGBA", (2 * CELL, 2 * CELL))
        ImageDraw.Draw(drawn).text((CELL // 2, CELL // 2), thing.glyph, font=font, embedded_color=True)
        sprite = drawn.crop(drawn.getbbox())
        scale = (CELL - 2 * MARGIN) / max(sprite.size)
        sprite = sprite.resize((round(sprite.width * scale), round(sprite.height * scale)), Image.Resampling.LANCZOS)
        row, column = divmod(index, GRID_COLUMNS)
        left = column * CELL + (CELL - sprite.width) // 2
        atlas.paste(sprite, (left, (row + 1) * CELL - MARGIN - sprite.height))
    return atlas


def load_atlas() -> Float[Tensor, "objects 4 128 128"]:
    """The sprites as RGBA in [0, 1], in the catalogue's order; colours are not multiplied by alpha."""
    with Image.open(ATLAS_PATH) as picture:
        pixels = torch.from_numpy(np.array(picture.convert("RGBA")))
    cells = pixels.unflatten(0, (-1, CELL)).unflatten(2, (-1, CELL))  # row h column w c
    cells = cells.permute(0, 2, 4, 1, 3).flatten(0, 1)  # object c h w
    return cells[: len(OBJECTS)].float() / 255


if __name__ == "__main__":
    build_atlas().save(ATLAS_PATH, optimize=True)
