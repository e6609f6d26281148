from __future__ import annotations

from pathlib import Path

import pytest

from locustfiles.web import csv_tail
from locustfiles.web.csv_tail import CsvTail, number


def test_rows_come_once_and_only_when_they_are_whole(tmp_path: Path) -> None:
    """A file that is not there yet has none; the end of a line may come later."""
    path = tmp_path / "samples.csv"
    tail = CsvTail(path)
    assert tail.look() == []
    path.write_text("t_s,detail\n1.0,a\n2.0,")
    assert tail.look() == [{"t_s": "1.0", "detail": "a"}]
    with path.open("a") as file:
        file.write('"b, c"\n')
    assert tail.look() == [{"t_s": "2.0", "detail": "b, c"}]
    assert tail.look() == []


def test_a_long_file_is_read_a_part_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No look takes long, and no row is lost between two."""
    monkeypatch.setattr(csv_tail, "MOST_BYTES", 64)
    path = tmp_path / "samples.csv"
    path.write_text("t_s,rss_bytes\n" + "".join(f"{n},{n * 1000}\n" for n in range(200)))
    tail, found = CsvTail(path), []
    while rows := tail.look():
        assert len(rows) < 20
        found += rows
    assert [row["t_s"] for row in found] == [str(n) for n in range(200)]


def test_a_cell_that_was_not_read_is_no_number() -> None:
    """Neither is one that is missing, damaged or no finite number; 0 is one."""
    row = {"a": "", "b": "x", "c": "nan", "d": "inf", "e": "0"}
    assert [number(row, name) for name in "abcdef"] == [None, None, None, None, 0.0, None]
