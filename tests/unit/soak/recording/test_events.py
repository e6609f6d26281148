from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import pytest

from soak.contract import EVENT_COLUMNS, names
from soak.contract.clock import RunClock
from soak.recording.events import EventLog


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


def test_an_event_is_one_line_of_the_file(tmp_path: Path) -> None:
    """Also where an error of several lines is its detail: a line more would count as damaged."""
    events = EventLog(tmp_path / "events.csv", RunClock())
    events.record("gap", "one\ntwo")
    events.close()
    [_, line] = (tmp_path / "events.csv").read_text().splitlines()
    assert line.endswith("one\\ntwo")
