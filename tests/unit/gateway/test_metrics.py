from prometheus_client.parser import text_string_to_metric_families

from gateway.interface import Stats
from gateway.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Return what a scrape shows: name and status class to value, buckets left out."""
    return {
        (sample.name, sample.labels.get("status", "")): sample.value
        for family in text_string_to_metric_families(bytes(metrics.response().body).decode())
        for sample in family.samples
        if "le" not in sample.labels
    }


def test_sizes_are_read_when_asked() -> None:
    """The gauges are the gateway's sizes at the scrape, and nothing is read before it."""
    sizes = iter([Stats(1, 2, 3, 4), Stats(5, 6, 7, 8)])
    metrics = Metrics(lambda: next(sizes))
    for expected in ([1, 2, 3, 4], [5, 6, 7, 8]):
        shown = samples(metrics)
        names = ("background_tasks", "sessions", "cache_entries", "history_entries")
        assert [shown[f"gateway_{name}", ""] for name in names] == expected


def test_the_process_shows_itself() -> None:
    """The standard process figures are there: memory, processor time, open files."""
    shown = samples(Metrics(lambda: Stats(0, 0, 0, 0)))
    assert shown["process_resident_memory_bytes", ""] > 1_000_000
    assert shown["process_cpu_seconds_total", ""] > 0
    assert shown["process_open_fds", ""] > 0


def test_durations_are_kept_by_status_class() -> None:
    """Requests are counted and summed by 2xx, 4xx and 5xx; a hundred statuses make no more labels."""
    metrics = Metrics(lambda: Stats(0, 0, 0, 0))
    before = samples(metrics)
    for status in (*range(200, 230), *range(400, 440), *range(500, 530)):
        metrics.observe(status, 0.5)
    shown = samples(metrics)
    assert shown.keys() == before.keys()
    for kind, requests in {"2xx": 30, "4xx": 40, "5xx": 30}.items():
        assert before["gateway_request_duration_seconds_count", kind] == 0
        assert shown["gateway_request_duration_seconds_count", kind] == requests
        assert shown["gateway_request_duration_seconds_sum", kind] == requests * 0.5
