from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from locustfiles.clock import RunClock
from locustfiles.recorder import ArmRecorder, CannotRecordError
from locustfiles.timetable import Timetable
from soak.contract import FAILURE_KINDS, REQUEST_COLUMNS, names

ReadRows = Callable[[Path], list[dict[str, str]]]

TIMETABLE = Timetable(5, 8, 30)


@pytest.fixture
def recorder(tmp_path: Path) -> ArmRecorder:
    """Return a recorder that has begun with TIMETABLE."""
    made = ArmRecorder(
        "leaky", tmp_path, RunClock(0.0, monotonic_s=lambda: 50.0, wall_s=lambda: 1_720_137_650.0)
    )
    made.begin(TIMETABLE)
    return made


def _intervals(directory: Path) -> list[tuple[str, float, float, int]]:
    reader = HistogramLogReader(str(directory / "latency.hlog"), HdrHistogram(1, 60_000_000, 3))
    try:
        return [
            (h.get_tag(), h.get_start_time_stamp() / 1000, h.get_end_time_stamp() / 1000, h.get_total_count())
            for h in iter(reader.get_next_interval_histogram, None)
        ]
    finally:
        reader.close()


def test_each_thing_counts_in_its_own_second(
    recorder: ArmRecorder, tmp_path: Path, read_rows: ReadRows
) -> None:
    """A request planned, sent and answered in three seconds is in three rows; its times are in the last."""
    recorder.planned(8.9)
    recorder.sent(9.1)
    recorder.ended(10.0, planned_s=8.9, sent_s=9.1, failure=None)
    recorder.close(10.5)
    found = {row["t_s"]: row for row in read_rows(tmp_path)}
    assert [found[t_s]["planned"] for t_s in ("8", "9", "10")] == ["1", "0", "0"]
    assert [found[t_s]["sent"] for t_s in ("8", "9", "10")] == ["0", "1", "0"]
    assert [found[t_s]["ok"] for t_s in ("8", "9", "10")] == ["0", "0", "1"]
    assert (found["10"]["latency_p50_ms"], found["10"]["service_p50_ms"]) == ("1100.000", "900.000")
    assert found["9"]["latency_max_ms"] == ""


def test_every_second_has_its_row(recorder: ArmRecorder, tmp_path: Path, read_rows: ReadRows) -> None:
    """Seconds in which nothing happened are rows too, from the warm-up to the last second of the drain."""
    recorder.close(32.2)
    found = read_rows(tmp_path)
    assert [int(row["t_s"]) for row in found] == list(range(5, 33))
    assert [row["phase"] for row in found] == ["warm-up"] * 3 + ["load"] * 22 + ["drain"] * 3
    assert {row["arm"] for row in found} == {"leaky"}
    assert found[0]["wall_time"] == "2024-07-05T00:00:05.000+00:00"


def test_the_head_of_the_file(recorder: ArmRecorder, tmp_path: Path) -> None:
    """The columns are the contract's, from the first moment on."""
    assert (tmp_path / "requests.csv").read_text() == ",".join(names(REQUEST_COLUMNS)) + "\n"
    recorder.close(5.0)


def test_a_second_is_written_when_it_is_over(
    recorder: ArmRecorder, tmp_path: Path, read_rows: ReadRows
) -> None:
    """Rows are on disk as soon as their second is over, and not before."""
    recorder.planned(5.2)
    recorder.advance(5.99)
    assert read_rows(tmp_path) == []
    recorder.advance(6.0)
    assert [row["planned"] for row in read_rows(tmp_path)] == ["1"]
    recorder.close(6.0)


def test_sums_agree(recorder: ArmRecorder, tmp_path: Path, read_rows: ReadRows) -> None:
    """Over all rows planned is sent and missed, and sent is ok and failed; every kind has its column."""
    for index, failure in enumerate((*FAILURE_KINDS, None, None, None)):
        recorder.planned(10.0 + index)
        recorder.sent(10.3 + index)
        recorder.ended(10.9 + index, 10.0 + index, 10.3 + index, failure)
    recorder.planned(11.0)
    recorder.missed(12.0)
    recorder.close(25.0)
    total = {name: sum(int(row[name]) for row in read_rows(tmp_path)) for name in names(REQUEST_COLUMNS)[4:8]}
    failed = [sum(int(row[f"failed_{kind}"]) for row in read_rows(tmp_path)) for kind in FAILURE_KINDS]
    assert total == {"planned": 11, "sent": 10, "missed": 1, "ok": 3}
    assert failed == [1] * 7


def test_intervals_end_with_their_phase(recorder: ArmRecorder, tmp_path: Path) -> None:
    """An interval takes ten seconds or ends with its phase; failures are in it, stretches without answers are not."""
    for t_s, failure in (
        (6.5, None),
        (8.1, None),
        (17.9, "timeout"),
        (18.0, None),
        (29.5, None),
        (30.5, None),
    ):
        recorder.advance(t_s)
        recorder.sent(t_s - 0.1)
        recorder.ended(t_s, t_s - 0.2, t_s - 0.1, failure)
    recorder.close(31.0)
    assert [found for found in _intervals(tmp_path) if found[0] == "latency"] == [
        ("latency", 5, 8, 1),
        ("latency", 8, 18, 2),
        ("latency", 18, 28, 1),
        ("latency", 28, 30, 1),
        ("latency", 30, 32, 1),
    ]
    assert [found[1:] for found in _intervals(tmp_path) if found[0] == "service"] == [
        found[1:] for found in _intervals(tmp_path) if found[0] == "latency"
    ]


def test_an_interval_waits_for_its_late_rows(recorder: ArmRecorder, tmp_path: Path) -> None:
    """While rows lag behind, an answer in a later interval does not end that interval early."""
    for t_s in (17.5, 18.5, 19.5):
        recorder.sent(t_s)
        recorder.ended(t_s, t_s, t_s, None)
        recorder.advance(17.0)
    recorder.close(19.9)
    assert [found[1:] for found in _intervals(tmp_path)[::2]] == [(8, 18, 1), (18, 20, 2)]


def test_it_holds_only_what_is_open(recorder: ArmRecorder) -> None:
    """What is written is let go: after an hour it holds one second and one interval."""
    for t_s in range(5, 3605):
        recorder.sent(t_s)
        recorder.ended(t_s, t_s, t_s, None)
        recorder.advance(t_s)
    assert (len(recorder._seconds), len(recorder._intervals)) == (1, 1)
    recorder.close(3605)


def test_in_flight(recorder: ArmRecorder) -> None:
    """What was sent and has not ended is in flight."""
    recorder.sent(5.0)
    recorder.sent(5.1)
    recorder.ended(5.2, 5.0, 5.0, "reset")
    assert recorder.in_flight == 1
    recorder.close(6.0)


def test_close_is_idempotent(recorder: ArmRecorder, tmp_path: Path) -> None:
    """A second close writes nothing."""
    recorder.close(6.0)
    before = (tmp_path / "requests.csv").read_text()
    recorder.close(9.0)
    assert (tmp_path / "requests.csv").read_text() == before


@pytest.mark.parametrize("file", ["requests.csv", "latency.hlog"])
def test_a_disk_that_is_full_from_the_start(tmp_path: Path, file: str) -> None:
    """A recording that cannot be begun is one sentence with the file's name."""
    (tmp_path / file).symlink_to("/dev/full")
    with pytest.raises(CannotRecordError) as failed:
        ArmRecorder("leaky", tmp_path, RunClock(0.0))
    assert str(failed.value) == (
        f"{tmp_path / file}: the recording cannot be written: No space left on device; "
        "its directory must exist and have space"
    )


def test_a_directory_that_is_missing(tmp_path: Path) -> None:
    """An arm without its directory is told by the file that cannot be made."""
    with pytest.raises(CannotRecordError, match=r"nowhere/requests.csv: .* No such file or directory"):
        ArmRecorder("leaky", tmp_path / "nowhere", RunClock(0.0))


def test_a_disk_that_fills_up(recorder: ArmRecorder, tmp_path: Path, read_rows: ReadRows) -> None:
    """An error while writing is raised with the file's name; the rows before it stay, and close then does nothing."""
    recorder.advance(6.0)
    with Path("/dev/full").open("w") as full:
        os.dup2(full.fileno(), recorder._csv_file.fileno())
    with pytest.raises(CannotRecordError, match=r"requests.csv: .* No space left on device"):
        recorder.advance(7.0)
    recorder.advance(8.0)
    recorder.close(9.0)
    assert [row["t_s"] for row in read_rows(tmp_path)] == ["5"]
