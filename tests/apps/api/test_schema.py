"""Every endpoint of the OpenAPI document, asked at random: it answers what it documents, and never fails."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from inkbloom.apps.api.app import create_app
from inkbloom.apps.service.folders import DataFolder
from inkbloom.apps.service.refusals import ConflictError, UnknownError
from inkbloom.apps.service.service import Service
from tests.apps.service.conftest import png, spec_of

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
LEFT_OUT = {"GET /api/v1/events": "it never ends; test_sse.py reads it"}


@pytest.fixture
def service(tmp_path) -> Iterator[Service]:
    """Without a worker: each job is cancelled as soon as it is queued, so that calls that wait for its end return."""
    service = Service(DataFolder(tmp_path), None, devices=["cpu"])
    subscription = service.events.subscribe()
    closing = threading.Event()

    def cancel() -> None:
        while not closing.is_set():
            event = subscription.get(0.1)
            if event is not None and event.type == "job" and event.data["state"] in ("queued", "held"):
                with suppress(ConflictError, UnknownError):
                    service.cancel(event.data["id"])

    canceller = threading.Thread(target=cancel)
    canceller.start()
    yield service
    closing.set()
    canceller.join()
    shutdown_lifespans()
    service.close()


@pytest.fixture
def known(service: Service) -> dict[str, dict[str, object]]:
    """What is there, by the paths that lead to it; a random id never is."""
    path = service.folder.outputs / "day/1-000.png"
    path.parent.mkdir()
    path.write_bytes(png())
    about = {"index": 0, "role": "picture", "width": 40, "height": 30, "seed": 7, "request": None}
    service.gallery.add(path, job="1", kind="generate", **about)
    service.datasets.create("cats")
    file = service.datasets.add("cats", "cat.png", png(), "a cat")
    job = service.submit(spec_of()).id
    return {
        "jobs": {"id": job},
        "pictures": {"id": 1},
        "uploads": {"id": service.uploads.add(png()).id},
        "datasets": {"name": "cats", "file": file},
    }


@pytest.mark.parametrize("examples", [12, pytest.param(100, marks=pytest.mark.long)])
def test_no_endpoint_fails(service: Service, known, examples: int, subtests) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(service))
    settings = hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {*LEFT_OUT} < {operation.label for operation in operations}
    for operation in operations:
        if operation.label not in LEFT_OUT:
            with subtests.test(operation.label):
                ask(operation, known.get(operation.path.removeprefix("/api/v1/").partition("/")[0], {}), settings)


def ask(operation: Any, there: dict[str, object], settings: hypothesis.settings) -> None:
    @settings
    @hypothesis.given(case=operation.as_strategy(), is_there=strategies.booleans())
    def check(case: schemathesis.Case, is_there: bool) -> None:
        if is_there and there:
            case.path_parameters = {name: there[name] for name in case.path_parameters or {}}
        answer = case.call()
        assert answer.status_code < 500 or answer.status_code == 501, answer.text  # 501: A1111's, not had here
        case.validate_response(answer, checks=CHECKS)

    check()
