"""How near two pictures are: PSNR and SSIM."""

import math

import torch
from PIL import Image as PILImage
from torch import Tensor
from torch.nn import functional as F

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.pictures import from_pictures

PEAK = 255.0
SSIM_WINDOW = 11
SSIM_SIGMA = 1.5


def psnr(first: PILImage.Image, second: PILImage.Image) -> float:
    """Peak signal-to-noise ratio in decibels: 10 log10(255^2 / MSE) over pixels and channels; infinite where equal."""
    a, b = _levels(first, second)
    error = (a - b).square().mean().item()
    return 10 * math.log10(PEAK**2 / error) if error else math.inf


def ssim(first: PILImage.Image, second: PILImage.Image) -> float:
    """Structural similarity (Wang et al. 2004, Eq. 13), averaged over pixels and colour channels; 1 where equal.

    As published: a Gaussian window of 11 x 11, sigma 1.5, only where it lies inside the picture; K1 = 0.01, K2 = 0.03.
    `RequestError` for pictures smaller than the window.
    """
    a, b = _levels(first, second)
    if min(a.shape[2:]) < SSIM_WINDOW:
        raise RequestError(f"SSIM needs pictures of at least {SSIM_WINDOW} x {SSIM_WINDOW} pixels, got {first.size}.")
    mean_a, mean_b = _blur(a), _blur(b)
    variance_a = _blur(a * a) - mean_a**2
    variance_b = _blur(b * b) - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return (luminance * structure).mean().item()


def _levels(first: PILImage.Image, second: PILImage.Image) -> tuple[Tensor, Tensor]:
    if first.size != second.size:
        raise RequestError(f"Only pictures of one size can be compared, got {first.size} and {second.size}.")
    a, b = ((from_pictures([picture]).double() + 1.0) * 127.5 for picture in (first, second))
    return a, b


def _blur(x: Tensor) -> Tensor:
    offsets = torch.arange(SSIM_WINDOW, dtype=x.dtype) - SSIM_WINDOW // 2
    window = torch.exp(-offsets.square() / (2 * SSIM_SIGMA**2))
    window = (window / window.sum()).expand(x.shape[1], 1, 1, -1)
    x = F.conv2d(x, window, groups=x.shape[1])
    return F.conv2d(x, window.transpose(2, 3), groups=x.shape[1])
