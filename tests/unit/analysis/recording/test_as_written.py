from __future__ import annotations

import tracemalloc
from pathlib import Path
from random import Random

import pytest
from pandas.testing import assert_frame_equal

from analysis.recording import as_written, csv_table
from analysis.recording.csv_table import CsvTable, Rows, read_table
from tests.fuzz import mutate

NUMBERS, TEXTS = ("t_s", "life", "rss_bytes", "sessions"), ("phase", "gauges")
HONEST = "t_s,arm,life,rss_bytes,sessions,phase,gauges\n" + "".join(
    f"{t_s},leaky,1,{5000 + t_s if t_s % 3 else ''},{t_s % 2},{'load' if t_s > 9 else ''},"
    f'"{{""a"": 1, ""b"": {t_s}}}"\n'
    for t_s in range(60)
)
STRANGE = (
    HONEST.replace("\n7,leaky,1", "\n7,leaky,1,1"),
    HONEST.replace("\n0,leaky,1,", '\n"0",0,leaky,1,'),
    HONEST.replace("\n7,leaky,1,5007,1", "\n7,leaky,1,5007\r8,leaky").replace("\n9,", "\n\n9,"),
    "t_s,arm,life,rss_bytes,sessions,phase,gauges\n" + "1,leaky,True,5,1,load,{}\n" * 30,
    "t_s,arm,life,rss_bytes,sessions,phase,gauges\n"
    + "1,leaky,1,5,1,load,{}\n" * 30
    + "1,leaky,TRUE,5,1,load,{}\n" * 30,
    HONEST.replace("\n7,leaky", '\n7,"leaky\nfixed"'),
    HONEST.replace("\n7,leaky", '\n7,le"aky'),
    HONEST.replace("\n7,leaky", "\n7,fixed"),
    HONEST.replace("\n7,leaky", "\n1e13,leaky"),
    HONEST.replace("\n7,leaky,1", "\n7,leaky,-1"),
    HONEST[:-5],
    HONEST.partition("\n")[0] + "\n",
    HONEST.replace("\n9,leaky,1,,1,", "\n9,leaky,1,"),
    "t_s,arm,life,rss_bytes,sessions,phase,gauges\n"
    + "1,leaky,1,5,1,load,{}\n" * 9
    + "1,leaky,1,5,1\n1,leaky,1,5,1,load,{},,\n",
)


def read(path: Path) -> CsvTable:
    """Read the columns of these tests."""
    return read_table(path, NUMBERS, TEXTS, rows=Rows(("t_s", "life")), arm="leaky")


def both(path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[CsvTable, CsvTable]:
    """Read these bytes in small blocks, and as a damaged file."""
    path.write_bytes(content)
    with monkeypatch.context() as patch:
        patch.setattr(as_written, "BLOCK_BYTES", 400)
        in_blocks = read(path)
        patch.setattr(csv_table, "read_as_written", lambda *_: None)
        return in_blocks, read(path)


@pytest.mark.parametrize("content", [HONEST, *STRANGE])
def test_blocks_are_read_as_the_whole_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    """What the parser would take otherwise at the beginning of a block, or alone, is damage as it is in the file."""
    in_blocks, whole = both(tmp_path / "rows.csv", content.encode(), monkeypatch)
    assert in_blocks.gaps == whole.gaps
    assert_frame_equal(in_blocks.frame, whole.frame)


def test_a_changed_file_is_read_alike_either_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No change of bytes or of cells passes in blocks that is damage in the whole, nor the other way round."""
    for seed in range(100):
        random = Random(seed)
        change = random.choice((mutate.cells, mutate.text))
        content = mutate.encoded(random, change(random, HONEST))
        in_blocks, whole = both(tmp_path / "rows.csv", content, monkeypatch)
        assert in_blocks.gaps == whole.gaps, seed
        assert_frame_equal(in_blocks.frame, whole.frame, obj=f"seed {seed}")


def test_an_honest_file_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run writes never takes the slow way, which holds the whole file in memory."""
    monkeypatch.setattr(csv_table, "read_damaged", None)
    monkeypatch.setattr(as_written, "BLOCK_BYTES", 400)
    path = tmp_path / "rows.csv"
    path.write_text(HONEST)
    table = read(path)
    assert table.gaps == ()
    assert len(table.frame) == 60


def test_a_cell_that_is_longer_than_csv_reads_is_read(tmp_path: Path) -> None:
    """In the line whose numbers are looked at as they are written, too."""
    path = tmp_path / "samples.csv"
    path.write_text(HONEST.replace('{""a"": 1, ""b"": 1}', "x" * 140_000))
    found = read(path)
    assert (len(found.frame), found.gaps) == (60, ())


def read_measured(path: Path) -> tuple[CsvTable, int]:
    """Read a file; return also the most memory that it took, bytes."""
    tracemalloc.start()
    try:
        found = read(path)
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("damage", ["", "\xff\n"])
def test_short_rows_take_no_memory_of_long_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """A file of times alone is refused, whichever way it is read, before it has a cell for each column."""
    monkeypatch.setattr(as_written, "SHORT_ROWS_BYTES", 1 << 20)
    monkeypatch.setattr(as_written, "SHORT_ROWS_TIMES", 1)
    path = tmp_path / "samples.csv"
    path.write_text("t_s\n" + "1\n" * 100_000 + damage, encoding="latin-1")
    found, peak_bytes = read_measured(path)
    rows, size = 100_001 + len(damage) // 2, path.stat().st_size
    assert found.gaps == (f"samples.csv is not readable ({rows:,} rows in {size:,} bytes)",)
    assert peak_bytes < 4 << 20


def test_line_ends_alone_take_no_memory_of_rows(tmp_path: Path) -> None:
    """They are damage, which is read within some times the size of the file."""
    path, content = tmp_path / "samples.csv", HONEST.partition("\n")[0] + "\n" * 3_000_000
    path.write_text(content)
    found, peak_bytes = read_measured(path)
    assert found.gaps
    assert peak_bytes < 20 * len(content)
