"""A service in a folder of its own. Only tests that ask for `running` start its worker."""

import io
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from inkbloom.apps.service import DataFolder, Service
from inkbloom.apps.service.jobs import GenerateSpec
from inkbloom.pipelines.request import GenerationRequest


def spec_of(prompt: str = "a cat", **fields) -> GenerateSpec:
    """A small picture of the starter's."""
    request = {"width": 64, "height": 64, "steps": 4, "seed": 7} | fields
    return GenerateSpec(request=GenerationRequest(prompt=prompt, **request))


def png(size: tuple[int, int] = (40, 30), colour: object = "red", mode: str = "RGB", format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, format)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


@pytest.fixture
def service(folder: DataFolder) -> Iterator[Service]:
    service = Service(folder, None, devices=["cpu"])
    yield service
    service.close()


@pytest.fixture
def painted(service: Service, folder: DataFolder):
    """Make a finished picture of the gallery, as a worker tells of it; its number."""

    def make(prompt: str = "a cat", index: int = 0, job: str | None = None, **fields) -> int:
        job = job or secrets.token_hex(8)
        spec = spec_of(prompt, **{"sampler": "DDIM", "schedule": "trailing", **fields})
        request = spec.request.model_dump(mode="json") | {"model": fields.get("model", "starter")}
        path = folder.outputs / f"day/{job}-{index:03d}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png((request["width"], request["height"])))
        service.gallery.add(
            path,
            job=job,
            kind="generate",
            index=index,
            role="picture",
            width=request["width"],
            height=request["height"],
            seed=request["seed"],
            request=request,
        )
        return service.gallery.search("", order="newest", limit=1)[0][0].id

    return make
