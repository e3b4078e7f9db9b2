"""Pictures in memory as a data set: `Crops` to train on, `whole` to measure on."""

from collections.abc import Iterator, Sequence

import torch

from inkbloom.core.errors import TrainingError
from inkbloom.core.types import Image, Int, Tensor
from inkbloom.training.batches import Batch, row_generator


class Crops:
    """Fulfils `Batches`: each row is a square of `size` pixels of some picture, drawn by (seed, step, row).

    Crops start at multiples of `grid`, to stay on the latent grid. `TrainingError` where they do not fit.
    """

    def __init__(
        self,
        pictures: Int[Tensor, "pictures 3 height width"],
        *,
        batch_size: int,
        size: int,
        grid: int = 8,
        seed: int = 0,
    ) -> None:
        if min(pictures.shape[2:]) < size:
            height, width = pictures.shape[2:]
            raise TrainingError(f"crops of {size} pixels do not fit into pictures of {width} x {height}.")
        self.pictures, self.size, self.grid, self.seed = pictures, size, grid, seed
        self.global_size = batch_size
        self.steps_per_epoch = -(-len(pictures) // batch_size)

    def batch(self, step: int, rows: Sequence[int]) -> Batch:
        crops = torch.stack([self._crop(row_generator(self.seed, step, row)) for row in rows])
        return _batch(step, rows, self.global_size, crops)

    def _crop(self, generator: torch.Generator) -> Tensor:
        count, _, height, width = self.pictures.shape
        i, top, left = (
            int(torch.randint(choices, (), generator=generator))
            for choices in (count, (height - self.size) // self.grid + 1, (width - self.size) // self.grid + 1)
        )
        top, left = top * self.grid, left * self.grid
        return self.pictures[i, :, top : top + self.size, left : left + self.size]


def whole(pictures: Int[Tensor, "pictures 3 height width"], batch_size: int = 32) -> Iterator[Batch]:
    """Each picture once, in order."""
    for step, chunk in enumerate(pictures.split(batch_size)):
        yield _batch(step, range(len(chunk)), batch_size, chunk)


def _batch(step: int, rows: Sequence[int], global_size: int, pictures: Tensor) -> Batch:
    captions = ("",) * len(rows)
    return Batch(step=step, rows=tuple(rows), global_size=global_size, captions=captions, pixels=to_image(pictures))


def to_image(pixels: Tensor) -> Image:
    """uint8 pixels 0 to 255 as an image in [-1, 1]."""
    return pixels.float() / 127.5 - 1.0
