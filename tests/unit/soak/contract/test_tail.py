from __future__ import annotations

from pathlib import Path

import pytest

from soak.contract import tail
from soak.contract.tail import CsvTail, LineTail, cell_number


def test_whole_lines_are_read_once_and_in_order(tmp_path: Path) -> None:
    """A file that does not exist yet has no lines; a line that is still being written waits for its end."""
    log = tmp_path / "log"
    lines = LineTail(log)
    assert lines.new_lines() == []
    with log.open("a") as file:
        file.write("one\ntwo\nthr")
        file.flush()
        assert lines.new_lines() == ["one", "two"]
        assert lines.new_lines() == []
        file.write("ee\n")
    assert lines.new_lines() == ["three"]


def test_a_truncated_log_is_read_from_its_new_start(tmp_path: Path) -> None:
    """Lines written after the truncation are not lost."""
    log = tmp_path / "log"
    lines = LineTail(log)
    log.write_text("a long line before the cut\n")
    lines.new_lines()
    log.write_text("after\n")
    assert lines.new_lines() == ["after"]


def test_a_long_line_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line longer than one look does not hide the lines after it."""
    monkeypatch.setattr(tail, "MOST_BYTES", 8)
    log = tmp_path / "log"
    log.write_text("0123456789\nnext\n")
    lines = LineTail(log)
    assert [lines.new_lines() for _ in range(4)] == [["01234567"], ["89", "next"], [], []]


def test_rows_are_read_once_and_by_column_name(tmp_path: Path) -> None:
    """The first line gives the names; a row that is still being written waits for its end."""
    path = tmp_path / "samples.csv"
    rows = CsvTail(path)
    assert rows.new_rows() == []
    path.write_text("t_s,detail\n1.0,a\n2.0,")
    assert rows.new_rows() == [{"t_s": "1.0", "detail": "a"}]
    with path.open("a") as file:
        file.write('"b, c"\n')
    assert rows.new_rows() == [{"t_s": "2.0", "detail": "b, c"}]
    assert rows.new_rows() == []


def test_a_long_file_is_read_a_part_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No look takes long, and no row is lost between two."""
    monkeypatch.setattr(tail, "MOST_BYTES", 64)
    path = tmp_path / "samples.csv"
    path.write_text("t_s,rss_bytes\n" + "".join(f"{n},{n * 1000}\n" for n in range(200)))
    follower, found = CsvTail(path), []
    while rows := follower.new_rows():
        assert len(rows) < 20
        found += rows
    assert [row["t_s"] for row in found] == [str(n) for n in range(200)]


def test_a_line_that_is_no_csv_has_no_cells(tmp_path: Path) -> None:
    """A field of a damaged file that is longer than Python reads ends no run, and hides no row behind it."""
    path = tmp_path / "requests.csv"
    path.write_text(f"t_s,ok\n1,5\n2,{'0' * 200_000}\n3,6\n")
    follower = CsvTail(path)
    rows = [row for _ in range(2) for row in follower.new_rows()]
    assert rows == [{"t_s": "1", "ok": "5"}, {}, {"t_s": "3", "ok": "6"}]


def test_a_cell_that_was_not_read_is_no_number() -> None:
    """Neither is one that is missing, damaged or no finite number; 0 is one."""
    row = {"a": "", "b": "x", "c": "nan", "d": "inf", "e": "0"}
    assert [cell_number(row, name) for name in "abcdef"] == [None, None, None, None, 0.0, None]
