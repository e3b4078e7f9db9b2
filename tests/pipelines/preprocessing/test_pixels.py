"""The preprocessors against OpenCV (README.md says how the numbers were made): edges, scribbles and V exactly, L within
1 of 255 levels, the blur within 2, since OpenCV's kernel for 8 bits ends at 3 sigma and is rounded to 8 bits."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PILImage

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.preprocessing import PREPROCESSORS, find_preprocessor, pixels

GOLDEN: dict[str, NDArray] = dict(np.load(Path(__file__).with_name("opencv.npz")))
PICTURES = [GOLDEN[f"pic{i}"] for i in range(3)]


def level_error(ours: NDArray, theirs: NDArray) -> int:
    return int(np.abs(ours.astype(int) - theirs).max())


@pytest.mark.parametrize("thresholds", [(100, 200), (20, 60), (200, 50)])
@pytest.mark.parametrize("i", range(3))
def test_edges(i: int, thresholds: tuple[int, int]) -> None:
    low, high = thresholds
    picture = PICTURES[i]
    theirs = np.unpackbits(GOLDEN[f"canny{i}_{low}_{high}"], axis=1, count=picture.shape[1])
    found = pixels.edges(picture, low, high)
    assert np.array_equal(found[..., 0], 255 * theirs)
    assert np.array_equal(found[..., 0], found[..., 2])
    assert 0.01 < theirs.mean() < 0.6


@pytest.mark.parametrize("i", range(3))
def test_tones(i: int) -> None:
    assert level_error(pixels.blur(PICTURES[i], 3.0), GOLDEN[f"blur{i}"]) <= 2
    assert level_error(pixels.scribble(PICTURES[i], 32)[..., 0], GOLDEN[f"xdog{i}"]) == 0
    assert level_error(pixels.luminance(PICTURES[i], 1.0)[..., 0], GOLDEN[f"lab{i}"]) <= 1
    assert level_error(pixels.intensity(PICTURES[i], 1.0)[..., 0], GOLDEN[f"hsv{i}"]) == 0


def test_the_simple_ones() -> None:
    picture = PICTURES[1]
    assert np.array_equal(pixels.invert(picture), 255 - picture)
    white = pixels.threshold(picture, 127)[..., 0] == 255
    assert np.array_equal(white, (picture > 127).all(axis=2))
    assert pixels.tile(picture, 1.0) is picture
    coarse = pixels.tile(picture, 4.0)
    assert coarse.shape == picture.shape
    assert level_error(coarse.mean(axis=(0, 1)), picture.mean(axis=(0, 1))) <= 2
    dark = pixels.intensity(picture, 2.0)
    assert np.array_equal(dark[..., 0], np.round(255 * (picture.max(axis=2) / 255) ** 2))


@pytest.mark.parametrize("i", range(3))
def test_two_levels_are_as_even_as_can_be(i: int) -> None:
    grey = pixels.luminance(PICTURES[i], 1.0)
    values = grey[..., 0].astype(float)

    def unevenness(level: int) -> float:
        parts = values[values <= level], values[values > level]
        return sum(part.var() * part.size for part in parts if part.size)

    best = min(range(255), key=unevenness)
    assert np.array_equal(pixels.two_levels(grey)[..., 0], np.where(values > best, 255, 0))
    assert np.array_equal(pixels.two_levels(np.full((4, 4, 3), 7, np.uint8)), np.full((4, 4, 3), 7))


def test_lines_found_at_another_resolution_stay_lines() -> None:
    square = PILImage.new("RGB", (64, 64), "blue")
    square.paste("white", (16, 16, 48, 48))

    def shrink(picture: PILImage.Image) -> PILImage.Image:
        return picture.resize((64, 64), PILImage.Resampling.LANCZOS)

    found = np.asarray(find_preprocessor("canny").at(square, 512, shrink))
    assert set(np.unique(found)) == {0, 255}
    assert list(np.flatnonzero(found[:32, 30, 0])) == [15, 16]  # it runs between these rows
    inverted = find_preprocessor("invert").at(square, 512, shrink)
    assert inverted.getpixel((0, 0)) == (255, 255, 0)  # two levels, but colours


def test_shuffling_moves_and_repeats() -> None:
    x = np.linspace(0, 255, 96, dtype=np.uint8)
    picture = np.stack([np.tile(x, (64, 1)), np.tile(x[:64, None], (1, 96)), np.full((64, 96), 9, np.uint8)], axis=-1)
    one, again, other = (pixels.shuffle(picture, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert level_error(one, other) > 50
    assert level_error(one, picture) > 50
    # Every pixel comes from the picture, and both axes are used from end to end
    assert level_error(one[..., 2], picture[..., 2]) == 0
    assert [one[..., c].min() for c in (0, 1)] == [0, 0]
    assert min(one[..., 0].max(), one[..., 1].max()) > 160


@pytest.mark.parametrize("name", PREPROCESSORS)
@pytest.mark.parametrize("size", [(64, 48), (1, 1), (2, 9)])
def test_every_one_keeps_size_and_input(name: str, size: tuple[int, int]) -> None:
    picture = PILImage.new("RGB", size, (200, 30, 60))
    made = PREPROCESSORS[name](picture)
    assert (made.size, made.mode) == (size, "RGB")
    assert picture.getpixel((0, 0)) == (200, 30, 60)


def test_names() -> None:
    assert find_preprocessor("Canny").name == "canny"
    assert find_preprocessor("blur_gaussian").name == "blur"
    assert find_preprocessor("inpaint_only").name == "inpaint"
    with pytest.raises(RequestError, match=r'Unknown preprocessor "cany"\. Did you mean "canny"'):
        find_preprocessor("cany")


def test_settings() -> None:
    canny = PREPROCESSORS["canny"]
    assert canny.checked(None, 150.0) == (100, 150)
    assert canny.checked() == canny.checked(None, None) == (100, 200)
    with pytest.raises(RequestError, match="the low threshold is -1; it must be from 0 to 2040"):
        canny.checked(-1.0)
    with pytest.raises(RequestError, match='"invert" takes no settings, not 1'):
        PREPROCESSORS["invert"].checked(1.0)
    with pytest.raises(RequestError, match='"blur" takes 1 settings, not 2'):
        PREPROCESSORS["blur"].checked(None, 1.0)
