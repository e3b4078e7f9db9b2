"""SD upscale (A1111's script): an enlarged picture is painted again, tile by tile, each from what is there."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from PIL import Image as PILImage

from inkbloom.core.tiles import Tiling, blended
from inkbloom.core.types import Image
from inkbloom.pipelines.editing.resizing import pad_to_multiple
from inkbloom.pipelines.editing.sources import PictureSource
from inkbloom.pipelines.pictures import from_pictures, to_pictures
from inkbloom.pipelines.request import GenerationRequest
from inkbloom.pipelines.stable_diffusion import StableDiffusion

SMALLEST = 64


def repaint_tiles(
    model: StableDiffusion,
    picture: PILImage.Image,
    request: GenerationRequest,
    *,
    tile: int | None = None,
    overlap: int = 64,
    on_tile: Callable[[int, int], None] = lambda done, total: None,
) -> PILImage.Image:
    """The picture painted again in overlapping squares of `tile` pixels (None: the model's own size).

    Each tile is img2img with the request's prompt, strength and so on, with the seed counted up from tile to tile.
    `on_tile` is told how many are done. `RequestError` where tiles cannot overlap so.
    """
    step = max(8, model.autoencoder.downscale)
    whole = pad_to_multiple(picture, step, SMALLEST)
    tiling = Tiling(size=(tile or model.spec.default_size) // step * step, overlap=overlap, step=step)
    total = len(tiling.windows(whole.height, whole.width))
    seed = model.resolve(request).seed
    numbers = count()

    def paint(image: Image) -> Image:
        number = next(numbers)
        source = PictureSource.of(to_pictures(image)[0])
        fields = {"init_image": source, "seed": seed + number, "num_images": 1, "width": None, "height": None}
        made = model.generate(GenerationRequest(**dict(request) | fields)).images
        on_tile(number + 1, total)
        return from_pictures(made)

    return to_pictures(blended(from_pictures([whole]), paint, tiling))[0].crop((0, 0, *picture.size))
