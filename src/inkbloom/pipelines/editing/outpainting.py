"""Extending a picture beyond its edges: a larger picture whose new part is a mask to be repainted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image as PILImage

from inkbloom.pipelines.editing.resizing import pad

_GRAIN = 24.0
"""Standard deviation, in grey levels, of the noise over edges drawn out, which else would be painted as stripes."""


class Margins(NamedTuple):
    """Pixels on each side."""

    left: int
    top: int
    right: int
    bottom: int


def extend(
    picture: PILImage.Image, mask: PILImage.Image | None, margins: Margins
) -> tuple[PILImage.Image, PILImage.Image]:
    """The picture with its edges drawn out under some grain, and a mask that is 255 there and elsewhere `mask` (or 0).

    The grain is the same at each call, so that all pictures of a run start from one.
    """
    drawn_out = np.asarray(pad(picture, *margins), dtype=np.float64)
    grain = np.random.default_rng(0).normal(0.0, _GRAIN, drawn_out.shape)
    extended = PILImage.fromarray((drawn_out + grain).round().clip(0, 255).astype(np.uint8))
    new = PILImage.new("L", extended.size, 255)
    corner = margins.left, margins.top
    extended.paste(picture, corner)
    new.paste(mask or PILImage.new("L", picture.size), corner)
    return extended, new
