"""The gallery with a picture that a real worker has painted: its files, what it tells, and the same again."""

import io
import json
import shlex
import zipfile

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from inkbloom.pipelines.metadata import read_metadata

PICTURES = "/api/v1/pictures"


def test_the_picture_is_there(running: TestClient, tmp_path) -> None:
    found = running.get(PICTURES).json()
    assert found["total"] == 1
    picture = found["pictures"][0]
    assert picture == running.get(f"{PICTURES}/1").json()
    assert (picture["id"], picture["width"], picture["height"], picture["seed"]) == (1, 64, 64, 7)
    assert picture["request"]["steps"] == 2
    file = running.get(f"{PICTURES}/1/file")
    assert file.headers["content-type"] == "image/png"
    assert file.headers["x-content-type-options"] == "nosniff"
    assert file.headers["content-disposition"].startswith("inline; filename=")
    (tmp_path / "a.png").write_bytes(file.content)
    request = read_metadata(tmp_path / "a.png").request
    assert request is not None
    assert (request.prompt, request.seed) == ("a cat", 7)
    download = running.get(f"{PICTURES}/1/file", params={"download": 1})
    assert download.headers["content-disposition"].startswith("attachment; ")


def test_a_file_that_the_client_has_is_not_sent_again(running: TestClient) -> None:
    for name in ("file", "thumbnail"):
        first = running.get(f"{PICTURES}/1/{name}")
        again = running.get(f"{PICTURES}/1/{name}", headers={"If-None-Match": first.headers["etag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    with Image.open(io.BytesIO(first.content)) as thumbnail:
        assert thumbnail.format == "WEBP"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"q": "cat"}, 1),
        ({"q": "dog"}, 0),
        ({"q": "seed:7 steps:<3 size:64x64"}, 1),
        ({"model": "starter"}, 1),
        ({"sampler": "Euler"}, 0),
        ({"kind": "generate"}, 1),
        ({"from": "2020-01-01", "to": "2020-02-01"}, 0),
        ({"from": "2020-01-01", "order": "oldest"}, 1),
        ({"before": 1}, 0),
    ],
)
def test_search(running: TestClient, query: dict, count: int) -> None:
    answer = running.get(PICTURES, params=query)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["pictures"]) == count


def test_favourites(running: TestClient) -> None:
    assert running.patch(f"{PICTURES}/1", json={"favourite": True}).json()["favourite"]
    assert running.get(PICTURES, params={"favourite": True}).json()["total"] == 1
    assert running.get(PICTURES, params={"favourite": False}).json()["total"] == 0


def test_an_archive(running: TestClient) -> None:
    answer = running.get(f"{PICTURES}/zip", params={"ids": "1,1"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.read(archive.namelist()[0]) == running.get(f"{PICTURES}/1/file").content
    assert running.get(f"{PICTURES}/zip", params={"ids": "1,9"}).status_code == 404
    assert running.get(f"{PICTURES}/zip", params={"ids": "../x"}).status_code == 422


def test_what_a_picture_tells(running: TestClient) -> None:
    data = running.get(f"{PICTURES}/1/file").content
    by_file = running.post(f"{PICTURES}/info", files={"file": ("my cat.png", data)}).json()
    by_name = running.post(f"{PICTURES}/info", json={"picture": "picture:1"}).json()
    assert by_file == by_name
    assert by_file["program"].startswith("inkbloom")
    assert by_file["request"]["seed"] == 7
    text = running.get(f"{PICTURES}/1/as", params={"format": "a1111"}).json()["text"]
    by_text = running.post(f"{PICTURES}/info", json={"text": text}).json()
    assert (by_text["prompt"], by_text["request"]["steps"], by_text["request"]["seed"]) == ("a cat", 2, 7)


@pytest.mark.parametrize(
    ("text", "prompt", "seed"),
    [
        ("a dog\nNegative prompt: rain\nSteps: 5, Sampler: Euler, CFG scale: 7, Seed: 3, Size: 64x64", "a dog", 3),
        ('{"prompt": "a dog", "seed": 3}', "a dog", 3),
        ('{"kind": "generate", "request": {"prompt": "a dog", "seed": 3}}', "a dog", 3),
        ("just words", "just words", None),
    ],
)
def test_what_a_text_tells(running: TestClient, text: str, prompt: str, seed: int | None) -> None:
    told = running.post(f"{PICTURES}/info", json={"text": text}).json()
    assert (told["prompt"], told["request"].get("seed")) == (prompt, seed)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"json": {"text": '{"a": 1}'}}, "the JSON is no request"),
        ({"json": {"text": '{"prompt": "a", "steps": 0}'}}, "steps 0: must be"),
        ({"json": {"text": "[" * 100_000}}, None),
        ({"json": {}}, "give a text or a picture"),
        ({"json": {"text": 0}}, "text 0: must be a valid string"),
        ({"json": {"texts": "a"}}, 'Unknown field "texts"'),
        ({"json": {"text": "a", "picture": "picture:1"}}, "give a text or a picture"),
        ({"json": {"picture": "/etc/passwd"}}, '"/etc/passwd" is no picture of this server'),
        ({"content": b""}, "there is no picture in the body"),
        ({"files": {"other": b"x"}}, 'the form has no file of the name "file"'),
        ({"files": {"file": ("../a.png", b"x")}}, '"a.png" is not a picture'),
    ],
)
def test_what_tells_nothing(running: TestClient, body: dict, said: str | None) -> None:
    answer = running.post(f"{PICTURES}/info", **body)
    assert answer.status_code == (422 if said else 200), answer.text
    assert said is None or said in answer.json()["error"]["message"]


def test_copies_do_the_same(running: TestClient) -> None:
    texts = {
        name: running.get(f"{PICTURES}/1/as", params={"format": name}).json()["text"]
        for name in ("cli", "curl", "json")
    }
    assert texts["cli"].startswith("inkbloom txt2img 'a cat' --n_iter 1 --n_samples 1 --skip_grid --seed 7 ")
    fields = json.loads(texts["json"])
    assert fields["seed"] == 7
    program, *words = shlex.split(texts["curl"])
    assert (program, words[2]) == ("curl", "http://testserver/api/v1/jobs")
    job = running.post(words[2], content=words[-1], headers={"content-type": "application/json"}, params={}).json()
    job = running.get(f"/api/v1/jobs/{job['id']}", params={"wait": 60}).json()
    first, second = (
        np.asarray(Image.open(io.BytesIO(running.get(f"{PICTURES}/{id}/file").content)))
        for id in (1, job["pictures"][0]["id"])
    )
    assert np.array_equal(first, second)
    assert running.delete(f"{PICTURES}/{job['pictures'][0]['id']}").status_code == 204
    assert running.get(f"{PICTURES}/{job['pictures'][0]['id']}").status_code == 404


def test_again_and_compared(running: TestClient) -> None:
    verify = running.post(f"{PICTURES}/1/verify")
    assert verify.status_code == 202
    job = running.get(f"/api/v1/jobs/{verify.json()['id']}", params={"wait": 60}).json()
    assert job["state"] == "done", job
    assert job["result"]["same"]
    again = running.post(f"{PICTURES}/1/reproduce").json()
    assert again["spec"]["request"]["seed"] == 7
    running.post(f"/api/v1/jobs/{again['id']}/cancel")
    assert running.post(f"{PICTURES}/99/verify").status_code == 404


@pytest.mark.parametrize("format", ["cli", "curl", "json", "a1111"])
def test_a_request_as_text(running: TestClient, format: str) -> None:
    body = {"request": {"prompt": "a fox", "seed": 3, "init_image": "picture:1"}, "format": format}
    text = running.post("/api/v1/as", json=body).json()["text"]
    assert "a fox" in text
    assert {"cli": "--init-img /", "curl": "picture:1", "json": "picture:1", "a1111": "Denoising strength"}[
        format
    ] in text
    assert running.post("/api/v1/as", json=body | {"styles": ["none"]}).status_code == (
        422 if format == "a1111" else 200
    )
    assert running.post("/api/v1/as", json=body | {"format": "xml"}).status_code == 422
