"""A real worker's process, and what a server would say to it."""

import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from inkbloom.apps.service.messages import Run, WorkerConfig
from inkbloom.apps.service.worker import main

ENDS = ("done", "failed", "cancelled")
PATIENCE = 120.0
"""Seconds after which a silent worker is a failed test."""


class Office:
    """The server's side of one worker."""

    def __init__(self, root: Path, models: Path | None, *, device: str = "cpu", **settings: Any) -> None:
        self.root = root
        self.connection, theirs = multiprocessing.get_context("spawn").Pipe()
        config = WorkerConfig(
            device=device,
            data=root,
            models_dir=models,
            memory_budget=2**30,
            settings={"preview_method": "none"} | settings,
            threads=1,
        )
        self.process = multiprocessing.get_context("spawn").Process(target=main, args=(theirs, config), daemon=True)
        self.process.start()
        theirs.close()
        self._jobs = 0

    def hear(self) -> dict[str, Any]:
        assert self.connection.poll(PATIENCE), "the worker is silent"
        return self.connection.recv()

    def hear_until(self, *tells: str) -> list[dict[str, Any]]:
        """What is told up to the first of these."""
        heard = [self.hear()]
        while heard[-1]["tell"] not in tells:
            heard.append(self.hear())
        return heard

    def order(self, spec: dict[str, Any], **more: Any) -> Run:
        """A job's message; not sent yet."""
        self._jobs += 1
        job = f"job{self._jobs}"
        run: Run = {
            "do": "run",
            "job": job,
            "spec": spec,
            "folder": str(self.root / "outputs"),
            "stem": job,
            "format": "png",
            "spool": str(self.root / "spool" / job),
            "done": [],
            "skip": [],
        }
        return run | more  # type: ignore[return-value]

    def run(self, spec: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        """Have a job done; all that is told of it."""
        self.connection.send(self.order(spec, **more))
        return self.hear_until(*ENDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def close(self) -> None:
        if self.process.is_alive():
            self.connection.send({"do": "stop"})
            self.process.join(30)
            self.process.kill()
        self.connection.close()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the workers here: what is painted with another number of threads differs in its last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def models_dir(tiny_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    (folder / "checkpoints").mkdir()
    shutil.copy(tiny_file, folder / "checkpoints" / "tiny.safetensors")
    return folder


@pytest.fixture(scope="session")
def office(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One for all tests that leave it as it was."""
    office = Office(tmp_path_factory.mktemp("data"), models_dir)
    assert office.hear() == {"tell": "ready", "device": "cpu", "dtype": "float32"}
    yield office
    office.close()


@pytest.fixture
def new_office(models_dir: Path, tmp_path: Path) -> Iterator[Callable[..., Office]]:
    """Makes offices on one data folder."""
    made: list[Office] = []

    def make(**settings: Any) -> Office:
        made.append(Office(tmp_path, models_dir, **settings))
        made[-1].hear_until("ready")
        return made[-1]

    yield make
    for office in made:
        office.close()


def told(heard: list[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    """The messages of one kind."""
    return [message for message in heard if message["tell"] == what]


def end(heard: list[dict[str, Any]]) -> tuple[str, str]:
    """How a job ended: the word, and why it failed."""
    return heard[-1]["tell"], heard[-1].get("message", "")
