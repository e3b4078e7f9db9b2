"""The process that computes: it loads models, does one job after another, and tells the server how it goes.

A process of its own can crash, hang or run out of memory without harm to the queue, and can be ended at any moment.
What a job needs to go on is on disk. Importing this package is light; what is heavy is imported in the process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from inkbloom.apps.service.messages import WorkerConfig

NICENESS = 5
"""Below what answers people."""


def main(connection: Connection, config: WorkerConfig) -> None:
    """Work off what comes over the connection (`messages`) until a `Stop`; the target of a spawned process.

    Where the other side ends, so does this process, at once and wherever it is.
    """
    import os
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server decides what ends
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    from inkbloom.apps.service.worker.loop import work

    work(connection, config)
