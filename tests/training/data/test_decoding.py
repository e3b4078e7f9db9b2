from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from inkbloom.training.data.buckets import Fit
from inkbloom.training.data.decoding import Framing, alpha_mask, decode, hint, mask, pixels
from inkbloom.training.data.examples import Blob


def as_uint8(image: torch.Tensor) -> np.ndarray:
    return ((image[0] + 1) * 127.5).round().to(torch.uint8).movedim(0, -1).numpy()  # h w c


def test_pixels_are_scaled_cropped_and_mirrored(tmp_path: Path, make_picture) -> None:
    path = make_picture(tmp_path / "a.png", 80, 40)
    fit = Fit((32, 32), (64, 32))
    reference = Image.open(path).resize((64, 32), Image.Resampling.LANCZOS)
    for framing, expected in [
        (Framing.centred(fit), reference.crop((16, 0, 48, 32))),
        (Framing(fit, 5, 0), reference.crop((5, 0, 37, 32))),
        (Framing.centred(fit, mirrored=True), ImageOps.mirror(reference.crop((16, 0, 48, 32)))),
    ]:
        image = pixels(Blob(path), framing)
        assert image.shape == (1, 3, 32, 32)
        # Within a level: which of width and height is scaled first is Pillow's choice, and it rounds between.
        assert np.abs(as_uint8(image).astype(int) - np.asarray(expected).astype(int)).max() <= 1


def test_a_long_strip_is_not_scaled_whole(tmp_path: Path, make_picture) -> None:
    """Whole, it would be 512 x 2,048,000 pixels of three bytes."""
    path = make_picture(tmp_path / "a.png", 1, 4000)
    framing = Framing.centred(Fit((512, 512), (512, 2_048_000)))
    middle = np.asarray(Image.open(path))[2000, 0].astype(int)
    assert np.abs(as_uint8(pixels(Blob(path), framing)).astype(int) - middle).max() <= 1


def test_a_jpeg_decoded_small_looks_the_same(tmp_path: Path, make_picture) -> None:
    path = make_picture(tmp_path / "a.jpg", 800, 600)
    fit = Fit((64, 64), (85, 64))
    assert decode(Blob(path), fit.resized).size == (400, 300)
    whole = Image.open(path).resize(fit.resized, Image.Resampling.LANCZOS).crop((10, 0, 74, 64))
    difference = np.abs(as_uint8(pixels(Blob(path), Framing.centred(fit))).astype(int) - np.asarray(whole).astype(int))
    assert difference.max() <= 3  # of 255


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_every_orientation_comes_upright(tmp_path: Path, make_picture, orientation: int, ending: str) -> None:
    picture = Image.open(make_picture(tmp_path / "p.png", 48, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    picture.save(path, exif=exif)
    with Image.open(path) as file:
        assert np.array_equal(np.asarray(decode(Blob(path))), np.asarray(ImageOps.exif_transpose(file)))


def test_masks_are_means_over_latent_places(tmp_path: Path) -> None:
    levels = np.zeros((32, 32), dtype=np.uint8)
    levels[:12, :8] = 255
    Image.fromarray(levels).save(tmp_path / "m.png")
    framing = Framing.centred(Fit((32, 32), (32, 32)))
    expected = torch.zeros(1, 1, 4, 4)
    expected[..., 0, 0], expected[..., 1, 0] = 1.0, 0.5
    assert torch.equal(mask(Blob(tmp_path / "m.png"), framing, 8), expected)
    mirrored = Framing.centred(framing.fit, mirrored=True)
    assert torch.equal(mask(Blob(tmp_path / "m.png"), mirrored, 8), expected.flip(3))

    picture = Image.new("RGB", (32, 32), "blue")
    picture.putalpha(Image.fromarray(levels))
    picture.save(tmp_path / "a.png")
    assert torch.equal(alpha_mask(Blob(tmp_path / "a.png"), framing, 8), expected)
    assert pixels(Blob(tmp_path / "a.png"), framing)[0, :, 31, 31].tolist() == [1.0, 1.0, 1.0]
    picture.convert("RGB").save(tmp_path / "b.png")
    assert torch.equal(alpha_mask(Blob(tmp_path / "b.png"), framing, 8), torch.ones(1, 1, 4, 4))


def test_hints_follow_their_picture(tmp_path: Path, make_picture) -> None:
    path = make_picture(tmp_path / "h.png", 32, 32)
    framing = Framing(Fit((16, 16), (32, 32)), 3, 4, mirrored=True)
    assert torch.allclose(hint(Blob(path), framing) * 2 - 1, pixels(Blob(path), framing), atol=1e-6)
    assert hint(Blob(path), framing).min() >= 0
