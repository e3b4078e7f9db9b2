"""Regional prompts: where in the picture each part of a prompt acts, the parts that `AND` joins.

Of the composed guidance (Liu et al. 2022, Eq. 11) the difference of each part is weighted by its mask m_i, on the
latent grid:

    cond = uncond + sum_i m_i w_i (cond_i - uncond)

Nothing is normalised, as in `AND` itself and in A1111's Latent Couple: where masks overlap their parts add, and where
all are black only the unconditional estimate is left, which is told. (ComfyUI's ConditioningSetMask divides by the sum
of the masks instead; masks that add up to white everywhere do the same in both.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as PILImage
from PIL import ImageChops
from pydantic import Field

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.editing.masks import gaussian
from inkbloom.pipelines.editing.resizing import resize
from inkbloom.pipelines.editing.sources import PictureSource
from inkbloom.pipelines.settings import Settings

if TYPE_CHECKING:
    from inkbloom.core.types import Float, Tensor
    from inkbloom.pipelines.editing.canvas import Canvas
    from inkbloom.pipelines.request import ResolvedRequest

# torch is imported inside functions here: requests hold regions, and `import inkbloom` must stay light.

Masks = Mapping[int, "Float[Tensor, '1 1 latent_height latent_width']"]
"""In [0, 1], by the number of the part, from 0. A part that is not there acts everywhere."""


class RegionMask(Settings, frozen=True):
    """Where one part of the prompt acts."""

    part: int = Field(ge=1, le=100, description="which one, as AND joins them, from 1")
    image: PictureSource = Field(description="of the picture's proportions: white is where it acts, grey acts in part")
    blur: float = Field(0.0, ge=0, le=256, description="standard deviation in the mask's own pixels")
    invert: bool = Field(False, description="it acts where the mask is black")

    def opened(self) -> RegionMask:
        """The same with the mask's hash; `RequestError` where it cannot be opened."""
        return self.model_copy(update={"image": self.image.opened()})

    def values(self) -> PILImage.Image:
        """The mask as grey values. `RequestError` where it is empty."""
        mask = self.image.open().convert("L")
        if self.invert:
            mask = ImageChops.invert(mask)
        if mask.getbbox() is None:
            shade = "black" if self.invert else "white"
            raise RequestError(f"The mask of region {self.part} is empty: no pixel is {shade}, so it acts nowhere.")
        return gaussian(mask, self.blur) if self.blur else mask


def region_masks(request: ResolvedRequest, canvas: Canvas | None, downscale: int, *, enlarged: bool = False) -> Masks:
    """The masks of a request's regions on the latent grid, by area.

    They cover the finished picture, and go the way of the `canvas` to the painted size; in a pass over an `enlarged`
    picture they are cut as that is. `RequestError` for a mask that is empty or of other proportions than the picture.
    """
    import torch
    from torch.nn import functional as F

    size = (request.width, request.height) if canvas is None else canvas.finished_size
    masks = {}
    for region in request.regions:
        values = region.values()
        if not enlarged:
            _check_proportions(region.part, values.size, size)
        mask = resize(values, *size, "crop")
        if canvas is not None:
            mask = canvas.placed(mask, (request.width, request.height))
        pixels = torch.from_numpy(np.array(mask)).float()[None, None] / 255
        masks[region.part - 1] = F.avg_pool2d(pixels, downscale)
    return masks


def uncovered(masks: Masks, num_parts: int) -> str | None:
    """A line for the user where some of the picture is in no part's region."""
    if len(masks) < num_parts:
        return None
    empty = (sum(masks.values()) == 0).float().mean().item()  # type: ignore[union-attr] - there is at least one
    if not empty:
        return None
    return f"The regions leave {max(1, round(100 * empty))}% of the picture to no part of the prompt."


def _check_proportions(part: int, mask: tuple[int, int], picture: tuple[int, int]) -> None:
    # A side may be rounded, by a pixel of the smaller one
    if abs(mask[0] * picture[1] - mask[1] * picture[0]) > max(*mask, *picture):
        raise RequestError(
            f"The mask of region {part} has {mask[0]} x {mask[1]} pixels, the picture {picture[0]} x {picture[1]}; "
            "their proportions must agree."
        )
