import base64
import io

import pytest
from PIL import Image

ASKED = {"prompt": "a cat", "size": "64x64", "steps": 2, "seed": 7}


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def png(color="blue", mode="RGB", hole=None) -> bytes:
    picture = Image.new(mode, (64, 64), color)
    if hole is not None:
        picture.putalpha(255)
        picture.paste((0, 0, 0, 0), hole)
    kept = io.BytesIO()
    picture.save(kept, "PNG")
    return kept.getvalue()


def test_generations(running):
    answer = running.post("/v1/images/generations", json=ASKED | {"n": 2, "model": "dall-e-3", "quality": "hd"})
    assert answer.status_code == 200, answer.text
    assert [opened(one["b64_json"]).size for one in answer.json()["data"]] == [(64, 64)] * 2
    assert answer.json()["created"] > 1_700_000_000


def test_formats_and_addresses(running):
    one = running.post("/v1/images/generations", json=ASKED | {"output_format": "webp", "response_format": "url"})
    (data,) = one.json()["data"]
    assert data["b64_json"] is None
    picture = Image.open(io.BytesIO(running.get(data["url"]).content))
    assert (picture.format, picture.size) == ("WEBP", (64, 64))


def test_edits_repaint_what_is_transparent(running):
    fields = {"prompt": "a red ball", "steps": "4", "seed": "3"}
    answer = running.post("/v1/images/edits", data=fields, files={"image": png(hole=(0, 0, 24, 64))})
    assert answer.status_code == 200, answer.text
    picture = opened(answer.json()["data"][0]["b64_json"]).convert("RGB")
    assert picture.getpixel((60, 30)) == (0, 0, 255)
    assert picture.getpixel((3, 30)) != (0, 0, 255)
    masked = {"image": png(), "mask": png(hole=(0, 0, 24, 64))}
    again = running.post("/v1/images/edits", data=fields, files=masked)
    assert opened(again.json()["data"][0]["b64_json"]).convert("RGB").getpixel((60, 30)) == (0, 0, 255)


def test_variations_are_like_the_picture(running):
    answer = running.post("/v1/images/variations", files={"image": png()}, data={"n": "2", "size": "64x64"})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"]) == 2


def test_models(client):
    assert [one["id"] for one in client.get("/v1/models").json()["data"]] == ["starter"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"size": "large"}, "size"),
        ({"size": "63x64"}, "width"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"model": "../x"}, "model"),
        ({"sampler": "nope"}, "sampler"),
        ({"prompt": 5}, "prompt"),
        ({"response_format": "file"}, "response_format"),
    ],
)
def test_errors_have_openais_shape(client, fields, param):
    answer = client.post("/v1/images/generations", json=ASKED | fields)
    assert answer.status_code == 422, answer.text
    said = answer.json()["error"]
    assert said["type"] == "invalid_request_error"
    assert said["param"] == param or param in said["message"], said


def test_a_mask_without_a_hole_is_refused(client):
    answer = client.post("/v1/images/edits", data={"prompt": "x"}, files={"image": png(), "mask": png("white", "RGBA")})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("mask: it is transparent nowhere")
    broken = client.post("/v1/images/edits", data={"prompt": "x"}, files={"image": b"hello"})
    assert broken.status_code == 422
