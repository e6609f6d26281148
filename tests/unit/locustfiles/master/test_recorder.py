from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TextIO

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from locustfiles.counts import Second, Timings, new_histogram
from locustfiles.master.recorder import ArmRecorder, CannotRecordError, LatencyLog
from locustfiles.schedule.phases import Timetable
from soak.contract import HISTOGRAM_HIGHEST_US, REQUEST_COLUMNS, names
from soak.contract.clock import RunClock
from soak.regular_files import open_output

ReadRows = Callable[[Path], list[dict[str, str]]]
ReadIntervals = Callable[[Path], list[tuple[str, float, float, int]]]

TIMETABLE = Timetable(5, 8, 30)


@pytest.fixture
def recorder(tmp_path: Path) -> ArmRecorder:
    """Return a recorder that has begun with TIMETABLE."""
    made = ArmRecorder(
        "leaky", tmp_path, RunClock(0.0, monotonic_s=lambda: 50.0, wall_s=lambda: 1_720_137_650.0)
    )
    made.begin(TIMETABLE)
    return made


def _second(answers: int = 1) -> Second:
    second = Second(sent=answers, ok=answers)
    for _ in range(answers):
        second.timings.record(3000, 2000)
    return second


def test_a_row(recorder: ArmRecorder, tmp_path: Path, read_rows: ReadRows) -> None:
    """A row has its second, wall time, arm and phase before the counts, and is on disk at once."""
    recorder.write(8, 9, _second(2))
    (row,) = read_rows(tmp_path)
    assert list(row.values())[:9] == [
        "8", "2024-07-05T00:00:08.000+00:00", "leaky", "load", "9", "2", "0", "2", "0",
    ]  # fmt: skip
    recorder.close()


def test_phases(recorder: ArmRecorder, tmp_path: Path, read_rows: ReadRows) -> None:
    """Rows have the phase of the timetable, from the warm-up to the last second of the drain."""
    for second in range(5, 33):
        recorder.write(second, 0, Second())
    recorder.close()
    assert [row["phase"] for row in read_rows(tmp_path)] == ["warm-up"] * 3 + ["load"] * 22 + ["drain"] * 3


def test_the_head_of_the_file(recorder: ArmRecorder, tmp_path: Path) -> None:
    """The columns are the contract's, from the first moment on."""
    assert (tmp_path / "requests.csv").read_text() == ",".join(names(REQUEST_COLUMNS)) + "\n"
    recorder.close()


def test_intervals_end_with_their_phase(
    recorder: ArmRecorder, tmp_path: Path, read_intervals: ReadIntervals
) -> None:
    """An interval takes ten seconds or ends with its phase; those without answers are not written."""
    answered = {6: 1, 8: 1, 17: 1, 18: 1, 29: 1, 30: 2}
    for second in range(5, 50):
        recorder.write(second, 0, _second(answered.get(second, 0)))
    recorder.close()
    found = read_intervals(tmp_path)
    assert found[::2] == [
        ("latency", 5, 8, 1),
        ("latency", 8, 18, 2),
        ("latency", 18, 28, 1),
        ("latency", 28, 30, 1),
        ("latency", 30, 40, 2),
    ]
    assert [interval[1:] for interval in found[1::2]] == [interval[1:] for interval in found[::2]]


def test_round_trips_have_intervals_of_their_own(
    recorder: ArmRecorder, tmp_path: Path, read_intervals: ReadIntervals
) -> None:
    """Also where no request ended, as with WebSockets that stay open for long."""
    recorder.write(8, 1, _second())
    for second in (18, 19):
        counts = Second(messages_sent=1, messages_received=1)
        counts.timings.record_round_trip(500)
        recorder.write(second, 0, counts)
    recorder.close()
    assert read_intervals(tmp_path) == [
        ("latency", 8, 9, 1),
        ("service", 8, 9, 1),
        ("round_trip", 18, 20, 2),
    ]


def test_one_load_after_the_other(
    recorder: ArmRecorder, tmp_path: Path, read_rows: ReadRows, read_intervals: ReadIntervals
) -> None:
    """A second load goes on in the same files; no interval holds answers of both."""
    recorder.write(8, 1, _second())
    recorder.end()
    recorder.begin(Timetable(12, 13, 20))
    recorder.write(12, 1, _second())
    recorder.write(13, 1, _second())
    recorder.close()
    assert [(row["t_s"], row["phase"]) for row in read_rows(tmp_path)] == [
        ("8", "load"),
        ("12", "warm-up"),
        ("13", "load"),
    ]
    assert [interval[1:] for interval in read_intervals(tmp_path)[::2]] == [
        (8, 9, 1),
        (12, 13, 1),
        (13, 14, 1),
    ]


def test_close_is_idempotent(recorder: ArmRecorder, tmp_path: Path) -> None:
    """A second close writes nothing."""
    recorder.write(5, 1, _second())
    recorder.close()
    before = (tmp_path / "latency.hlog").read_text()
    recorder.close()
    assert (tmp_path / "latency.hlog").read_text() == before


@pytest.mark.parametrize("file", ["requests.csv", "latency.hlog"])
def test_a_disk_that_is_full_from_the_start(
    tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recording that cannot be begun is one sentence with the file's name."""

    def open_full(path: Path, mode: Literal["w"], encoding: str) -> TextIO:
        return open_output(Path("/dev/full") if path.name == file else path, mode, encoding)

    monkeypatch.setattr("locustfiles.master.recorder.open_output", open_full)
    with pytest.raises(CannotRecordError) as failed:
        ArmRecorder("leaky", tmp_path, RunClock(0.0))
    assert str(failed.value) == (
        f"{tmp_path / file}: the recording cannot be written: No space left on device; "
        "its directory must exist and have space"
    )


def test_a_link_in_the_place_of_a_recording(tmp_path: Path) -> None:
    """Nothing is written through it."""
    (tmp_path / "elsewhere").write_text("kept")
    (tmp_path / "requests.csv").symlink_to("elsewhere")
    with pytest.raises(CannotRecordError, match=r"/requests\.csv: the recording cannot be written: "):
        ArmRecorder("leaky", tmp_path, RunClock(0.0))
    assert (tmp_path / "elsewhere").read_text() == "kept"


def test_a_directory_that_is_missing(tmp_path: Path) -> None:
    """The error names the file that cannot be created."""
    with pytest.raises(CannotRecordError, match=r"nowhere/requests.csv: .* No such file or directory"):
        ArmRecorder("leaky", tmp_path / "nowhere", RunClock(0.0))


def test_a_disk_that_fills_up(
    recorder: ArmRecorder, tmp_path: Path, read_rows: ReadRows, fill_disk: Callable[[Path], None]
) -> None:
    """An error while writing is raised with the file's name; the rows before it stay, and close then does nothing."""
    recorder.write(5, 1, _second())
    fill_disk(tmp_path / "requests.csv")
    with pytest.raises(CannotRecordError, match=r"requests.csv: .* No space left on device"):
        recorder.write(6, 1, _second())
    recorder.close()
    assert [row["t_s"] for row in read_rows(tmp_path)] == ["5"]
    assert "Tag=" not in (tmp_path / "latency.hlog").read_text()


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


def test_a_latency_beyond_the_range_is_logged(tmp_path: Path) -> None:
    """A latency above the highest value of the histogram is not lost."""
    path = tmp_path / "latency.hlog"
    with path.open("w") as file:
        LatencyLog(file).write(_interval(10 * HISTOGRAM_HIGHEST_US), 0, 10)
    latency, _ = _read(path)
    assert latency.get_total_count() == 1
    assert latency.get_max_value() == pytest.approx(HISTOGRAM_HIGHEST_US, rel=1e-3)


def test_the_text_of_the_log(tmp_path: Path) -> None:
    """The head states the units; each line has its tag, start, length and maximum in milliseconds."""
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
