"""Training an upscaler on pairs of pictures, small and large, that show the same."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inkbloom.core.similarity import psnr
from inkbloom.core.types import Float, Image, Int
from inkbloom.models.upscaler import Upscaler
from inkbloom.training.autoencoder import to_image
from inkbloom.training.batches import row_generator
from inkbloom.training.ema import averaged
from inkbloom.training.learner import Learner

FREQUENCY_WEIGHT = 0.05
"""Of the difference in the frequency domain, beside that of pixels."""
_WHITE = 2.0
Bytes = Int[Tensor, "pictures 3 height width"]


def upscaling_loss(made: Image, true: Image) -> Float[Tensor, "batch"]:
    """L1 of the pixels, and `FREQUENCY_WEIGHT` of that of their orthonormal Fourier transforms, means of each picture.

    The mean of pixels rewards blur where an edge's place is unknown; missing high frequencies are told by the second
    (as Cho et al. 2021, Eq. 4, have it).
    """
    pixels = (made - true).abs().mean(dim=(1, 2, 3))
    waves = torch.fft.rfft2(made - true, norm="ortho").abs().mean(dim=(1, 2, 3))
    return pixels + FREQUENCY_WEIGHT * waves


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Pictures in two sizes, one `scale` times as high and wide as the other."""

    small: Bytes
    large: Bytes
    scale: int

    def crops(self, count: int, size: int, seed: int, step: int) -> tuple[Image, Image]:
        """`count` squares of `size` small pixels, with what they become, turned and mirrored by chance."""
        pairs = [self._crop(size, row_generator(seed, step, row)) for row in range(count)]
        return to_image(torch.stack([one for one, _ in pairs])), to_image(torch.stack([two for _, two in pairs]))

    def _crop(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        count, _, height, width = self.small.shape
        i, top, left, turns, mirrored = (
            int(torch.randint(choices, (), generator=generator))
            for choices in (count, height - size + 1, width - size + 1, 4, 2)
        )
        made = []
        for pictures, scale in ((self.small, 1), (self.large, self.scale)):
            rows, columns = (slice(scale * start, scale * (start + size)) for start in (top, left))
            crop = torch.rot90(pictures[i, :, rows, columns], turns, (1, 2))
            made.append(crop.flip(2) if mirrored else crop)
        return made[0], made[1]


class UpscalerJob:
    """Trains `network` on crops of each of the `pairs` by turns; measured in dB on whole pictures of `held_out`."""

    name = "upscaler"

    def __init__(
        self,
        network: Upscaler,
        pairs: list[Pairs],
        held_out: list[Pairs],
        learner: Learner,
        *,
        batch_size: int,
        crop: int,
        seed: int = 0,
    ) -> None:
        self.network, self.pairs, self.held_out, self.learner = network, pairs, held_out, learner
        self.examples_per_step, self.crop, self.seed = batch_size, crop, seed

    def train_step(self, step: int, learning_rate: float) -> dict[str, float]:
        pairs = self.pairs[step % len(self.pairs)]
        small, large = pairs.crops(self.examples_per_step, self.crop, self.seed, step)
        with self.learner.autocast():
            made = self.network(small, pairs.scale)
        loss = upscaling_loss(made.float(), large).mean()
        norm = self.learner.learn(loss, learning_rate)
        return {"loss": loss.item(), "gradient_norm": norm}

    def evaluate(self) -> dict[str, float]:
        with averaged(self.network, self.learner.ema):
            return {
                f"psnr_{pairs.small.shape[-1]}_to_{pairs.large.shape[-1]}": mean_psnr(
                    pairs, lambda image, scale: self.network(image, scale)
                )
                for pairs in self.held_out
            }

    def state_dict(self) -> dict[str, Any]:
        return self.learner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict(state)


@torch.no_grad()
def mean_psnr(pairs: Pairs, enlarge: Callable[[Image, int], Image]) -> float:
    """The mean over the pictures of each one's PSNR in dB, rounded to 8 bits as a file would hold it."""
    return torch.cat([*_psnr(pairs, enlarge)]).mean().item()


def _psnr(pairs: Pairs, enlarge: Callable[[Image, int], Image]) -> Iterator[Tensor]:
    for small, large in zip(pairs.small.split(4), pairs.large.split(4), strict=True):
        made = enlarge(to_image(small), pairs.scale).clamp(-1, 1)
        levels = ((made + 1) * 127.5).round()
        yield psnr(levels / 127.5 - 1, to_image(large), _WHITE)
