import base64
import io

import pytest
from PIL import Image, PngImagePlugin

from inkbloom.apps.service import Service
from inkbloom.apps.service.refusals import TooLargeError, UnknownError
from inkbloom.apps.service.uploads import MOST_BYTES
from inkbloom.core.errors import RequestError
from tests.apps.service.conftest import png


def test_only_pixels_are_kept_once_under_the_name_of_their_contents(service: Service) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "secret")
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, "PNG", pnginfo=info)
    upload = service.uploads.add(file.getvalue() + b"<script>trailing</script>", "a.png")
    assert (upload.width, upload.height, upload.alpha) == (40, 30, False)
    stored = service.uploads.open(upload.id).read_bytes()
    assert b"secret" not in stored
    assert b"script" not in stored
    assert service.uploads.add(png()) == upload


@pytest.mark.parametrize(
    ("mode", "stored"), [("RGB", "RGB"), ("RGBA", "RGBA"), ("L", "L"), ("LA", "RGBA"), ("P", "RGB"), ("1", "RGB")]
)
def test_modes(service: Service, mode: str, stored: str) -> None:
    upload = service.uploads.add(png(mode=mode, colour=0))
    with Image.open(service.uploads.open(upload.id)) as file:
        assert file.mode == stored
    assert upload.alpha == (stored == "RGBA")


def test_pictures_are_turned_upright(service: Service) -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(file, "JPEG", exif=exif)
    upload = service.uploads.add(file.getvalue())
    assert (upload.width, upload.height) == (30, 40)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "photo is not a picture"),
        (b"not a picture", "photo.* is not a picture in a format"),
        (png()[:60], "photo.* cannot be read as a picture"),
        (png(size=(100, 100), format="JPEG", colour=(1, 2, 3))[:300], "photo.* cannot be read as a picture"),
    ],
)
def test_what_is_no_sound_picture_is_refused(service: Service, data: bytes, message: str) -> None:
    with pytest.raises(RequestError, match=message.replace("photo is", "photo.* is")):
        service.uploads.add(data, "photo")
    assert not any(service.folder.inputs.iterdir())


def test_too_many_bytes_and_too_many_pixels_are_refused(service: Service) -> None:
    with pytest.raises(TooLargeError, match="67,108,865 bytes; at most 67,108,864"):
        service.uploads.add(bytes(MOST_BYTES + 1))
    with pytest.raises(TooLargeError, match="more than 64 MiB"):
        service.uploads.add_data_url("data:image/png;base64," + "A" * 100_000_000, "init_image")
    bomb = io.BytesIO()
    Image.new("1", (15_000, 15_000)).save(bomb, "PNG")
    with pytest.raises(RequestError, match="has too many pixels"):
        service.uploads.add(bomb.getvalue())


def test_data_urls(service: Service) -> None:
    text = base64.b64encode(png()).decode()
    assert service.uploads.add_data_url(f"data:image/png;base64,{text}", "x") == service.uploads.add(png())
    for wrong in ("data:text/html;base64,AAAA", "data:image/png,AAAA", "data:image/png;base64,A*A", "data:"):
        with pytest.raises(RequestError, match=r"^init_image: "):
            service.uploads.add_data_url(wrong, "init_image")


@pytest.mark.parametrize("id", ["", "../inkbloom.db", "a" * 31, "g" * 32, "/etc/passwd", "0" * 32, "A" * 32])
def test_no_other_file_can_be_opened(service: Service, id: str) -> None:
    with pytest.raises(UnknownError, match="There is no upload"):
        service.uploads.open(id)


def test_requests_go_to_paths_and_back(service: Service) -> None:
    upload = service.uploads.add(png())
    named = {
        "prompt": "path",
        "init_image": {"path": upload.name, "sha256": None},
        "mask_image": None,
        "controls": [{"model": "x", "image": {"path": upload.name, "sha256": "00"}}],
    }
    resolved = service.uploads.resolved(named)
    assert resolved["init_image"]["path"] == str(service.uploads.open(upload.id))
    assert resolved["controls"][0]["image"] == {"path": str(service.uploads.open(upload.id)), "sha256": "00"}
    assert service.uploads.named(resolved) == named
