from __future__ import annotations

from pathlib import Path

import pytest

from analysis.recording.csv_table import CsvTable, read_table


def read(path: Path, content: bytes) -> CsvTable:
    """Read these bytes as a file of three columns."""
    file = path / "rows.csv"
    file.write_bytes(content)
    return read_table(file, ("t_s", "rss_bytes"), ("phase",))


def test_a_whole_file_is_read_without_a_gap(tmp_path: Path) -> None:
    """An empty cell is NaN or "", never 0, and is no gap; columns that were not asked for are left out."""
    table = read(tmp_path, b"t_s,arm,rss_bytes,phase\n1,a,5,load\n2,a,,\n")
    assert table.gaps == ()
    assert table.frame.columns.to_list() == ["t_s", "rss_bytes", "phase"]
    assert table.frame["rss_bytes"].isna().to_list() == [False, True]
    assert table.frame["phase"].to_list() == ["load", ""]


@pytest.mark.parametrize(
    ("content", "kept", "gaps"),
    [
        (
            b"t_s,rss_bytes,phase\n1,5,load\n2,6,lo",
            [1.0],
            ("rows.csv: its last line is torn and was dropped",),
        ),
        (
            b"t_s,rss_bytes,phase\n1,5,load\n2,6,load,7,8\n3,7,load\n",
            [1.0, 3.0],
            ("rows.csv: 1 damaged lines were dropped",),
        ),
        (
            b"t_s,rss_bytes,phase\n1,5,load\n\x00\xff?,6,load\n3,7,load\n",
            [1.0, 3.0],
            ("rows.csv: 1 damaged lines were dropped", "rows.csv: it has bytes that are no text in UTF-8"),
        ),
        (b"t_s,rss_bytes,phase\n", [], ("rows.csv: it has no rows",)),
        (b"t_s,rss", [], ("rows.csv is empty",)),
        (b"", [], ("rows.csv is empty",)),
        (b"t_s,rss_bytes\n1,5\n", [1.0], ("rows.csv: it has no column phase",)),
    ],
)
def test_damage_is_stated_and_the_rest_is_kept(
    tmp_path: Path, content: bytes, kept: list[float], gaps: tuple[str, ...]
) -> None:
    """Whatever is torn or damaged is dropped with a sentence; the other rows stay."""
    table = read(tmp_path, content)
    assert table.frame["t_s"].to_list() == kept
    assert table.gaps == gaps


def test_a_column_that_came_later_is_empty_and_no_gap(tmp_path: Path) -> None:
    """A recording from before it is whole; one that lacks an older column is not."""
    file = tmp_path / "rows.csv"
    file.write_bytes(b"t_s\n1\n")
    table = read_table(
        file, ("t_s", "rss_bytes", "anon_bytes"), ("allocator",), optional={"anon_bytes", "allocator"}
    )
    assert table.gaps == ("rows.csv: it has no column rss_bytes",)
    assert table.frame["anon_bytes"].isna().all()
    assert table.frame["allocator"].to_list() == [""]


def test_a_number_that_cannot_be_read_is_no_reading(tmp_path: Path) -> None:
    """Text and infinity in a column of numbers are not read, and leave the other rows numbers."""
    table = read(tmp_path, b"t_s,rss_bytes,phase\n1,oops,load\n2,inf,load\n3,7,load\n")
    assert table.frame["rss_bytes"].isna().to_list() == [True, True, False]
    assert table.frame["rss_bytes"].iloc[2] == 7


def test_a_negative_amount_is_no_reading(tmp_path: Path) -> None:
    """Memory below nothing would pass every limit; only a time may lie before the start."""
    table = read(tmp_path, b"t_s,rss_bytes,phase\n-1,5,load\n2,-6,load\n3,0,load\n")
    assert table.frame["t_s"].to_list() == [-1.0, 2.0, 3.0]
    assert table.frame["rss_bytes"].isna().to_list() == [False, True, False]


def test_a_time_that_cannot_be_is_a_damaged_line(tmp_path: Path) -> None:
    """An axis that long has no ticks."""
    table = read(tmp_path, b"t_s,rss_bytes,phase\n1,5,load\n1e308,6,load\n")
    assert table.frame["t_s"].to_list() == [1.0]
    assert table.gaps == ("rows.csv: 1 damaged lines were dropped",)


def test_an_unclosed_quote_is_a_gap(tmp_path: Path) -> None:
    """A file that no parser can read is stated, not raised."""
    table = read(tmp_path, b't_s,rss_bytes,phase\n1,5,"load\n2,6,load\n')
    assert table.frame.empty
    assert table.gaps[0].startswith("rows.csv is not readable")


def test_a_missing_file_is_a_gap(tmp_path: Path) -> None:
    """A file that is not there gives no rows and says so."""
    table = read_table(tmp_path / "rows.csv", ("t_s",), ("phase",))
    assert table.frame.empty
    assert table.gaps == ("rows.csv is missing (No such file or directory)",)
