"""A real server in a process of its own, which tests may kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

READY = "The studio is open at "
QUICK = {"width": 64, "height": 64, "steps": 4}
"""A picture of the starter in a fraction of a second."""


class StudioProcess:
    """`inkbloom serve` on a data folder; started again after each kill, on another port where none is given."""

    def __init__(self, data: Path, *options: str, port: int = 0) -> None:
        self.data = data
        self.options = ("--port", str(port), *options)
        self.log = data.parent / f"{data.name}.log"
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> StudioProcess:
        command = [sys.executable, "-m", "inkbloom", "serve", "--data-dir", str(self.data)]
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [*command, *self.options], stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith(READY), f"{line}\n{self.log.read_text()}"
        self.url = line.removeprefix(READY).partition(" ")[0]
        # What else it prints must not fill the pipe
        threading.Thread(target=_drain, args=(self._process.stdout,), daemon=True).start()
        return self

    def kill(self) -> None:
        """As a power cut would, but for the disk."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        return self._process.wait(60)

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, **options)


@pytest.fixture
def studio_process(tmp_path: Path) -> Iterator[Callable[..., StudioProcess]]:
    """Makes processes, not started, and ends what is left of them."""
    made: list[StudioProcess] = []

    def make(*options: str, data: Path = tmp_path / "data") -> StudioProcess:
        made.append(StudioProcess(data, *options))
        return made[-1]

    yield make
    for one in made:
        if one._process is not None:
            one.stop()


@pytest.fixture(scope="session")
def start_studio() -> Callable[..., StudioProcess]:
    """Starts one; who calls it ends it."""

    def start(data: Path, *options: str, port: int = 0) -> StudioProcess:
        return StudioProcess(data, *options, port=port).start()

    return start


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """One that runs for all tests of a module."""
    running = StudioProcess(tmp_path_factory.mktemp("studio") / "data").start()
    yield running
    running.stop()


def _drain(stream: IO[str]) -> None:
    with stream:
        stream.read()


def paint(client: httpx.Client, prompt: str = "a cat", *, key: str | None = None, **fields: Any) -> dict[str, Any]:
    """Queue a quick picture and return its job."""
    request = {"prompt": prompt, **QUICK, **fields}
    headers = {"Idempotency-Key": key} if key else {}
    answer = client.post("/api/v1/jobs", json={"kind": "generate", "request": request}, headers=headers)
    assert answer.status_code in (200, 202), answer.text
    return answer.json()


def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for something that must come; the limit is only for what hangs."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


@pytest.fixture
def tools() -> Any:
    """`paint` and `until`, for modules that cannot import this one."""

    class Tools:
        pass

    Tools.paint, Tools.until, Tools.QUICK = staticmethod(paint), staticmethod(until), QUICK
    return Tools


os.environ.setdefault("OMP_NUM_THREADS", "2")
