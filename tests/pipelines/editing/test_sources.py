"""Pictures of every kind, and what is said of those that cannot be used."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage
from safetensors.torch import save_file

from inkbloom import GenerationRequest
from inkbloom.core.errors import RequestError
from inkbloom.pipelines.editing.sources import NoiseSource, PictureSource, pixel_hash


def test_a_source_is_a_path_a_picture_or_its_json(tmp_path: Path, picture) -> None:
    path = tmp_path / "a.png"
    picture.save(path)
    request = GenerationRequest(prompt="", init_image=path)
    assert request.init_image is not None
    opened = request.init_image.opened()
    assert opened.sha256 == pixel_hash(picture)
    again = PictureSource.model_validate(opened.model_dump())
    assert again.open().tobytes() == picture.tobytes()
    assert PictureSource.of(picture).open().tobytes() == picture.tobytes()


def test_a_picture_in_memory_is_known_by_its_hash_alone(picture) -> None:
    written = PictureSource.model_validate(PictureSource.of(picture).model_dump())
    with pytest.raises(RequestError, match=f"^The picture with hash {pixel_hash(picture)} was never saved; give its"):
        written.open()


def test_a_picture_that_has_changed_is_refused(tmp_path: Path, picture) -> None:
    path = tmp_path / "a.png"
    picture.save(path)
    opened = PictureSource(path=str(path)).opened()
    PILImage.new("RGB", picture.size).save(path)
    fresh = PictureSource.model_validate(opened.model_dump())
    with pytest.raises(RequestError, match=r'a\.png" is no longer the picture that was meant: its pixels have changed'):
        fresh.open()


def test_a_missing_picture(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r'^There is no picture ".*none\.png"\.$'):
        PictureSource(path=str(tmp_path / "none.png")).open()


def huge_png(side: int) -> bytes:
    """The head of a PNG of so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [12_000, 30_000])
def test_a_bomb_is_not_unpacked(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(huge_png(side))
    with pytest.raises(RequestError, match=r'bomb\.png" has too many pixels; at most 89,478,485 are read\.$'):
        PictureSource(path=str(path)).open()


def test_pictures_of_every_kind_become_rgb(tmp_path: Path, picture) -> None:
    """CMYK, palette, 16-bit grey, animated (its first frame), transparent (on white), turned by EXIF."""
    expected = np.asarray(picture, dtype=float)
    grey = np.asarray(picture.convert("L"))

    def opened(name: str) -> np.ndarray:
        return np.asarray(PictureSource(path=str(tmp_path / name)).open(), dtype=float)

    picture.convert("CMYK").save(tmp_path / "cmyk.tif")
    assert np.abs(opened("cmyk.tif") - expected).max() <= 1
    picture.quantize(256).save(tmp_path / "palette.png")
    assert np.abs(opened("palette.png") - expected).mean() < 3
    PILImage.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    assert (opened("sixteen.png") == grey[..., None]).all()
    picture.quantize(256).save(
        tmp_path / "moving.gif", save_all=True, append_images=[PILImage.new("RGB", picture.size)], duration=50
    )
    assert np.abs(opened("moving.gif") - expected).mean() < 3
    clear = picture.convert("RGBA")
    clear.putalpha(0)
    clear.save(tmp_path / "clear.png")
    assert (opened("clear.png") == 255).all()
    exif = PILImage.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture.save(tmp_path / "turned.png", exif=exif)
    assert (opened("turned.png") == np.rot90(expected, -1)).all()


def test_noise_from_a_file(tmp_path: Path) -> None:
    noise, path = torch.randn(1, 4, 8, 8), tmp_path / "noise.safetensors"
    save_file({"noise": noise}, path)
    source = NoiseSource(path=str(path)).opened()
    assert torch.equal(NoiseSource.model_validate(source.model_dump()).open(), noise)
    save_file({"noise": noise + 1}, path)
    with pytest.raises(RequestError, match="is no longer the noise that was meant: the file has changed"):
        source.open()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r'Cannot read the noise ".*noise\.safetensors": No such file or directory\.'),
        (b"nonsense", r'".*noise\.safetensors" is no file of noise, as `inkbloom invert` writes them\.'),
        ({"other": torch.zeros(1)}, r"is no file of noise"),
        ({"noise": torch.zeros(4, 8, 8)}, r"holds a tensor \(4, 8, 8\), not the noise of one picture\."),
    ],
)
def test_bad_noise(tmp_path: Path, content, message: str) -> None:
    path = tmp_path / "noise.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        save_file(content, path)
    with pytest.raises(RequestError, match=message):
        NoiseSource(path=str(path)).opened()
