"""The watermark against a plain copy of what the library `invisible-watermark` does when it reads one."""

import numpy as np
import pytest
from PIL import Image as PILImage

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.watermark import MARK, add_watermark, read_watermark


def library_reads(picture: PILImage.Image, length: int = len(MARK)) -> bytes:
    """U as OpenCV makes it, one level of Haar wavelets, and a vote of all 4 x 4 blocks, block by block."""
    red, green, blue = np.asarray(picture, np.float64).transpose(2, 0, 1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    u = np.round((blue - luma) * 0.492 + 128).clip(0, 255)
    u = u[: u.shape[0] // 4 * 4, : u.shape[1] // 4 * 4]
    haar = np.array([1, 1]) / np.sqrt(2)
    low = sum(haar[i] * haar[j] * u[i::2, j::2] for i in range(2) for j in range(2))
    votes: list[list[int]] = [[] for _ in range(8 * length)]
    number = 0
    for row in range(low.shape[0] // 4):
        for column in range(low.shape[1] // 4):
            block = np.abs(low[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]).flatten()
            votes[number % (8 * length)].append(block[1:].max() % 36 > 18)
            number += 1
    return np.packbits([np.mean(vote) * 255 > 127 for vote in votes]).tobytes()


def smooth(width: int, height: int) -> PILImage.Image:
    small = np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)
    return PILImage.fromarray(small).resize((width, height), PILImage.Resampling.BICUBIC)


PICTURES = {
    "smooth": smooth(300, 257),
    "noise": PILImage.fromarray(np.random.default_rng(1).integers(0, 256, (256, 264, 3), np.uint8)),
    "grey": PILImage.new("RGB", (256, 256), "grey"),
    "black": PILImage.new("RGB", (256, 256)),
    "white": PILImage.new("RGB", (256, 256), "white"),
    "sky": PILImage.new("RGB", (256, 256), "skyblue"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_library_reads_it_and_so_do_we(name: str) -> None:
    picture = PICTURES[name]
    marked = add_watermark(picture)
    assert marked.size == picture.size
    assert library_reads(marked) == MARK
    assert read_watermark(marked) == MARK
    assert read_watermark(picture) != MARK


def test_it_is_invisible_and_other_bytes_can_be_written() -> None:
    marked = add_watermark(PICTURES["smooth"], b"inkbloom")
    assert read_watermark(marked, 8) == b"inkbloom"
    apart = np.abs(np.asarray(marked, np.int16) - np.asarray(PICTURES["smooth"], np.int16))
    assert apart.mean() < 1.5  # measured 0.7 of 255
    assert np.asarray(PICTURES["smooth"]).tobytes() == np.asarray(smooth(300, 257)).tobytes()  # the input is untouched


def test_too_small_a_picture_is_refused() -> None:
    with pytest.raises(RequestError) as error:
        add_watermark(PILImage.new("RGB", (128, 128)))
    assert str(error.value) == (
        "watermark: a picture of 128 x 128 pixels is too small to carry one; it needs 65,536 pixels, such as 256 x 256."
    )
