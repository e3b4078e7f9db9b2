"""What a server says of itself, and when it does not begin."""

import socket
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from inkbloom.apps.api.security import Access
from inkbloom.apps.api.server import ServerSettings, guarded, serve
from inkbloom.apps.service.folders import DataFolder
from inkbloom.apps.service.service import Service
from inkbloom.apps.service.workers import Worker
from inkbloom.core.errors import OutputError, RequestError


def _refused(**settings) -> str:
    with pytest.raises((OutputError, RequestError)) as error:
        serve(ServerSettings(**settings))
    return str(error.value)


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    with DataFolder(tmp_path).lock():
        message = _refused(data_dir=tmp_path, port=0)
    assert message == f'Another server works in "{tmp_path}"; stop it, or give this one its own folder.'
    assert not (tmp_path / "inkbloom.db").exists()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = _refused(data_dir=tmp_path / "data", port=port)
    assert message == (
        f"Cannot listen on 127.0.0.1, port {port}: Address already in use. Is another server running? See --port."
    )
    assert not (tmp_path / "data").exists()


def test_other_machines_need_a_token(tmp_path: Path) -> None:
    assert _refused(data_dir=tmp_path, host="0.0.0.0").startswith("--host 0.0.0.0 lets other machines in")


def test_ready_is_who_has_a_worker_and_a_disk(service: Service) -> None:
    dispatcher = service._dispatcher
    worker = Worker("cpu", lambda: service._worker_config("cpu"), dispatcher)  # never started
    dispatcher.workers.append(worker)
    with TestClient(guarded(service, Access()), base_url="http://localhost") as http:
        assert (http.get("/healthz").status_code, http.get("/healthz").text) == (200, "ok\n")
        for state in ("starting", "failed", "stopped"):
            worker.state = state
            assert (http.get("/readyz").status_code, http.get("/readyz").text) == (503, "no worker is ready yet\n")
        for state in ("ready", "working"):
            worker.state = state
            assert http.get("/readyz").status_code == 200
        dispatcher.trouble = "The disk is full."
        assert (http.get("/readyz").status_code, http.get("/readyz").text) == (503, "The disk is full.\n")
    dispatcher.workers.clear()
