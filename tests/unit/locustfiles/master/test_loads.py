from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from locust.runners import STATE_MISSING

from locustfiles.messages import BEGIN, STOP
from soak.contract import LOAD_BEGAN, LOAD_ENDED

if TYPE_CHECKING:
    from tests.unit.locustfiles.master.conftest import Master

ReadRows = Callable[[Path], list[dict[str, str]]]


def test_the_schedule_is_split(
    master: Master, tmp_path: Path, read_rows: ReadRows, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every worker gets its share and its start; the rows have the sum of their reports; then Locust quits."""
    master.join("one")
    master.join("two")
    master.loads.begin(0.0)
    assert [(worker, data["share"], data["shares"], data["seed"]) for worker, data in master.sent(BEGIN)] == [
        ("one", 0, 2, 7),
        ("two", 1, 2, 7),
    ]
    assert all((data["start_s"], data["in_s"]) == (0.0, -0.5) for _, data in master.sent(BEGIN))
    for second in range(3):
        master.report("one", second, sent=5, last=second == 2)
        master.report("two", second, sent=5, last=second == 2)
    assert master.end() == 0
    assert capsys.readouterr().out == f"{LOAD_BEGAN} 0.000 0.000\n{LOAD_ENDED} 0.500\n"
    for arm in ("leaky", "fixed"):
        rows = read_rows(tmp_path / arm)
        assert [(row["t_s"], row["planned"], row["sent"], row["missed"]) for row in rows] == [
            (str(second), "10", "10", "0") for second in range(3)
        ]


def test_the_last_worker_is_gone(
    master: Master, tmp_path: Path, read_rows: ReadRows, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without any worker the load ends with a line for each, its rows so far, and exit code 1."""
    master.join("one")
    master.join("two")
    master.loads.begin(0.0)
    for worker in ("one", "two"):
        master.report(worker, 0, sent=5)
        master.runner.clients[worker].state = STATE_MISSING
    assert master.end() == 1
    assert capsys.readouterr().err == (
        "worker one joined: 1 of 2\n"
        "worker two joined: 2 of 2\n"
        "soak: worker lost one: its share is missed\n"
        "soak: worker lost two: its share is missed\n"
        "no worker is left to send the load\n"
    )
    (row,) = read_rows(tmp_path / "fixed")
    assert (row["planned"], row["sent"]) == ("10", "10")


def test_a_worker_that_was_cut_off_is_stopped(master: Master) -> None:
    """A worker that Locust misses is stopped; the load goes on without it."""
    master.join("one")
    master.join("two")
    master.loads.begin(0.0)
    master.runner.clients["one"].state = STATE_MISSING
    master.report("two", 0, sent=5, last=True)
    assert master.end() == 0
    assert [worker for worker, _ in master.sent(STOP)] == ["one"]


def test_a_load_that_is_stopped(master: Master, tmp_path: Path, read_rows: ReadRows) -> None:
    """All workers end the load at the same instant; nothing counts as planned after it."""
    master.join("one")
    master.loads.begin(0.0)
    master.report("one", 0, sent=7, last=True)
    master.loads.stop()
    assert master.sent(STOP) == [("one", {"end_s": 0.7})]
    assert not master.loads.under_way.is_set()
    (row,) = read_rows(tmp_path / "leaky")
    assert (row["planned"], row["sent"]) == ("7", "7")


def test_one_load_after_the_other(master: Master, tmp_path: Path, read_rows: ReadRows) -> None:
    """Each load has a seed of its own; a stop between them, as from Stop in the web UI, is not for the next."""
    master.join("one")
    for start_s in (0.0, 100.0):
        master.loads.begin(start_s)
        master.report("one", int(start_s), sent=7, last=True)
        master.loads.stop()
    master.loads.stop()
    assert [data["seed"] for _, data in master.sent(BEGIN)] == [7, 8]
    assert [row["t_s"] for row in read_rows(tmp_path / "leaky")] == ["0", "100"]


def test_no_worker_at_the_start(master: Master, capsys: pytest.CaptureFixture[str]) -> None:
    """A start without any worker fails at once."""
    master.loads.begin(0.0)
    assert master.end() == 1
    assert capsys.readouterr().err == "no worker is left to send the load\n"


def test_a_disk_that_fills_up(
    master: Master, tmp_path: Path, fill_disk: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk stops the load with one line that names the file, and exit code 1."""
    master.join("one")
    master.loads.begin(0.0)
    fill_disk(tmp_path / "leaky" / "requests.csv")
    master.report("one", 0, sent=5)
    assert master.end() == 1
    assert capsys.readouterr().err == (
        "worker one joined: 1 of 2\n"
        f"{tmp_path / 'leaky' / 'requests.csv'}: the recording cannot be written: No space left on device; "
        "its directory must exist and have space\n"
    )
