"""The application over a service in a folder of its own; only tests that ask for `running` start its worker."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from inkbloom.apps.api.app import create_app
from inkbloom.apps.service.folders import DataFolder
from inkbloom.apps.service.service import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    models = tmp_path / "models"
    models.mkdir()
    service = Service(DataFolder(tmp_path / "data"), models, devices=["cpu"])
    yield service
    service.close()


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(create_app(service)) as client:
        yield client


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """With a worker that paints, and one picture of the starter's in the gallery."""
    service = Service(DataFolder(tmp_path_factory.mktemp("data")), None, devices=["cpu"])
    service.start()
    with TestClient(create_app(service)) as client:
        request = {"prompt": "a cat", "width": 64, "height": 64, "steps": 2, "seed": 7}
        answer = client.post("/api/v1/jobs", json={"kind": "generate", "request": request, "wait": 120})
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == "done", answer.text
        yield client
    service.close()


@pytest.fixture
def make_png() -> Callable[..., bytes]:
    """A picture's file."""

    def make(size: tuple[int, int] = (40, 30), mode: str = "RGB", format: str = "PNG") -> bytes:
        file = io.BytesIO()
        Image.new(mode, size, "red").save(file, format)
        return file.getvalue()

    return make
