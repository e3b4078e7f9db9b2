import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PILImage

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.editing.masks import (
    composite,
    fill,
    gaussian,
    masked_area,
    match_colors,
    prepare_mask,
)


def spot(size: tuple[int, int], *points: tuple[int, int], value: int = 255) -> PILImage.Image:
    mask = PILImage.new("L", size)
    for point in points:
        mask.putpixel(point, value)
    return mask


def test_halves_decide_unless_the_mask_is_soft() -> None:
    mask = PILImage.fromarray(np.array([[0, 127, 128, 255]], np.uint8))
    size = mask.size
    assert np.asarray(prepare_mask(mask, size)).tolist() == [[0, 0, 255, 255]]
    assert np.asarray(prepare_mask(mask, size, invert=True)).tolist() == [[255, 255, 0, 0]]
    assert np.asarray(prepare_mask(mask, size, soft=True, invert=True)).tolist() == [[255, 128, 127, 0]]


@pytest.mark.parametrize(
    ("mask", "options", "message"),
    [
        (spot((8, 9), (1, 1)), {}, "The mask has 8 x 9 pixels, the picture 8 x 8; they must agree."),
        (spot((8, 8)), {}, "The mask is empty: no pixel is white, so nothing is repainted."),
        (PILImage.new("L", (8, 8), 255), {"invert": True}, "The mask is empty: no pixel is black, so nothing"),
    ],
)
def test_bad_masks(mask: PILImage.Image, options: dict, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        prepare_mask(mask, (8, 8), **options)
    assert str(caught.value).startswith(message)


@given(st.floats(0.3, 6))
def test_a_blur_ends_at_two_and_a_half_deviations(sigma: float) -> None:
    radius = int(2.5 * sigma + 0.5)
    side = 2 * radius + 9
    blurred = np.asarray(gaussian(PILImage.fromarray(np.full((side, side), 200, np.uint8)), sigma))
    assert (blurred == 200).all()
    half = np.zeros((4, side), np.uint8)
    half[:, side // 2 :] = 255
    found = np.asarray(gaussian(PILImage.fromarray(half), sigma)).astype(float)[0]
    assert not found[: side // 2 - radius].any()
    # The independent reference: the convolution as a sum, pixel by pixel
    weights = np.exp(-(np.arange(-radius, radius + 1.0) ** 2) / (2 * sigma**2))
    row = half[0].astype(float)
    slow = [
        sum(w * row[min(max(x + o - radius, 0), side - 1)] for o, w in enumerate(weights)) / weights.sum()
        for x in range(side)
    ]
    assert np.abs(found - slow).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("points", "padding", "aspect", "box"),
    [
        (((10, 10), (19, 19)), 0, 1.0, (10, 10, 20, 20)),
        (((10, 10), (19, 19)), 3, 1.0, (7, 7, 23, 23)),
        (((10, 10), (19, 19)), 0, 2.0, (5, 10, 25, 20)),
        (((0, 10), (9, 19)), 0, 2.0, (0, 10, 20, 20)),
        (((10, 10), (19, 19)), 0, 0.5, (10, 4, 20, 24)),
        (((0, 0), (31, 3)), 0, 1.0, (0, 0, 32, 24)),  # no room for more
    ],
)
def test_the_masked_area(points, padding: int, aspect: float, box: tuple[int, ...]) -> None:
    assert masked_area(spot((32, 24), *points), padding, aspect).box == box


def test_composite_keeps_and_paints_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    old, new = (PILImage.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8)) for _ in range(2))
    mask = PILImage.fromarray(np.where(rng.random((5, 7)) > 0.5, 255, 0).astype(np.uint8))
    result, chosen = np.asarray(composite(old, new, mask)), np.asarray(mask)[..., None] == 255
    assert (result == np.where(chosen, new, old)).all()


def test_colours_are_brought_back() -> None:
    rng = np.random.default_rng(0)
    original = rng.integers(60, 190, (40, 40, 3)).astype(float)
    worn = 0.9 * original + 7  # what the autoencoder did, inside and outside of the mask alike
    mask = spot((40, 40), (20, 20))
    pictures = (PILImage.fromarray(each.round().astype(np.uint8)) for each in (worn, original, worn))
    matched = np.asarray(match_colors(*pictures, mask), dtype=float)
    assert np.abs(matched - original).max() < 2


def test_fill_takes_the_colours_around() -> None:
    left, right = (200, 10, 10), (10, 10, 200)
    picture = PILImage.new("RGB", (64, 32), left)
    picture.paste(right, (32, 0, 64, 32))
    hole = PILImage.new("L", picture.size)
    hole.paste(255, (8, 8, 56, 24))
    ruined = picture.copy()
    ruined.paste((0, 255, 0), (8, 8, 56, 24))
    filled = fill(ruined, hole)
    kept = np.asarray(hole) == 0
    assert (np.asarray(filled)[kept] == np.asarray(ruined)[kept]).all()
    assert filled.getpixel((10, 16))[0] > 150
    assert filled.getpixel((53, 16))[2] > 150
    assert np.asarray(filled)[..., 1].max() < 40
