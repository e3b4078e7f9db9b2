"""What Prometheus may ask for: requests, jobs by their state, and the models in memory.

Requests are counted from the server's start; all else is what is there when somebody asks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inkbloom.apps.service.service import Service

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Metrics:
    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "inkbloom_request_seconds",
            "Time until a request's answer begins",
            ("method", "endpoint", "status"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.registry.register(_Present(service))

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)


class _Present(Collector):
    """What is read off the service when somebody asks."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("inkbloom_jobs", "Jobs in the queue and its history", labels=("state",))
        for state, count in self.service.counts().items():
            jobs.add_metric((state,), count)
        yield jobs
        paused = self.service.queue(0)["paused"]
        yield GaugeMetricFamily("inkbloom_queue_paused", "1 while the queue is paused", value=int(paused))
        yield GaugeMetricFamily("inkbloom_events", "The number of the newest event", value=self.service.events.last)
        loaded = GaugeMetricFamily("inkbloom_model_bytes", "Memory of the models in the cache", labels=("model",))
        for model in self.service.models.held()["loaded"]:
            loaded.add_metric((model["name"],), model["bytes"])
        yield loaded


class Timing:
    """ASGI middleware: how long each request took, under its endpoint's name, so that there are few of them."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()

        async def observe(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["type"] == "http":
                route = scope.get("route")
                endpoint = getattr(route, "operation_id", None) or getattr(route, "name", "other")
                labels = (scope["method"], endpoint, str(message["status"]))
                self.metrics.requests.labels(*labels).observe(time.perf_counter() - began)
            await send(message)

        await self.app(scope, receive, observe)
