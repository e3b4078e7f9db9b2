"""The worker's life: listen in one thread, do one job after another in the other, outlive what goes wrong in them."""

from __future__ import annotations

import os
import queue
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread

import torch

from inkbloom.apps.service.folders import DataFolder, lock_file
from inkbloom.apps.service.messages import ToServer, ToWorker, WorkerConfig
from inkbloom.apps.service.settings import Settings
from inkbloom.apps.service.worker.cache import ModelCache
from inkbloom.apps.service.worker.errand import Errand, Ticket
from inkbloom.apps.service.worker.merging import merge
from inkbloom.apps.service.worker.painting import generate
from inkbloom.apps.service.worker.plotting import plot
from inkbloom.apps.service.worker.training import train
from inkbloom.apps.service.worker.upscaling import upscale
from inkbloom.apps.service.worker.verifying import verify
from inkbloom.core.errors import InkbloomError, MemoryNeededError, OutputError, Stopped
from inkbloom.pipelines.device import choose_compute
from inkbloom.pipelines.memory import is_out_of_memory

KINDS: dict[str, Callable[[Errand], None]] = {
    "generate": generate,
    "upscale": upscale,
    "plot": plot,
    "merge": merge,
    "train": train,
    "verify": verify,
}

PATIENCE = 60.0
"""Seconds for a predecessor on the same device to be gone."""


def work(connection: Connection, config: WorkerConfig) -> None:
    """Do what is asked until a `Stop`."""
    inbox = Inbox(connection)
    try:
        with alone(config.data, config.device):
            Worker(connection, config, inbox).work()
    except InkbloomError as error:  # it cannot even begin
        connection.send(_failed("", error))


class Inbox:
    """What the server says, read as soon as it comes, so that a cancel is known while a job runs."""

    def __init__(self, connection: Connection) -> None:
        self.stopping = False
        self._connection = connection
        self._waiting: queue.SimpleQueue[ToWorker | Ticket] = queue.SimpleQueue()
        self._tickets: dict[str, Ticket] = {}
        Thread(target=self._read, daemon=True).start()

    def next(self) -> ToWorker | Ticket:
        """Wait for what is to be done next; a job comes as its ticket."""
        return self._waiting.get()

    def ended(self, ticket: Ticket) -> None:
        """No cancel is for this ticket any more."""
        if self._tickets.get(ticket.run["job"]) is ticket:
            del self._tickets[ticket.run["job"]]

    def _read(self) -> None:
        while True:
            try:
                message: ToWorker = self._connection.recv()
            except (EOFError, OSError):
                os._exit(1)  # the server is gone, and what is on disk is all that counts
            if message["do"] == "run":
                ticket = self._tickets[message["job"]] = Ticket(message)
                self._waiting.put(ticket)
            elif message["do"] == "cancel":
                self._cancel(message["job"], message["picture"])
            else:
                self.stopping = self.stopping or message["do"] == "stop"
                self._waiting.put(message)

    def _cancel(self, job: str, picture: int | None) -> None:
        ticket = self._tickets.get(job)
        if ticket is None:
            return
        if picture is None:
            ticket.cancelled = True
        else:
            ticket.skip.add(picture)


class Worker:
    def __init__(self, connection: Connection, config: WorkerConfig, inbox: Inbox) -> None:
        """`RequestError` for a device that is not here."""
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        self._inbox, self._send = inbox, connection.send
        self._folder = DataFolder(config.data)
        self._settings = Settings(**config.settings)
        self._compute = choose_compute(config.device)
        self._models = ModelCache(config.models_dir, self._compute, config.memory_budget, self._send)

    def work(self) -> None:
        self._send({"tell": "ready", "device": str(self._compute.device), "dtype": self._compute.dtype_name})
        while True:
            asked = self._inbox.next()
            if self._inbox.stopping:
                return
            if isinstance(asked, Ticket):
                self._guarded(asked.run["job"], lambda ticket=asked: self._run(ticket))
                self._inbox.ended(asked)
            elif asked["do"] == "settings":
                self._settings = Settings(**asked["settings"])
            elif asked["do"] == "unload":
                self._models.clear()
                self._models.tell()
            elif asked["do"] == "load":
                self._guarded("", lambda name=asked["model"]: self._load(name))

    def _load(self, name: str) -> None:
        self._models.refresh()
        self._models.get(name, lenient=self._settings.lenient)
        self._models.tell()

    def _run(self, ticket: Ticket) -> None:
        job = ticket.run["job"]
        errand = Errand(
            ticket=ticket,
            send=self._send,
            stopping=lambda: self._inbox.stopping,
            folder=self._folder,
            settings=self._settings,
            models=self._models,
        )
        try:
            errand.check()
            self._models.refresh()
            KINDS[ticket.run["spec"]["kind"]](errand)
        except Stopped:
            if not self._inbox.stopping:  # else the job goes on another time
                self._send({"tell": "cancelled", "job": job})
        else:
            self._send({"tell": "done", "job": job, "warnings": errand.warnings})

    def _guarded(self, job: str, do: Callable[[], None]) -> None:
        """Whatever goes wrong is told; where memory ran out, it is given back."""
        try:
            do()
        except Exception as error:  # a job must not end the process
            if not isinstance(error, InkbloomError):
                traceback.print_exc(file=sys.stderr)
            self._send(_failed(job, error))
            short = _out_of_memory(error)
        else:
            return
        if short:  # outside the handler, whose traceback holds tensors
            self._models.clear()


def _out_of_memory(error: Exception) -> bool:
    known = isinstance(error, MemoryNeededError | MemoryError)
    return known or (isinstance(error, RuntimeError) and is_out_of_memory(error))


def _failed(job: str, error: Exception) -> ToServer:
    lines = str(error).splitlines() or [type(error).__name__]
    return {"tell": "failed", "job": job, "type": type(error).__name__, "message": lines[0]}


@contextmanager
def alone(data: Path, device: str) -> Iterator[None]:
    """Have the device for this process among those of the folder; `OutputError` where another does not let it go."""
    path = data / f"worker-{device.replace(':', '-')}.lock"
    try:
        data.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OutputError(f'Cannot write "{path}": {error.strerror}.') from None
    try:
        until = time.monotonic() + PATIENCE
        while not lock_file(descriptor):
            if time.monotonic() > until:
                raise OutputError(f'Another worker has the device "{device}" ({path}); end that process.')
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)
