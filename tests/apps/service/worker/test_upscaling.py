"""Pictures made larger by a worker."""

from pathlib import Path

from PIL import Image as PILImage

from .conftest import Office, end, told
from .test_painting import pixels


def test_sizes_and_filters(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "small.png"
    small = PILImage.effect_noise((24, 16), 80).convert("RGB")
    small.save(path)
    heard = office.run({"kind": "upscale", "images": [str(path)] * 2, "scale": 2, "upscaler": "Lanczos"}, done=[0])
    assert end(heard) == ("done", "")
    (saved,) = told(heard, "picture")
    assert (saved["index"], saved["width"], saved["height"], saved["request"]) == (1, 48, 32, None)
    assert pixels(saved["path"]) == small.resize((48, 32), PILImage.Resampling.LANCZOS).tobytes()


def test_a_bad_picture_does_not_keep_the_others(office: Office, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    PILImage.new("RGB", (16, 16)).save(good)
    bad.write_text("no picture", encoding="utf-8")
    heard = office.run({"kind": "upscale", "images": [str(bad), str(good)], "scale": 2, "upscaler": "Nearest"})
    assert [message["index"] for message in told(heard, "picture")] == [1]
    assert heard[-1]["warnings"][0].startswith("Picture 1: ")
    heard = office.run({"kind": "upscale", "images": [str(bad)], "upscaler": "Nearest"})
    assert (heard[-1]["tell"], heard[-1]["type"]) == ("failed", "RequestError")
    heard = office.run({"kind": "upscale", "images": [str(good)], "upscaler": "Stater"})
    assert heard[-1]["message"].startswith('Unknown upscaler "Stater". Did you mean "Starter"')


def test_cancel_takes_effect_within_a_tile(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    PILImage.new("RGB", (2048, 2048)).save(path)
    run = office.order({"kind": "upscale", "images": [str(path)], "scale": 4, "upscaler": "Starter"})
    office.connection.send(run)
    office.hear_until("progress")
    office.connection.send({"do": "cancel", "job": run["job"], "picture": None})
    assert office.hear_until("done", "cancelled", "failed")[-1]["tell"] == "cancelled"
