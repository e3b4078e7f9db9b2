"""The server's side of a worker: a thread that starts its process, gives it jobs, hears it, and replaces a dead one."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Event as Flag
from threading import Lock, Thread
from typing import Any, Protocol

from inkbloom.apps.service.messages import Run, ToServer, ToWorker, WorkerConfig

_LONGEST_PAUSE = 60.0
"""Seconds between two attempts to start a process that does not come up."""
_GRACE, _GRACE_TRAINING = 4.0, 30.0
"""Seconds that a process has to end when it is told to; a training keeps its state first, all else lies on the disk."""
_OBEY = 30.0
"""Seconds that a process has to leave a job that was cancelled; a step may be long, but this is the end of patience."""
_LOOK = 2.0
"""Seconds after which a worker without a job asks again, should the database have been out of reach."""


class Host(Protocol):
    """Who a worker works for; called from the worker's thread."""

    def next(self, worker: Worker) -> Run | None:
        """The job to do now, if there is one."""
        ...

    def heard(self, worker: Worker, message: ToServer) -> None:
        """Something was told."""
        ...

    def lost(self, worker: Worker, job: str, reason: str) -> None:
        """The process died over a job."""
        ...


class Worker(Thread):
    """One process for one device, for as long as the service runs."""

    def __init__(self, device: str, config: Callable[[], WorkerConfig], host: Host) -> None:
        super().__init__(name=f"worker {device}", daemon=True)
        self.device = device
        self.job: str | None = None
        """What it is at."""
        self.state = "starting"
        """starting, ready, working, failed or stopped."""
        self.dtype: str | None = None
        self.reason = ""
        """Why the last process died."""
        self._config = config
        self._host = host
        self._context = multiprocessing.get_context("spawn")
        self._bell, self._ringer = self._context.Pipe(duplex=False)
        self._connection: Connection | None = None
        self._sending = Lock()
        self._stopping = Flag()
        self._grace = _GRACE
        self._cancelled: tuple[str, float] | None = None

    def send(self, message: ToWorker) -> None:
        """Say something to the process, if there is one."""
        if message["do"] == "cancel" and message["picture"] is None:
            self._cancelled = message["job"], time.monotonic()
        with self._sending:
            if self._connection is not None:
                with suppress(OSError):  # it has just died, which `run` notices
                    self._connection.send(message)

    def wake(self) -> None:
        """There may be a job."""
        with self._sending:
            if not self._ringer.closed:
                self._ringer.send_bytes(b".")

    def stop(self) -> None:
        """Let the process end within a step; `join` waits for it."""
        self._stopping.set()
        self.send({"do": "stop"})
        self.wake()

    def described(self) -> dict[str, Any]:
        return {
            "name": self.device,
            "kind": self.device.partition(":")[0],
            "dtype": self.dtype,
            "state": self.state,
            "job": self.job,
            "reason": self.reason,
        }

    def run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            was_ready, code = self._run_process()
            if self._stopping.is_set():
                break
            self.reason = _say_exit(code)
            if self.job is not None:
                self._host.lost(self, self.job, self.reason)
                self.job = None
            failures = 0 if was_ready else failures + 1
            self.state = "failed" if failures else "starting"
            self._stopping.wait(min(_LONGEST_PAUSE, 2.0**failures) if failures else 0)
        self.state = "stopped"
        with self._sending:
            self._bell.close()
            self._ringer.close()

    def _run_process(self) -> tuple[bool, int | None]:
        """Start a process and follow it to its end: whether it ever was ready, and its exit code."""
        from inkbloom.apps.service.worker import main

        connection, theirs = self._context.Pipe()
        process = self._context.Process(target=main, args=(theirs, self._config()), name=self.name, daemon=True)
        process.start()
        theirs.close()
        with self._sending:
            self._connection = connection
        try:
            was_ready = self._follow(connection, process)
            process.join(1)
            if process.is_alive():
                process.kill()
                process.join()
            return was_ready, process.exitcode
        finally:
            with self._sending:
                self._connection = None
                connection.close()
            process.close()

    def _follow(self, connection: Connection, process: BaseProcess) -> bool:
        was_ready = told = False
        while True:
            if self._stopping.is_set() and not told:
                told = True
                self.send({"do": "stop"})  # again, since there may have been no connection
            if told and not was_ready:
                return False  # it has nothing to lose
            found = wait([connection, self._bell, process.sentinel], self._grace if told else _LOOK)
            if connection in found:
                try:
                    message: ToServer = connection.recv()
                except (EOFError, OSError):
                    return was_ready
                if message["tell"] == "ready":
                    was_ready, self.state, self.dtype = True, "ready", message["dtype"]
                self._host.heard(self, message)
                if message["tell"] in ("done", "cancelled", "failed") and message.get("job") == self.job:
                    self.job, self.state = None, "ready"
            elif process.sentinel in found or (told and not found):
                return was_ready
            if self._is_deaf():
                process.kill()
            while self._bell.poll():
                self._bell.recv_bytes()
            if was_ready and self.job is None and not self._stopping.is_set():
                self._offer()

    def _is_deaf(self) -> bool:
        """Whether the process goes on with a job that was cancelled long ago."""
        if self._cancelled is None:
            return False
        job, since = self._cancelled
        return job == self.job and time.monotonic() - since > _OBEY

    def _offer(self) -> None:
        run = self._host.next(self)
        if run is not None:
            self.job, self.state = run["job"], "working"
            self._grace = _GRACE_TRAINING if run["spec"]["kind"] == "train" else _GRACE
            self.send(run)


def _say_exit(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
        hint = "; the system may have run out of memory" if name == "SIGKILL" else ""
        return f"The worker was ended by {name}{hint}."
    return f"The worker ended by itself, with exit code {code}."
