"""The application over a service in a folder of its own; only tests that ask for `running` start its worker."""

import io
from collections.abc import Iterator
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
        answer = client.post("/api/v1/jobs", json=small() | {"wait": 120})
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == "done", answer.text
        yield client
    service.close()


def small(**fields) -> dict:
    """A job that paints one small picture."""
    request = {"prompt": "a cat", "width": 64, "height": 64, "steps": 2, "seed": 7} | fields
    return {"kind": "generate", "request": request}


def png(size: tuple[int, int] = (40, 30), mode: str = "RGB", format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, "red").save(file, format, **options)
    return file.getvalue()
