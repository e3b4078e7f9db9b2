import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkbloom.core.errors import RequestError
from inkbloom.core.pictures import as_rgb, reading


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def test_a_stream_with_a_name() -> None:
    content = png(Image.new("RGB", (3, 2), "red"))
    with reading(io.BytesIO(content), "shard.tar: 1.png") as file:
        assert as_rgb(file).getpixel((2, 1)) == (255, 0, 0)
    with (
        pytest.raises(RequestError, match=r'^"shard.tar: 1.png" cannot be read as a picture: .+\.$'),
        reading(io.BytesIO(content[:-30]), "shard.tar: 1.png") as file,
    ):
        file.load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, 'There is no picture "{path}".'),
        (b"no picture", '"{path}" is not a picture in a format that Pillow reads (PNG, JPEG, WebP, ...).'),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RequestError) as caught, reading(path):
        pass
    assert str(caught.value) == message.format(path=path)


def test_attacks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for side in (11, 20):  # Pillow warns of the first, and refuses the second itself
        with (
            pytest.raises(RequestError, match="has too many pixels; at most 100 are read"),
            reading(io.BytesIO(png(Image.new("L", (side, side)))), "big"),
        ):
            pass


def test_as_rgb() -> None:
    grey = Image.fromarray(np.array([[0, 257, 65535]], dtype=np.uint16))
    assert np.asarray(as_rgb(grey))[0, :, 0].tolist() == [0, 1, 255]
    assert as_rgb(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)
    assert as_rgb(Image.new("RGBA", (1, 1), (255, 0, 0, 255))).getpixel((0, 0)) == (255, 0, 0)
