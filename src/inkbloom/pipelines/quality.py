"""How near two pictures are: PSNR and SSIM."""

from PIL import Image as PILImage
from torch import Tensor

from inkbloom.core import similarity
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.pictures import from_pictures

PEAK = 255.0


def psnr(first: PILImage.Image, second: PILImage.Image) -> float:
    """Peak signal-to-noise ratio in decibels: 10 log10(255^2 / MSE) over pixels and channels; infinite where equal."""
    return similarity.psnr(*_levels(first, second), PEAK).item()


def ssim(first: PILImage.Image, second: PILImage.Image) -> float:
    """Structural similarity (Wang et al. 2004, Eq. 13), averaged over pixels and colour channels; 1 where equal.

    `RequestError` for pictures smaller than its window of 11 x 11.
    """
    return similarity.ssim(*_levels(first, second), PEAK).item()


def _levels(first: PILImage.Image, second: PILImage.Image) -> tuple[Tensor, Tensor]:
    if first.size != second.size:
        raise RequestError(f"Only pictures of one size can be compared, got {first.size} and {second.size}.")
    a, b = ((from_pictures([picture]).double() + 1.0) * 127.5 for picture in (first, second))
    return a, b
