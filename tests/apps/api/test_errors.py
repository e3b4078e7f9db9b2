"""Every bad input answers in one shape, with the right status and the field's name."""

import base64
import errno
import os
import re
import sqlite3

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from inkbloom.apps.api import errors
from inkbloom.core.errors import MemoryNeededError, OutputError

JOBS = "/api/v1/jobs"


def asked(**request) -> dict:
    return {"kind": "generate", "request": {"prompt": "a cat"} | request}


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (asked(steps="many"), "steps", "steps 'many': must be a whole number from 1 to 10000."),
        (asked(steps=0), "steps", "steps 0: must be a whole number from 1 to 10000."),
        (asked(width=100_000), "width", "width 100000: must be a whole number from 64 to 8192 divisible by 8."),
        (asked(stepz=1), "stepz", 'Unknown field "stepz". Did you mean "steps" or "step_rule"?'),
        (asked(sampler="Eulr"), "sampler", 'Unknown sampler "Eulr". Did you mean "Euler"'),
        (asked(hires={"scale": 99}), "hires", "hires scale 99 must be less than or equal to 8."),
        (asked(model="../../etc/passwd"), "model", 'model "../../etc/passwd": '),
        (asked(model="/etc/passwd"), "model", 'model "/etc/passwd": '),
        (asked(vae="../x"), "vae", 'vae "../x": '),
        (asked(init_image="/etc/passwd"), "init_image", "upload the picture first"),
        (asked(init_image={"path": "../x"}), "init_image", "upload the picture first"),
        (asked(init_image="data:image/png;base64,AAAA"), "init_image", "init_image"),
        (asked(prompt="\0"), "prompt", "prompt holds a NUL character"),
        (asked() | {"priority": "high"}, "priority", "priority 'high': must be a valid integer"),
        (asked() | {"priority": 10**9}, "priority", "priority 1000000000: must be less than or equal to 1000"),
        (asked() | {"wait": -1}, "wait", "wait -1: must be greater than or equal to 0"),
        (asked() | {"prio": 1}, "prio", 'Unknown field "prio".'),
        ({"kind": "generate"}, "request", "request is missing."),
        ({"kind": "dance"}, "kind", "kind 'dance': must be one of generate, upscale, plot, merge, train, verify."),
        ({}, "kind", "kind: must be one of generate"),
        ([], None, "The body []: must be a valid dictionary"),
        ({"kind": "upscale", "images": []}, "images", "images []: "),
        ({"kind": "upscale", "images": ["../x"]}, "images", "upload the picture first"),
        ({"kind": "train", "training": "lora", "name": "../x", "dataset": "a"}, "name", "name '../x': "),
    ],
)
def test_bad_values_are_422_with_the_field(client: TestClient, body: object, field: str | None, said: str) -> None:
    answer = client.post(JOBS, json=body)
    assert answer.status_code == 422, answer.text
    error = answer.json()["error"]
    assert said in error["message"]
    assert "\n" not in error["message"]
    assert error["field"] == field
    assert client.get(JOBS).json()["total"] == 0


@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe", b"[" * 100_000, b'{"kind": "\\ud800"}'])
def test_what_is_no_json_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post(JOBS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "path",
    [
        *("jobs/nobody", "jobs/a.b", "jobs/nobody/preview", "pictures/99", "pictures/zero", f"pictures/{2**80}"),
        *("uploads/xyz", f"uploads/{'0' * 32}", "datasets/none", "datasets/none/lint", "nothing"),
    ],
)
def test_what_is_not_there_is_404(client: TestClient, path: str) -> None:
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 404, answer.text
    assert re.search("[Tt]here is no", answer.json()["error"]["message"])


def test_no_name_leads_out_of_its_folder(client: TestClient) -> None:
    for path in ("datasets/..%2f..%2fetc", "datasets/a/file/..%2f..%2finkbloom.db", "jobs/..%2fx", "uploads/..%2fx"):
        assert client.get(f"/api/v1/{path}").status_code in (404, 422)


def test_addresses_are_checked(client: TestClient) -> None:
    answer = client.get("/api/v1/jobs?limit=0")
    assert answer.status_code == 422
    assert answer.json()["error"] == {
        "type": "RequestError",
        "message": "limit 0: must be greater than or equal to 1.",
        "field": "limit",
    }
    assert client.put("/api/v1/jobs").status_code == 405
    assert client.get("/api/v1/pictures?q=colour:red").status_code == 422


def test_a_broken_picture_is_refused(client: TestClient) -> None:
    answer = client.post("/api/v1/uploads", content=b"no picture", headers={"content-type": "image/png"})
    assert answer.status_code == 422
    url = "data:image/png;base64," + base64.b64encode(b"no picture").decode()
    answer = client.post(JOBS, json=asked(init_image=url))
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "init_image"


def test_what_has_ended_cannot_be_cancelled(client: TestClient) -> None:
    job = client.post(JOBS, json=asked()).json()["id"]
    assert client.post(f"{JOBS}/{job}/cancel").json()["state"] == "cancelled"
    answer = client.post(f"{JOBS}/{job}/cancel")
    assert answer.status_code == 409
    assert answer.json()["error"]["type"] == "ConflictError"


def test_a_full_queue_is_503(client: TestClient) -> None:
    assert client.put("/api/v1/settings", json={"most_queued": 1}).status_code == 200
    assert client.post(JOBS, json=asked()).status_code == 202
    assert client.post(JOBS, json=asked()).status_code == 503


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 507),
        (OutputError('Cannot write "x": No space left on device.'), 507),
        (MemoryNeededError("It does not fit."), 503),
        (OSError(errno.EIO, "broken"), 500),
        (sqlite3.OperationalError("no such table"), 500),
        (ValueError("a mistake"), 500),
    ],
)
def test_the_servers_own_troubles(error: Exception, status: int) -> None:
    app = FastAPI()
    errors.install(app)

    @app.get("/")
    def fail() -> None:
        raise error

    answer = TestClient(app, raise_server_exceptions=False).get("/")
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert status != 500 or str(error) not in answer.text


def test_a_message_is_one_bounded_line_of_unicode() -> None:
    body = errors.answer(422, "RequestError", "a\nb \ud800" + "x" * 1000).body
    assert b'"message":"a b ?xxx' in body
    assert len(body) < errors.MOST + 100
