"""From the picture of a control unit to the tensor that its network reads."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image as PILImage

from inkbloom.core.errors import RequestError
from inkbloom.core.types import Float, Tensor
from inkbloom.pipelines.control.unit import ControlUnit
from inkbloom.pipelines.editing.canvas import Canvas
from inkbloom.pipelines.editing.resizing import resize
from inkbloom.pipelines.preprocessing import find_preprocessor
from inkbloom.pipelines.request import ResolvedRequest


def control_picture(unit: ControlUnit, width: int, height: int, canvas: Canvas | None = None) -> PILImage.Image:
    """The unit's picture, preprocessed, at the painted size.

    Pixel perfect, it is brought to that size first. With a `resolution` it is preprocessed with its shorter side so
    long; what is black and white, such as edges, stays so when it is then resized. Where only an area of a whole
    picture is painted, that part is taken of control pictures of the whole's size.
    """
    picture = unit.image.open()
    if canvas is not None and canvas.area is not None and picture.size == canvas.whole.size:
        picture = picture.crop(canvas.area.box)
    preprocess = find_preprocessor(unit.preprocessor)
    settings = unit.threshold_a, unit.threshold_b

    def fitted(each: PILImage.Image) -> PILImage.Image:
        return resize(each, width, height, unit.resize_mode)

    if unit.resolution is None:
        return preprocess(fitted(picture), *settings)
    return preprocess.at(picture, unit.resolution, fitted, *settings)


def hint_of(unit: ControlUnit, request: ResolvedRequest, canvas: Canvas | None) -> Float[Tensor, "1 3 height width"]:
    """In [0, 1]; for the preprocessor inpaint -1 where the picture is to be filled, as ControlNet 1.1's learned it.

    `RequestError` where that has no mask, and for pictures that cannot be opened.
    """
    picture = control_picture(unit, request.width, request.height, canvas)
    hint = torch.from_numpy(np.array(picture)).movedim(-1, 0)[None].float() / 255  # 1 c h w
    if unit.preprocessor != "inpaint":
        return hint
    mask = canvas.mask if canvas is not None else None
    if unit.mask is not None:
        mask = resize(unit.mask.open(), request.width, request.height, unit.resize_mode)
    if mask is None:
        raise RequestError(f'Control "{unit.model}": the preprocessor inpaint needs a mask; give mask_image or mask.')
    filled = torch.from_numpy(np.array(mask.convert("L")) >= 128)
    return hint.masked_fill(filled, -1.0)


_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def clip_image(picture: PILImage.Image, side: int) -> Float[Tensor, "1 3 side side"]:
    """The middle square of a picture as CLIP's image encoders learned to see it, bicubic and normed by channel."""
    scale = side / min(picture.size)
    size = (max(side, int(picture.width * scale)), max(side, int(picture.height * scale)))
    scaled = picture.convert("RGB").resize(size, PILImage.Resampling.BICUBIC)
    left, top = (scaled.width - side) // 2, (scaled.height - side) // 2
    pixels = torch.from_numpy(np.array(scaled.crop((left, top, left + side, top + side))))
    values = pixels.movedim(-1, 0)[None].float() / 255  # 1 c h w
    mean, deviation = (torch.tensor(each)[:, None, None] for each in (_CLIP_MEAN, _CLIP_DEVIATION))
    return (values - mean) / deviation
