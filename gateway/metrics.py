"""What the gateway shows to Prometheus at ``GET /metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.responses import Response

from gateway.interface import Stats

STATUS_CLASSES: Final = ("2xx", "4xx", "5xx")


class Metrics:
    """The process's own figures, the gateway's sizes as they are when asked, and how long requests took."""

    def __init__(self, stats: Callable[[], Stats]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_Sizes(stats))
        durations = Histogram(
            "gateway_request_duration_seconds",
            "Time from the arrival of a request to /api until its answer is ready.",
            ["status"],
            registry=self._registry,
        )
        # looked up once: labels() costs more than observe()
        self._durations = {name[0]: durations.labels(name) for name in STATUS_CLASSES}

    def observe(self, status: int, duration_s: float) -> None:
        """Count one request by the class of its status: 2xx, 4xx or 5xx."""
        self._durations[str(status)[0]].observe(duration_s)

    def response(self) -> Response:
        """Return all figures in Prometheus's text format."""
        return Response(generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Sizes(Collector):
    def __init__(self, stats: Callable[[], Stats]) -> None:
        self._stats = stats

    def collect(self) -> Iterable[Metric]:
        for name, size in asdict(self._stats()).items():
            yield GaugeMetricFamily(f"gateway_{name}", f"How many {name} the gateway holds.", size)
