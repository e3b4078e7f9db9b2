"""How near pictures are, as tensors: PSNR and SSIM."""

import torch
from torch.nn import functional as F

from inkbloom.core.errors import RequestError
from inkbloom.core.types import Float, Tensor

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5

Pictures = Float[Tensor, "batch channels height width"]


def psnr(first: Pictures, second: Pictures, peak: float) -> Float[Tensor, "batch"]:
    """Peak signal-to-noise ratio of each pair in decibels: 10 log10(peak^2 / MSE); infinite where equal.

    `peak` is the distance from black to white.
    """
    return 10 * torch.log10(peak**2 / (first - second).square().mean(dim=(1, 2, 3)))


def ssim(first: Pictures, second: Pictures, peak: float) -> Float[Tensor, "batch"]:
    """Structural similarity (Wang et al. 2004, Eq. 13) of each pair, over pixels and channels; 1 where equal.

    As published: a Gaussian window of 11 x 11, sigma 1.5, only where it lies inside the picture; K1 = 0.01, K2 = 0.03.
    `RequestError` for pictures smaller than the window.
    """
    height, width = first.shape[2:]
    if min(height, width) < SSIM_WINDOW:
        raise RequestError(
            f"SSIM needs pictures of at least {SSIM_WINDOW} x {SSIM_WINDOW} pixels, got {width, height}."
        )
    mean_a, mean_b = _blur(first), _blur(second)
    variance_a = _blur(first * first) - mean_a**2
    variance_b = _blur(second * second) - mean_b**2
    covariance = _blur(first * second) - mean_a * mean_b
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return (luminance * structure).mean(dim=(1, 2, 3))


def _blur(x: Tensor) -> Tensor:
    offsets = torch.arange(SSIM_WINDOW, dtype=x.dtype, device=x.device) - SSIM_WINDOW // 2
    window = torch.exp(-offsets.square() / (2 * SSIM_SIGMA**2))
    window = (window / window.sum()).expand(x.shape[1], 1, 1, -1)
    x = F.conv2d(x, window, groups=x.shape[1])
    return F.conv2d(x, window.transpose(2, 3), groups=x.shape[1])
