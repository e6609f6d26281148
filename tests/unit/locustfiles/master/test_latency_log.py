from __future__ import annotations

from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from locustfiles.counts import Timings, new_histogram
from locustfiles.master.recorder import LatencyLog
from soak.contract import HISTOGRAM_HIGHEST_US


def _read(path: Path) -> list[HdrHistogram]:
    reader = HistogramLogReader(str(path), new_histogram())
    try:
        return list(iter(reader.get_next_interval_histogram, None))
    finally:
        reader.close()


def _interval(*latencies_us: int) -> Timings:
    made = Timings()
    for latency_us in latencies_us:
        made.record(latency_us, latency_us // 2)
    return made


def test_a_standard_reader_reads_it_back(tmp_path: Path) -> None:
    """hdrh's own reader gives back tags, times in seconds since the run's start, counts and values."""
    path = tmp_path / "latency.hlog"
    with path.open("w") as file:
        log = LatencyLog(file)
        log.write(_interval(1000, 2000, 3000), 0, 10)
        log.write(_interval(50_000), 10, 13)
    histograms = _read(path)
    assert [
        (h.get_tag(), h.get_start_time_stamp() / 1000, h.get_end_time_stamp() / 1000, h.get_total_count())
        for h in histograms
    ] == [("latency", 0, 10, 3), ("service", 0, 10, 3), ("latency", 10, 13, 1), ("service", 10, 13, 1)]
    assert histograms[0].get_value_at_percentile(50) == pytest.approx(2000, rel=1e-3)
    assert histograms[3].get_max_value() == pytest.approx(25_000, rel=1e-3)


def test_intervals_add_up(tmp_path: Path) -> None:
    """The sum of the intervals is the histogram of all requests."""
    path = tmp_path / "latency.hlog"
    with path.open("w") as file:
        log = LatencyLog(file)
        for start in range(5):
            log.write(
                _interval(*range(1000 * start + 1000, 1000 * start + 2000, 10)), start * 10, start * 10 + 10
            )
    total = new_histogram()
    for histogram in _read(path):
        if histogram.get_tag() == "latency":
            total.add(histogram)
    assert total.get_total_count() == 500
    assert total.get_value_at_percentile(99) == pytest.approx(5940, rel=2e-3)


def test_what_is_beyond_the_range_is_counted(tmp_path: Path) -> None:
    """A latency above the highest value of the histogram is not lost."""
    path = tmp_path / "latency.hlog"
    with path.open("w") as file:
        LatencyLog(file).write(_interval(10 * HISTOGRAM_HIGHEST_US), 0, 10)
    latency, _ = _read(path)
    assert latency.get_total_count() == 1
    assert latency.get_max_value() == pytest.approx(HISTOGRAM_HIGHEST_US, rel=1e-3)


def test_the_text_of_the_log(tmp_path: Path) -> None:
    """The head says what the figures are; each line has its tag, start, length and maximum in milliseconds."""
    path = tmp_path / "latency.hlog"
    with path.open("w") as file:
        LatencyLog(file).write(_interval(7000), 20, 30)
    *head, latency, service = path.read_text().splitlines()
    assert head == [
        "#[microseconds; times are seconds since the run's start]",
        "#[Histogram log format version 1.2]",
        "#[BaseTime: 0.000000 (seconds since epoch)]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    assert latency.startswith("Tag=latency,20.000000,10.000000,7.000000,HIST")
    assert service.startswith("Tag=service,20.000000,10.000000,3.000000,HIST")
