import math

import numpy as np
import pytest
from PIL import Image

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.quality import psnr, ssim


def pair() -> tuple[Image.Image, Image.Image]:
    random = np.random.default_rng(0)
    clean = random.integers(0, 256, (17, 21, 3))
    noisy = (clean + random.normal(0, 20, clean.shape)).clip(0, 255)
    first, second = (Image.fromarray(levels.round().astype(np.uint8)) for levels in (clean, noisy))
    return first, second


def ssim_by_loops(first: Image.Image, second: Image.Image) -> float:
    """Wang et al. 2004, Eq. 13, window by window in NumPy."""
    a, b = (np.asarray(picture).astype(float) for picture in (first, second))
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    scores = []
    for channel in range(3):
        for top in range(a.shape[0] - 10):
            for left in range(a.shape[1] - 10):
                x, y = (levels[top : top + 11, left : left + 11, channel] for levels in (a, b))
                mean_x, mean_y = (window * x).sum(), (window * y).sum()
                var_x, var_y = (window * (x - mean_x) ** 2).sum(), (window * (y - mean_y) ** 2).sum()
                cov = (window * (x - mean_x) * (y - mean_y)).sum()
                top_part = (2 * mean_x * mean_y + 6.5025) * (2 * cov + 58.5225)
                scores.append(top_part / ((mean_x**2 + mean_y**2 + 6.5025) * (var_x + var_y + 58.5225)))
    return float(np.mean(scores))


def test_ssim_equals_its_formula() -> None:
    assert ssim(*pair()) == pytest.approx(ssim_by_loops(*pair()), abs=1e-9)


def test_psnr_equals_its_formula() -> None:
    a, b = (np.asarray(picture).astype(float) for picture in pair())
    assert psnr(*pair()) == pytest.approx(20 * math.log10(255 / math.sqrt(np.mean((a - b) ** 2))), abs=1e-6)


def test_equal_pictures() -> None:
    first, _ = pair()
    assert psnr(first, first) == math.inf
    assert ssim(first, first) == pytest.approx(1.0)


def test_sizes_are_checked() -> None:
    first, _ = pair()
    with pytest.raises(RequestError, match=r"Only pictures of one size can be compared, got \(21, 17\) and \(8, 8\)"):
        psnr(first, first.resize((8, 8)))
    with pytest.raises(RequestError, match="SSIM needs pictures of at least 11 x 11 pixels"):
        ssim(first.resize((8, 8)), first.resize((8, 8)))
