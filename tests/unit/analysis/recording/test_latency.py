from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from analysis.recording.latency import QUANTILES, Latency, read_latency
from soak.contract import HISTOGRAM_DIGITS, HISTOGRAM_HIGHEST_US, HISTOGRAM_LOWEST_US, LATENCY_TAG

Build = Callable[..., Path]


def test_the_intervals_of_the_load_are_added_up(build_run: Build) -> None:
    """Quantiles are those of the load alone: the warm-up's 900 ms are in none of them."""
    path = build_run() / "leaky" / "latency.hlog"
    latency = read_latency(path, 21.0, 201.0)
    assert latency.gaps == ()
    assert latency.latency_ms is not None
    assert latency.service_ms is not None
    assert [round(ms, 1) for ms in latency.latency_ms] == [4.0, 8.0, 8.0, 8.0, 8.0]
    assert [round(ms, 1) for ms in latency.service_ms] == [2.0, 4.0, 4.0, 4.0, 4.0]
    warm = read_latency(path, 0.0, 21.0).latency_ms
    assert warm is not None
    assert round(warm[0]) == 900


def test_round_trips_of_messages(build_run: Build) -> None:
    """They are those of the load, and there are none where no WebSocket echoed."""
    path = build_run() / "leaky" / "latency.hlog"
    assert read_latency(path, 21.0, 201.0).round_trip_ms is None
    with path.open("a") as log:
        for start_s, took_us in ((5.0, 900_000), (191.0, 3000)):
            histogram: Any = HdrHistogram(HISTOGRAM_LOWEST_US, HISTOGRAM_HIGHEST_US, HISTOGRAM_DIGITS)
            histogram.record_value(took_us)
            log.write(
                f"Tag=round_trip,{start_s:.3f},1.000,{took_us / 1000:.3f},{histogram.encode().decode()}\n"
            )
    latency = read_latency(path, 21.0, 201.0)
    assert latency.gaps == ()
    assert latency.round_trip_ms is not None
    assert [round(ms, 1) for ms in latency.round_trip_ms] == [3.0] * 5


def test_a_damaged_line_is_stated_and_what_stands_before_it_counts(build_run: Build) -> None:
    """A torn last line of the histogram log costs that line only."""
    path = build_run() / "leaky" / "latency.hlog"
    path.write_bytes(path.read_bytes()[:-30])
    latency = read_latency(path, 21.0, 201.0)
    assert latency.gaps == ("latency.hlog: a damaged line; what follows it may be missing",)
    assert latency.latency_ms is not None


def test_a_line_torn_before_its_histogram_is_stated(build_run: Build) -> None:
    """A tear inside the numbers, which the log's reader skips in silence, is stated all the same."""
    path = build_run() / "leaky" / "latency.hlog"
    whole = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole[:-1]) + "Tag=service,191.0")
    assert read_latency(path, 21.0, 201.0).gaps == (
        "latency.hlog: a damaged line; what follows it may be missing",
    )


def test_a_log_without_intervals_of_the_load_is_a_gap(build_run: Build) -> None:
    """No histogram at all is no latency of zero."""
    path = build_run() / "leaky" / "latency.hlog"
    assert read_latency(path, 300.0, 400.0) == Latency(gaps=("latency.hlog: no latencies of the load",))
    path.write_text("")
    assert read_latency(path, 21.0, 201.0) == Latency(gaps=("latency.hlog: no latencies of the load",))


def test_an_interval_that_is_there_twice_is_a_gap(build_run: Build) -> None:
    """As one is that begins before the one above it, of the same tag; the two tags share their times."""
    path = build_run() / "leaky" / "latency.hlog"
    *head, one, two = path.read_text().splitlines(keepends=True)
    began_s = one.split(",")[1]
    expected = f"latency.hlog: an interval is there twice or time goes back, at t_s {began_s}"
    path.write_text("".join([*head, one, one, two]))
    assert read_latency(path, 21.0, 201.0).gaps == (expected,)
    path.write_text("".join([head[0], one, two, *head[1:]]))
    assert (
        read_latency(path, 21.0, 201.0).gaps[0].startswith("latency.hlog: an interval is there twice or time")
    )


def test_a_line_beyond_the_bound_is_damage(build_run: Build) -> None:
    """A histogram that unpacks to gigabytes is not even decoded."""
    path = build_run() / "leaky" / "latency.hlog"
    with path.open("a") as log:
        log.write(f"Tag=latency,202.000,1.000,1.000,{'A' * (1 << 19)}\n")
    assert read_latency(path, 21.0, 201.0).gaps == (
        "latency.hlog: a damaged line; what follows it may be missing",
    )


def test_the_counts_are_those_of_the_librarys_own_reader(build_run: Build) -> None:
    """Every quantile and the p99 of each quarter are those of histograms that hdrh reads and adds up."""
    path = build_run() / "leaky" / "latency.hlog"
    untyped: Any = HistogramLogReader
    reader = untyped(str(path), HdrHistogram(HISTOGRAM_LOWEST_US, HISTOGRAM_HIGHEST_US, HISTOGRAM_DIGITS))
    total = HdrHistogram(HISTOGRAM_LOWEST_US, HISTOGRAM_HIGHEST_US, HISTOGRAM_DIGITS)
    while (one := reader.get_next_interval_histogram()) is not None:
        if one.get_tag() == LATENCY_TAG and 21.0 <= one.get_start_time_stamp() / 1000 < 201.0:
            total.add(one)
    reader.close()
    quantiles = total.get_percentile_to_value_dict(QUANTILES)
    assert read_latency(path, 21.0, 201.0).latency_ms == tuple(quantiles[one] / 1000 for one in QUANTILES)


@pytest.mark.parametrize(
    "settings", [(2, HISTOGRAM_HIGHEST_US, 3), (1, 3_600_000_000, 3), (1, HISTOGRAM_HIGHEST_US, 2)]
)
def test_a_histogram_that_is_made_otherwise_is_damage(
    build_run: Build, settings: tuple[int, int, int]
) -> None:
    """Its counts stand for other latencies than ours do."""
    path = build_run() / "leaky" / "latency.hlog"
    other = HdrHistogram(*settings)
    other.record_value(5000)
    with path.open("a") as log:
        log.write(f"Tag=latency,202.000,1.000,1.000,{other.encode().decode()}\n")
    assert read_latency(path, 21.0, 201.0).gaps == (
        "latency.hlog: a damaged line; what follows it may be missing",
    )
