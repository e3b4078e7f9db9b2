"""What a request paints on: the given picture at the painted size, its mask, and the way back into the whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image as PILImage

from inkbloom.core.types import Float, Tensor
from inkbloom.pipelines.editing.masks import (
    Area,
    composite,
    fill,
    gaussian,
    masked_area,
    match_colors,
    prepare_mask,
)
from inkbloom.pipelines.editing.outpainting import extend
from inkbloom.pipelines.editing.resizing import LANCZOS, pad_to_multiple, resize
from inkbloom.pipelines.request import ResolvedRequest

BOX = PILImage.Resampling.BOX
PADDING = 8, 64
"""The multiple and the least side that a picture of almost the painted size is drawn out to."""


@dataclass(frozen=True, kw_only=True)
class Canvas:
    picture: PILImage.Image
    """What goes to the autoencoder: RGB, in the painted size but for resize mode "latent"."""
    mask: PILImage.Image | None
    """Grey, in the painted size: where it is above 0, `picture` is repainted."""
    filled: PILImage.Image
    """`picture` with what painting starts from under the mask."""
    whole: PILImage.Image
    """What the result is put into, in its size."""
    whole_mask: PILImage.Image | None
    area: Area | None
    """The part of `whole` that is painted; None: all of it."""
    keep_size: tuple[int, int]
    """Of the painted picture, what is no padding."""

    def finish(self, painted: PILImage.Image, decoded: PILImage.Image | None = None) -> PILImage.Image:
        """The result: `painted` without padding, put back into the whole picture where there is a mask.

        Outside the mask, its blur included, it is `whole` bit for bit. With `decoded`, `picture` through the
        autoencoder and back, its colours are brought to those of the picture first.
        """
        painted = painted.crop((0, 0, *self.keep_size))
        if self.mask is None or self.whole_mask is None:
            return painted
        if decoded is not None:
            given, decoded, mask = (one.crop((0, 0, *self.keep_size)) for one in (self.picture, decoded, self.mask))
            painted = match_colors(painted, given, decoded, mask)
        if self.area is not None:
            canvas = self.whole.copy()
            canvas.paste(painted.resize(self.area.size, LANCZOS), self.area.box[:2])
            painted = canvas
        return composite(self.whole, painted, self.whole_mask)

    @property
    def finished_size(self) -> tuple[int, int]:
        """Of the pictures that `finish` makes."""
        return self.keep_size if self.area is None else self.whole.size

    def placed(self, mask: PILImage.Image, size: tuple[int, int]) -> PILImage.Image:
        """A grey picture of the finished size, brought to the painted one as `picture` was."""
        if self.area is not None:
            return mask.crop(self.area.box).resize(size, BOX)
        padded = pad_to_multiple(mask, *PADDING)
        return padded if padded.size == size else mask.resize(size, BOX)

    def latent_mask_pixels(self) -> Float[Tensor, "1 1 height width"] | None:
        """The mask in [0, 1]."""
        if self.mask is None:
            return None
        return torch.from_numpy(np.array(self.mask)).float()[None, None] / 255


def prepare_canvas(request: ResolvedRequest) -> Canvas:
    """Bring picture and mask of a request (which has an `init_image`) to the painted size.

    Raises `RequestError` for a mask that is empty or of another size, and for pictures that cannot be opened.
    """
    assert request.init_image is not None
    picture = request.init_image.open()
    mask = None
    if request.mask_image is not None:
        mask = prepare_mask(
            request.mask_image.open(),
            picture.size,
            invert=request.mask_invert,
            soft=request.mask_soft,
        )
    if any(request.outpaint):
        picture, mask = extend(picture, mask, request.outpaint)
    if mask is not None and request.mask_blur:
        mask = gaussian(mask, request.mask_blur)
    size = request.width, request.height
    area, keep_size = None, size
    if mask is not None and request.inpaint_area == "masked":
        area = masked_area(mask, request.inpaint_padding, request.width / request.height)
        whole, whole_mask = picture, mask
        picture, mask = (one.crop(area.box).resize(size, LANCZOS) for one in (picture, mask))
    elif pad_to_multiple(picture, *PADDING).size == size:
        whole, whole_mask, keep_size = picture, mask, picture.size
        picture, mask = pad_to_multiple(picture, *PADDING), mask and pad_to_multiple(mask, *PADDING)
    elif request.resize_mode == "latent":
        # It is brought to whole latent points here, and its latent to the painted size later
        whole = picture = resize(picture, *pad_to_multiple(picture, *PADDING).size)
        whole_mask = None
    else:
        picture, mask = resize(picture, *size, request.resize_mode), mask and resize(mask, *size, request.resize_mode)
        whole, whole_mask = picture, mask
    if whole_mask is not None and area is None and not request.mask_soft:
        # As A1111: the blur's inner half is painted wholly, so that the mask's own edge leaves no trace of the old
        whole_mask = PILImage.fromarray(np.minimum(255, 2 * np.asarray(whole_mask, np.int16)).astype(np.uint8))
    return Canvas(
        picture=picture,
        mask=mask,
        filled=fill(picture, mask) if mask is not None and request.masked_content == "fill" else picture,
        whole=whole,
        whole_mask=whole_mask,
        area=area,
        keep_size=keep_size,
    )
