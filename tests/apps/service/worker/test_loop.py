"""The worker beside its jobs: models in memory, settings, the lock, and what its package costs the server."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inkbloom.apps.service.worker import loop
from inkbloom.core.errors import OutputError

from .conftest import Office, told

PAINT = {"prompt": "a dog", "width": 64, "height": 64, "steps": 1, "seed": 1}


def test_the_server_does_not_load_torch() -> None:
    code = "import sys, inkbloom.apps.service.worker, inkbloom.apps.service.messages; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_models_are_loaded_and_dropped_when_asked(new_office: Callable[..., Office]) -> None:
    office = new_office()
    office.connection.send({"do": "load", "model": "starter"})
    heard = office.hear_until("models")
    names = [[one["name"] for one in message["loaded"]] for message in told(heard, "models")]
    assert names == [["starter"]]
    assert heard[-1]["bytes"] == heard[-1]["loaded"][0]["bytes"] > 10**6
    office.hear_until("models")  # of the answer, beside the change
    painted = office.run({"kind": "generate", "request": PAINT})
    assert not told(painted, "models")
    office.connection.send({"do": "load", "model": "stater"})
    failed = office.hear_until("failed")[-1]
    assert (failed["job"], failed["type"]) == ("", "CheckpointError")
    office.connection.send({"do": "unload"})
    assert office.hear_until("models")[-1]["loaded"] == []
    office.connection.send({"do": "settings", "settings": {"lenient": True, "preview_method": "none"}})
    heard = office.run({"kind": "generate", "request": PAINT | {"prompt": "a dog <lora:film:1>"}})
    assert heard[-1]["tell"] == "done"
    assert "film" in heard[-1]["warnings"][0]


def test_a_device_has_one_worker_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "PATIENCE", 0.0)
    refused = pytest.raises(OutputError, match=r'^Another worker has the device "cpu" \(')
    with loop.alone(tmp_path, "cuda:0"), loop.alone(tmp_path, "cpu"), refused, loop.alone(tmp_path, "cpu"):
        pass
    with loop.alone(tmp_path, "cpu"):
        pass


def test_a_worker_without_its_device_says_so(models_dir: Path, tmp_path: Path) -> None:
    office = Office(tmp_path, models_dir, device="cuda:9")
    heard = office.hear()
    assert (heard["tell"], heard["job"], heard["type"]) == ("failed", "", "RequestError")
    assert heard["message"] == 'Device "cuda:9" is not on this machine. Present: cpu.'
    office.close()
