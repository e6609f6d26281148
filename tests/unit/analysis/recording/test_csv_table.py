from __future__ import annotations

from pathlib import Path

import pytest

from analysis.recording.csv_table import CsvTable, Rows, read_table


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
    """Text and infinity in a column of numbers are not read, and leave the other rows numbers; they are counted."""
    table = read(tmp_path, b"t_s,rss_bytes,phase\n1,oops,load\n2,inf,load\n3,7,load\n")
    assert table.frame["rss_bytes"].isna().to_list() == [True, True, False]
    assert table.frame["rss_bytes"].iloc[2] == 7
    assert table.gaps == (
        "rows.csv: 2 cells hold no number and count as not read, the first in column rss_bytes",
    )


@pytest.mark.parametrize(
    "cell",
    [
        "9" * 400,
        "-" + "9" * 400,
        "1e400",
        "9" * 9999,
        "nan",
        "NaN",
        "0x10",
        "1_0",
        "True",
        "--5",
        "5 MB",
        "\x00",
        "1e99",
        "\x1f8",
        "\u0663",
    ],
)
def test_a_cell_that_is_no_number_of_ours_is_empty_and_counted(tmp_path: Path, cell: str) -> None:
    """Also 400 digits, which overflow a float, and what Python but no run would take for a number."""
    table = read(tmp_path, f"t_s,rss_bytes,phase\n1,{cell},load\n2,7,load\n".encode())
    assert table.frame["rss_bytes"].isna().to_list() == [True, False]
    assert table.gaps == (
        "rows.csv: 1 cells hold no number and count as not read, the first in column rss_bytes",
    )


def test_a_time_of_400_digits_is_a_damaged_line(tmp_path: Path) -> None:
    """A row without a time is dropped, as it is with text there."""
    table = read(tmp_path, f"t_s,rss_bytes,phase\n{'9' * 400},5,load\n2,7,load\n".encode())
    assert table.frame["t_s"].to_list() == [2.0]
    assert table.gaps == ("rows.csv: 1 damaged lines were dropped",)


def test_two_columns_of_one_name_are_a_gap(tmp_path: Path) -> None:
    """Which of them was meant is not known; also where nobody reads them."""
    table = read(tmp_path, b"t_s,rss_bytes,phase,rss_bytes,x,x\n1,5,load,6,0,0\n")
    assert table.gaps == ("rows.csv: column rss_bytes, x is there twice",)


@pytest.mark.parametrize(
    ("rows", "gap"),
    [
        ("1,5,load\n2,6,load\n2,6,load\n", "1 rows are there twice, the first at t_s 2.000"),
        ("1,5,load\n3,6,load\n2,6,load\n", "time goes back in 1 rows, the first at t_s 2.000"),
        ("3,5,load\n2,6,load\n1,7,load\n", "time goes back in 2 rows, the first at t_s 2.000"),
        ("1,5,load\n2,6\n3,7,load\n", "1 damaged lines were dropped"),
    ],
)
def test_rows_that_no_run_writes_are_a_gap(tmp_path: Path, rows: str, gap: str) -> None:
    """Doubled, moved, reversed, or with a cell too few."""
    assert read(tmp_path, f"t_s,rss_bytes,phase\n{rows}".encode()).gaps == (f"rows.csv: {gap}",)


def test_what_a_file_allows_is_no_gap(tmp_path: Path) -> None:
    """Rows of one moment that differ in their identity, and times that are in order within a column or a slack."""
    file = tmp_path / "rows.csv"
    file.write_text("t_s,life,phase\n1,1,a\n1,2,a\n3,1,b\n2,1,a\n")
    rows = Rows(("t_s", "life"), ordered_within="phase")
    assert read_table(file, ("t_s", "life"), ("phase",), rows=rows).gaps == ()
    assert read_table(file, ("t_s", "life"), ("phase",), rows=Rows(slack_s=1.0)).gaps == ()
    assert read_table(file, ("t_s", "life"), ("phase",)).gaps == (
        "rows.csv: time goes back in 1 rows, the first at t_s 2.000",
    )


def test_commas_in_quotes_are_read(tmp_path: Path) -> None:
    """A cell in quotes may have more commas than the head."""
    table = read(tmp_path, b't_s,rss_bytes,phase\n1,5,"a,b"\n2,6,load\n')
    assert (table.frame["phase"].to_list(), table.gaps) == (["a,b", "load"], ())


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


def test_a_name_of_a_column_without_end_is_a_gap(tmp_path: Path) -> None:
    """The header is read by a parser that takes 128 KiB of a cell."""
    path = tmp_path / "x.csv"
    path.write_text(f"t_s,{'n' * 200_000}\n1,2\n")
    [gap] = read_table(path, ("t_s",), ()).gaps
    assert gap.startswith("x.csv is not readable (field larger")


def test_a_missing_file_is_a_gap(tmp_path: Path) -> None:
    """A file that is not there gives no rows and says so."""
    table = read_table(tmp_path / "rows.csv", ("t_s",), ("phase",))
    assert table.frame.empty
    assert table.gaps == ("rows.csv is missing (No such file or directory)",)
