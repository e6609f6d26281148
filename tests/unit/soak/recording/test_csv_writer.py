"""Rows stay readable, whatever happens."""

from __future__ import annotations

import hashlib
import resource
from pathlib import Path

import pytest

from soak.contract import Column
from soak.errors import HarnessError
from soak.recording.csv_writer import CsvWriter

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


def test_after_a_failed_write_nothing_more_is_written(tmp_path: Path) -> None:
    """Room that comes back later does not make a file with a hole in it."""
    path = tmp_path / "x.csv"
    recorder = CsvWriter(path, COLUMNS)
    room, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, most))
    try:
        with pytest.raises(HarnessError):
            recorder.write({"t_s": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
    recorder.write({"t_s": 2})
    recorder.close()
    assert path.read_text().splitlines() == ["t_s,size_bytes,gauges"]


def test_the_hash_is_of_what_was_written_whatever_the_file_holds(tmp_path: Path) -> None:
    """A process that shares the file's directory rewrites a row, and the hash tells of it."""
    path = tmp_path / "x.csv"
    recorder = CsvWriter(path, COLUMNS)
    recorder.write({"t_s": 1.0, "gauges": {"a": 1}})
    recorder.write_all([{"t_s": 2.0, "size_bytes": 5}, {"t_s": 3.0, "gauges": {"\u00e9": 2}}])
    recorder.close()
    assert recorder.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text(path.read_text().replace("5", "4"))
    assert recorder.sha256 != hashlib.sha256(path.read_bytes()).hexdigest()


def test_there_is_no_hash_of_what_others_wrote(tmp_path: Path) -> None:
    """Nor of a file that another process has written to before: its own hash counts."""
    path = tmp_path / "x.csv"
    CsvWriter(path, COLUMNS).close()
    again = CsvWriter(path, COLUMNS)
    again.write({"t_s": 1.0})
    again.close()
    assert again.sha256 is None
