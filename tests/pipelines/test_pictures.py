from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inkbloom.core.errors import RequestError
from inkbloom.pipelines.pictures import (
    crop_to_multiple,
    from_pictures,
    latent_channels,
    make_grid,
    open_picture,
    to_pictures,
)


def noise_picture(width: int, height: int, seed: int = 0) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(levels)


def test_pictures_survive_the_way_through_tensors() -> None:
    pictures = [noise_picture(16, 8, seed) for seed in range(2)]
    images = from_pictures(pictures)
    assert images.shape == (2, 3, 8, 16)
    assert images.abs().max() == 1
    assert [picture.tobytes() for picture in to_pictures(images)] == [picture.tobytes() for picture in pictures]


def test_values_outside_are_clamped_and_others_rounded() -> None:
    image = torch.tensor([-2.0, 2.0, 0.6 / 127.5 - 1]).reshape(1, 3, 1, 1)
    assert to_pictures(image)[0].getpixel((0, 0)) == (0, 255, 1)


def torchvision_grid(images: np.ndarray, columns: int) -> np.ndarray:
    """What torchvision's `make_grid(nrow=columns)` documents: padding 2 of zeros, here with plain loops."""
    count, height, width, _ = images.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    grid = np.zeros((rows * (height + 2) + 2, columns * (width + 2) + 2, 3), dtype=np.uint8)
    for i in range(count):
        top, left = 2 + (i // columns) * (height + 2), 2 + (i % columns) * (width + 2)
        grid[top : top + height, left : left + width] = images[i]
    return grid


@pytest.mark.parametrize(("count", "columns"), [(6, 3), (5, 3), (2, 4), (4, 1)])
def test_grid(count: int, columns: int) -> None:
    pictures = [noise_picture(8, 16, seed) for seed in range(count)]
    expected = torchvision_grid(np.stack([np.asarray(picture) for picture in pictures]), columns)
    assert np.array_equal(np.asarray(make_grid(pictures, columns)), expected)


def test_a_grid_of_one_is_the_picture() -> None:
    picture = noise_picture(8, 8)
    assert make_grid([picture], 3).tobytes() == picture.tobytes()


def test_crop_takes_the_middle() -> None:
    picture = noise_picture(21, 18)
    cropped = crop_to_multiple(picture, 8)
    assert cropped.size == (16, 16)
    assert cropped.tobytes() == picture.crop((2, 1, 18, 17)).tobytes()
    with pytest.raises(RequestError, match="7 x 9 pixels is too small; each side needs at least 8"):
        crop_to_multiple(noise_picture(7, 9), 8)


def test_latent_channels() -> None:
    latent = torch.zeros(1, 4, 2, 3)
    latent[0, 1], latent[0, 2] = 2.0, -2.0
    picture = latent_channels(latent, 8)
    assert picture.size == (2 * (24 + 2) + 2, 2 * (16 + 2) + 2)
    assert [picture.getpixel(place) for place in [(2, 2), (28, 2), (2, 20), (28, 20)]] == [
        (128, 128, 128),
        (255, 255, 255),
        (0, 0, 0),
        (128, 128, 128),
    ]


def test_open_rotates_by_exif(tmp_path: Path) -> None:
    picture = noise_picture(8, 16)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    picture.save(tmp_path / "turned.png", exif=exif)
    assert open_picture(tmp_path / "turned.png").tobytes() == picture.rotate(-90, expand=True).tobytes()


def test_open_puts_transparent_pictures_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert open_picture(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255)


def test_open_scales_16_bits(tmp_path: Path) -> None:
    levels = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    Image.fromarray(levels).save(tmp_path / "deep.png")
    opened = np.asarray(open_picture(tmp_path / "deep.png"))
    assert opened[0].tolist() == [[0] * 3, [1] * 3, [128] * 3, [255] * 3]


@pytest.mark.parametrize("transparent", [False, True])
def test_open_resolves_palettes(tmp_path: Path, transparent: bool) -> None:
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.save(tmp_path / "palette.png", **({"transparency": 1} if transparent else {}))
    assert open_picture(tmp_path / "palette.png").getpixel((0, 0)) == ((255, 255, 255) if transparent else (10, 20, 30))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There is no picture"),
        (b"<html>", "is not a picture in a format that Pillow reads"),
        ("cut", "cannot be read as a picture"),
    ],
)
def test_open_explains(tmp_path: Path, content: bytes | str | None, message: str) -> None:
    path = tmp_path / "picture.png"
    if content == "cut":
        noise_picture(64, 64).save(path)
        content = path.read_bytes()[:2000]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RequestError, match=message) as caught:
        open_picture(path)
    assert "\n" not in str(caught.value)


def test_open_explains_folders_and_bombs(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is a folder, not a picture"):
        open_picture(tmp_path)
    Image.new("1", (20_000, 10_000)).save(tmp_path / "huge.png")
    with pytest.raises(RequestError, match="has too many pixels; at most 89,478,485 are read"):
        open_picture(tmp_path / "huge.png")
