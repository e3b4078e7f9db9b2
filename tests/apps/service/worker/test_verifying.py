"""Pictures made again by a worker."""

from pathlib import Path

from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo

from .conftest import Office, end, told

REQUEST = {"prompt": "a dog", "width": 64, "height": 64, "steps": 2, "seed": 3, "model": "tiny"}


def test_the_same_and_another(office: Office, tmp_path: Path) -> None:
    (saved,) = told(office.run({"kind": "generate", "request": REQUEST}), "picture")
    heard = office.run({"kind": "verify", "picture": 1}, picture=saved["path"])
    assert end(heard) == ("done", "")
    same = {"same": True, "explanation": "It is the same, bit for bit.", "notes": []}
    assert told(heard, "result")[-1]["result"] == same

    notes = PngInfo()
    with PILImage.open(saved["path"]) as picture:
        for key, value in picture.info.items():
            notes.add_text(key, value)
        picture.putpixel((0, 0), (1, 2, 3))
        picture.save(tmp_path / "changed.png", pnginfo=notes)
    heard = office.run({"kind": "verify", "picture": 1}, picture=str(tmp_path / "changed.png"))
    result = told(heard, "result")[-1]["result"]
    assert result["same"] is False
    assert "the file was changed since" in result["explanation"]


def test_what_tells_nothing(office: Office, tmp_path: Path) -> None:
    PILImage.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    heard = office.run({"kind": "verify", "picture": 1}, picture=str(tmp_path / "plain.png"))
    assert heard[-1]["type"] == "RequestError"
