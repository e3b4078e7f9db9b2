"""The server's log: one line for what happened, with the job it concerns; JSON where no person reads along."""

from __future__ import annotations

import logging
import re
import sys
import time
from typing import Literal

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LogFormat = Literal["auto", "text", "json"]
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_JOB = re.compile(r"/jobs/([0-9A-Za-z_-]+)")
_QUIET = frozenset({"GET", "HEAD", "OPTIONS"})


def configure(format: LogFormat = "auto", level: str = "info") -> None:
    """Log to standard error: as text to a terminal, as JSON lines elsewhere, unless the format is given."""
    as_text = format == "text" or (format == "auto" and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if as_text else _json
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")


_json = structlog.processors.JSONRenderer(ensure_ascii=False)
log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Requests:
    """ASGI middleware: logs each request that changes something or fails, others at the level debug."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, began = 0, time.perf_counter()

        async def remember(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, remember)
        finally:
            found = _JOB.search(scope["path"])
            told = {"method": scope["method"], "path": scope["path"], "status": status}
            told |= {"job": found[1]} if found else {}
            quiet = scope["method"] in _QUIET and status < 500
            write = log.debug if quiet else log.error if status >= 500 else log.info
            write("request", **told, ms=round(1000 * (time.perf_counter() - began), 1))
