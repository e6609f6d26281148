"""Services as lines in the OpenMetrics format, from which promtool makes the data of a server."""

from __future__ import annotations

from collections.abc import Iterator

from tests.prometheus.simulator import Scraped


def lines(service: str, scraped: tuple[Scraped, ...]) -> Iterator[str]:
    """Yield the samples of a service, which has a label of its own."""
    for one in scraped:
        labels = ",".join(f'{name}="{value}"' for name, value in {**one.labels, "service": service}.items())
        columns = (
            ("process_resident_memory_bytes", one.memory),
            ("process_start_time_seconds", one.start_s),
            ("http_requests_total", one.requests),
        )
        for metric, values in columns:
            for t_s, value in zip(one.t_s, values, strict=True):
                yield f"{metric}{{{labels}}} {value:.10g} {t_s:.3f}\n"
