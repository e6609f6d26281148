"""What is taken of a process's metrics, and which metrics will not do."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.process_collector import ProcessCollector

from soak.elsewhere import exposition as module
from soak.elsewhere.exposition import MetricsError, RefusedError, read_exposition
from tests.support.metrics_server import START, exposition


def test_each_series_is_a_column() -> None:
    """Generations add up, but full collections are those of the oldest one."""
    found = read_exposition(exposition(rss=4.5e7, cpu=2.25))
    assert (found.start_s, found.cpu_s) == (START, 2.25)
    assert found.cells == {
        "rss_bytes": 45_000_000, "cpu_s": 2.25, "fds": 9, "fds_limit": 1024,
        "gc_collected": 6, "gc_uncollectable": 0, "gc_gen2_collections": 10,
    }  # fmt: skip


def test_what_is_not_exported_is_an_empty_cell() -> None:
    """A process without our collectors of garbage and descriptors: its memory and its start are enough."""
    found = read_exposition(b"process_resident_memory_bytes 1e6\r\nprocess_start_time_seconds 5\r\n")
    assert {name: value for name, value in found.cells.items() if value is not None} == {
        "rss_bytes": 1_000_000
    }


def test_the_parser_sees_the_lines_of_the_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an exporter that knows no ``name[]`` and has a thousand label sets of its own."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    durations = Histogram("shop_request_seconds", "x", ["path"], registry=registry)
    for number in range(1000):
        durations.labels(f"/{number}").observe(0.1)
    parsed: list[str] = []

    def counted(text: str) -> object:
        parsed.append(text)
        return text_string_to_metric_families(text)

    monkeypatch.setattr(module, "text_string_to_metric_families", counted)
    body = generate_latest(registry)
    assert body.count(b"\n") > 18_000
    assert read_exposition(body).start_s > 1e9
    assert [text.count("\n") for text in parsed] == [14]


def test_a_long_line_is_no_reading() -> None:
    """Its number would be cut, and a cut number is one, too."""
    long = b'process_cpu_seconds_total{a="%s"}' % (b"x" * 500)
    body = exposition(rss=4.5e7).replace(b"process_cpu_seconds_total", long)
    with pytest.raises(MetricsError, match="a line of more than 500 characters"):
        read_exposition(body)


@pytest.mark.parametrize("name", ["process_resident_memory_bytes", "process_start_time_seconds"])
def test_multiprocess_mode_is_refused_by_name(name: str) -> None:
    """It has no figures of a process; the message has what is missing and the fix."""
    body = exposition().replace(name.encode(), b"shop_" + name.encode())
    with pytest.raises(
        RefusedError, match=f"^it has no {name}, as in .*PROMETHEUS_MULTIPROC_DIR.*give an address"
    ):
        read_exposition(body)


def test_metrics_of_several_processes_are_refused() -> None:
    """As those of another harness, with a label for each."""
    more = 'process_resident_memory_bytes{arm="fixed"} 5e7\n'
    with pytest.raises(
        RefusedError, match="2 series process_resident_memory_bytes; name one process by its own"
    ):
        read_exposition(exposition(more=more))
    many = "".join(f'process_open_fds{{arm="{n}"}} 5\n' for n in range(200))
    with pytest.raises(RefusedError, match="214 series of the process; name one"):
        read_exposition(exposition(more=many))


@pytest.mark.parametrize(
    "line",
    [
        "process_resident_memory_bytes NaN", "process_resident_memory_bytes -1", "process_resident_memory_bytes +Inf",
        "process_resident_memory_bytes 1e300", "process_resident_memory_bytes much",
        "process_resident_memory_bytes {", 'process_resident_memory_bytes{a="', "process_resident_memory_bytes \xff",
    ],
)  # fmt: skip
def test_what_is_no_possible_number_is_a_failed_reading(line: str) -> None:
    """It is a gap, not 0 and no traceback."""
    body = exposition().replace(b"process_resident_memory_bytes 50000000.0", line.encode("latin-1"))
    with pytest.raises(MetricsError):
        read_exposition(body)


@pytest.mark.parametrize("body", [b"", b"<html>no metrics</html>", b"\n" * 10_000, b"\x00\xff" * 1000])
def test_a_body_of_something_else_has_no_such_series(body: bytes) -> None:
    with pytest.raises(
        RefusedError, match="it has no process_resident_memory_bytes and no process_start_time"
    ):
        read_exposition(body)
