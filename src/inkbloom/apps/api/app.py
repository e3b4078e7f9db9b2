"""The application: the native API, A1111's, OpenAI's and the page, over a service that its caller starts and closes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.gzip import GZipMiddleware

import inkbloom
from inkbloom.apps.api import a1111, errors, openai
from inkbloom.apps.api.bodies import BodyLimit
from inkbloom.apps.api.native import choices, datasets, jobs, models, pictures, prompts, system, uploads
from inkbloom.apps.api.native.openapi import with_picture_texts
from inkbloom.apps.api.page import Page
from inkbloom.apps.api.sse import Hub, Remembered
from inkbloom.apps.service.service import Service

PREFIX = "/api/v1"

_ABOUT = """Everything the page does, for programs.

Work is a **job**: `POST /api/v1/jobs` queues it and answers at once, or with `wait` when it has ended. Pictures in a
request are texts: `upload:ID` of one brought by `POST /api/v1/uploads`, `picture:ID` of one in the gallery, or a data
URL. `GET /api/v1/events` tells what happens. Every error is `{"error": {"type", "message", "field"}}`.
"""


def create_app(service: Service) -> FastAPI:
    """The application for a service; its state has `service` and `hub`, which hears while the application runs.

    What no endpoint answers is the page's, so that further routers may be included at any time.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.hub.start()
        yield
        app.state.hub.stop()

    app = FastAPI(
        title="inkbloom",
        version=inkbloom.__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # they would load scripts from another host
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service = service
    app.state.hub = Hub(service.events)
    app.state.remembered = Remembered(service.events)
    errors.install(app)
    for room in (jobs, pictures, uploads, prompts, models, datasets, choices, system):
        app.include_router(room.router, prefix=PREFIX, responses=errors.ANSWERS)
    for router in (*a1111.ROUTERS, openai.router):
        app.include_router(router)
    app.router.default = Page()
    app.add_middleware(BodyLimit)
    app.add_middleware(GZipMiddleware, compresslevel=5)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            app.openapi_schema = with_picture_texts(document)
        return app.openapi_schema

    app.openapi = openapi
    return app
