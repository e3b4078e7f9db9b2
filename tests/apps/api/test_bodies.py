"""Bodies are bounded, whatever they say of themselves."""

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from inkbloom.apps.api.bodies import MOST_BYTES, BodyLimit


async def length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def bounded() -> TestClient:
    app = Starlette(routes=[Route("/", length, methods=["POST"])])
    app.add_middleware(BodyLimit, most=1000)
    return TestClient(app)


def test_what_fits_passes(bounded: TestClient) -> None:
    assert bounded.post("/", content=b"x" * 1000).text == "1000"


def test_a_declared_length_is_refused_at_once(bounded: TestClient) -> None:
    answer = bounded.post("/", content=b"x" * 1001)
    assert answer.status_code == 413
    assert answer.json()["error"]["type"] == "TooLargeError"


def test_an_undeclared_one_when_it_is_reached(bounded: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    assert bounded.post("/", content=chunks()).status_code == 413


def test_a_hundred_megabytes_of_base64(client: TestClient) -> None:
    head = b'{"kind": "generate", "request": {"prompt": "", "init_image": "data:image/png;base64,'
    answer = client.post("/api/v1/jobs", content=head.ljust(MOST_BYTES + 1, b"A"))
    assert answer.status_code == 413
    assert answer.json()["error"] == {
        "type": "TooLargeError",
        "message": "The body is too large: at most 64 MiB are taken. Upload pictures one by one.",
        "field": None,
    }
