"""What is written stays readable, whatever happens."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soak.contract import EVENT_COLUMNS, Column, names
from soak.contract.clock import RunClock
from soak.errors import HarnessError
from soak.recording.csv_writer import CsvWriter
from soak.recording.events import EventLog
from soak.recording.files import new_run_directory, write_json

COLUMNS = (Column("t_s", ""), Column("size_bytes", ""), Column("gauges", ""))


def test_a_row_can_be_read_as_soon_as_it_is_written(tmp_path: Path) -> None:
    """Nothing waits in a buffer for a process that may be killed."""
    path = tmp_path / "x.csv"
    recorder = CsvWriter(path, COLUMNS)
    recorder.write({"t_s": 1.23456, "size_bytes": 7, "gauges": {"a": 1}})
    assert path.read_text() == 't_s,size_bytes,gauges\n1.235,7,"{""a"": 1}"\n'
    recorder.close()


def test_what_was_not_read_is_an_empty_cell(tmp_path: Path) -> None:
    """None and a missing column are empty, 0 is 0."""
    path = tmp_path / "x.csv"
    recorder = CsvWriter(path, COLUMNS)
    recorder.write({"t_s": None, "size_bytes": 0, "gauges": {}})
    recorder.close()
    assert path.read_text().splitlines()[1] == ",0,"


def test_a_column_that_is_in_no_contract_is_refused(tmp_path: Path) -> None:
    """A typing error does not become a silent empty cell."""
    recorder = CsvWriter(tmp_path / "x.csv", COLUMNS)
    with pytest.raises(KeyError, match=r"x\.csv has no column sise_bytes"):
        recorder.write({"sise_bytes": 1})
    recorder.close()


def test_a_full_disk_ends_the_recording_with_one_error() -> None:
    """The first failed write names the file and the fix; nothing is glued to the torn line after it."""
    with pytest.raises(HarnessError, match=r"/dev/full: cannot be written \(No space left on device\)"):
        CsvWriter(Path("/dev/full"), COLUMNS)


def test_after_a_failed_write_nothing_more_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room that comes back later does not make a file with a hole in it."""
    path = tmp_path / "x.csv"
    recorder = CsvWriter(path, COLUMNS)
    full = Path("/dev/full").open("w")  # noqa: SIM115 - the recorder closes it
    with recorder._file, monkeypatch.context() as patch:
        patch.setattr(recorder, "_file", full)
        patch.setattr(recorder, "_writer", csv.writer(full))
        with pytest.raises(HarnessError):
            recorder.write({"t_s": 1})
    recorder.write({"t_s": 2})
    recorder.close()
    assert path.read_text().splitlines() == ["t_s,size_bytes,gauges"]


def test_an_event_is_a_row_with_both_times(tmp_path: Path) -> None:
    """Monotonic seconds for reckoning, wall time for people."""
    events = EventLog(tmp_path / "events.csv", RunClock())
    events.record("exit", "killed by SIGKILL", arm="leaky", life=1, pid=7, by="kernel")
    events.close()
    row = next(csv.DictReader((tmp_path / "events.csv").read_text().splitlines()))
    assert tuple(row) == names(EVENT_COLUMNS)
    assert (row["event"], row["arm"], row["life"], row["pid"], row["by"]) == (
        "exit",
        "leaky",
        "1",
        "7",
        "kernel",
    )
    assert 0 <= float(row["t_s"]) < 60
    assert datetime.fromisoformat(row["wall_time"]).tzinfo is not None


def test_an_event_of_no_known_name_is_refused(tmp_path: Path) -> None:
    """Readers match on names."""
    events = EventLog(tmp_path / "events.csv", RunClock())
    with pytest.raises(KeyError, match="no such event: exti"):
        events.record("exti")
    events.close()


def test_run_directories_never_meet_and_latest_is_the_newest(tmp_path: Path) -> None:
    """Two runs in one second get two directories."""
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    first = new_run_directory(tmp_path / "runs", "demo", now)
    second = new_run_directory(tmp_path / "runs", "demo", now)
    assert [first.name, second.name] == ["20260102-030405-demo", "20260102-030405-demo-2"]
    assert (tmp_path / "runs" / "latest").resolve() == second


def test_runs_that_cannot_be_made_are_an_error_of_ours(tmp_path: Path) -> None:
    """A file where the directory should be."""
    (tmp_path / "runs").write_text("")
    with pytest.raises(HarnessError, match=r"no run directory can be made there .* by --runs"):
        new_run_directory(tmp_path / "runs", "demo", datetime.now(UTC))


def test_a_json_file_is_replaced_whole(tmp_path: Path) -> None:
    """A reader sees the old or the new one."""
    path = tmp_path / "manifest.json"
    write_json(path, {"status": "running"})
    write_json(path, {"status": "complete"})
    assert json.loads(path.read_text()) == {"status": "complete"}
    assert list(tmp_path.iterdir()) == [path]
