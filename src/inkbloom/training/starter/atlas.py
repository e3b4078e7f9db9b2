"""The starter's sprites: one emoji for each object, in a picture that ships with the package.

`atlas.webp` holds the cells row by row in the order of `catalogue.OBJECTS`. `python -m inkbloom.training.starter.atlas`
rebuilds it from the font; nothing else needs the font.
"""

from __future__ import annotations

import math
from functools import lru_cache
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
GRID_COLUMNS = 20
ATLAS_PATH = Path(__file__).with_name("atlas.webp")
FONT_PATH = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
"""Where Debian's fonts-noto-color-emoji puts it."""
_BITMAP_SIZE = 109  # the only size that the font's bitmaps (136 x 128) answer to


def build_atlas(font_path: Path | str = FONT_PATH) -> Image.Image:
    """Draw every object's emoji: RGBA, cells of 128 pixels, 20 to a row.

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


def sprite(index: int) -> Float[Tensor, "4 128 128"]:
    """An object's sprite as RGBA in [0, 1]; colours are not multiplied by alpha."""
    return _cells()[index].float() / 255


@lru_cache(maxsize=1)
def _cells() -> Tensor:
    """All cells in the catalogue's order, uint8: 27 MB."""
    with Image.open(ATLAS_PATH) as picture:
        pixels = torch.from_numpy(np.array(picture.convert("RGBA")))
    cells = pixels.unflatten(0, (-1, CELL)).unflatten(2, (-1, CELL))  # row h column w c
    return cells.permute(0, 2, 4, 1, 3).flatten(0, 1).contiguous()  # object c h w


if __name__ == "__main__":
    build_atlas().save(ATLAS_PATH, quality=85, alpha_quality=90, method=4)
