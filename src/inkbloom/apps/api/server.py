"""The running server: the service, its API and page behind the doors, on a socket, until it is told to stop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from inkbloom.apps.api.app import create_app
from inkbloom.apps.api.logs import Requests, log
from inkbloom.apps.api.metrics import CONTENT_TYPE, Metrics, Timing
from inkbloom.apps.api.security import Access, Doors, is_loopback
from inkbloom.apps.api.sse import Hub
from inkbloom.apps.service.folders import DataFolder
from inkbloom.apps.service.service import Service
from inkbloom.core.errors import OutputError, RequestError

HOST, PORT = "127.0.0.1", 7860


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """`RequestError` where other machines would be let in without a token or password."""

    data_dir: Path
    models_dir: Path | None = None
    default_model: str | None = None
    devices: tuple[str, ...] = ()
    """One worker for each; none: the best device present."""
    host: str = HOST
    port: int = PORT
    """0: any free one."""
    access: Access = field(default_factory=Access)

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and not self.access.guarded:
            raise RequestError(
                f"--host {self.host} lets other machines in; give a --token for them, or --api-auth USER:PASSWORD."
            )


def guarded(service: Service, access: Access) -> FastAPI:
    """The whole application: what `create_app` has, health and metrics, behind the doors."""
    metrics = Metrics(service)
    app = create_app(service)
    app.router.routes[0:0] = [
        Route("/healthz", _healthy),
        Route("/readyz", lambda request: _ready(service)),
        Route("/metrics", lambda request: Response(metrics.text(), media_type=CONTENT_TYPE)),
    ]
    app.user_middleware[0:0] = [
        Middleware(Requests),
        Middleware(Doors, access=access),
        Middleware(Timing, metrics=metrics),
    ]
    _Watcher(service)
    return app


def _healthy(request: object) -> Response:
    """The process answers."""
    return PlainTextResponse("ok\n")


def _ready(service: Service) -> Response:
    """A worker takes jobs, and what comes of them can be written down."""
    ready = any(one["state"] in ("ready", "working") for one in service.workers())
    reason = service.trouble or (None if ready else "no worker is ready yet")
    return PlainTextResponse(f"{reason or 'ready'}\n", 503 if reason else 200)


class _Server(uvicorn.Server):
    """Lets streams of events and waiting calls go as soon as it is told to stop; they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not as the parent does it, which raises the signal again in the end, before the service is closed
        self.force_exit = self.should_exit
        self.should_exit = True
        self._hub.stop_soon()


class _Watcher(threading.Thread):
    """Logs what happens to jobs."""

    def __init__(self, service: Service) -> None:
        super().__init__(name="watcher", daemon=True)
        self.subscription = service.events.subscribe()
        self.start()

    def run(self) -> None:
        while (event := self.subscription.get()) is not None:
            if event.type == "job":
                job = event.data
                reason = {"reason": job["error"]["message"]} if job["error"] else {}
                log.info("job", job=job["id"], kind=job["kind"], state=job["state"], **reason)


def serve(settings: ServerSettings, on_ready: Callable[[str], None] = lambda url: None) -> None:
    """Serve until Ctrl-C or SIGTERM; `on_ready` is told the page's address.

    What is running goes on where it stopped when the server starts again. Raises `OutputError` where the address is
    taken, or another server works in the data folder.
    """
    with closing(_socket(settings.host, settings.port)) as listening, DataFolder(settings.data_dir).lock():
        service = Service(
            DataFolder(settings.data_dir),
            settings.models_dir,
            devices=settings.devices or None,
            default_model=settings.default_model,
        )
        app = guarded(service, settings.access)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=64 * 1024,
        )
        service.start()
        try:
            port = listening.getsockname()[1]
            shown = f"[{settings.host}]" if ":" in settings.host else settings.host
            log.info("serving", url=f"http://{shown}:{port}", data=str(settings.data_dir))
            on_ready(f"http://{shown}:{port}")
            _Server(config, app.state.hub).run(sockets=[listening])
        finally:
            service.close()


def _socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"Cannot listen on {host}, port {port}: {reason}. Is another server running? See --port."
        ) from None
    listening.listen(1024)
    return listening
