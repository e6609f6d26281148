from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.external.files import Columns, read_external
from analysis.formatting import MIB
from soak.errors import RecordingError


def test_psrecord_and_mprof_are_recognised(tmp_path: Path) -> None:
    """Both write MiB; mprof also marks functions and children, which are passed over."""
    psrecord = tmp_path / "a.log"
    psrecord.write_text(
        "# Elapsed time   CPU (%)     Real (MB)   Virtual (MB)\n"
        "       0.000        0.000       10.000       20.000\n"
        "       1.002        5.000       11.500       20.000\n"
        "       2.0"
    )
    found = read_external(psrecord, None)
    assert list(found.t_s) == [0.0, 1.002]
    assert list(found.value) == [10 * MIB, 11.5 * MIB]
    mprof = tmp_path / "b.dat"
    mprof.write_text(
        "CMDLINE python app.py\nMEM 10.5 1700000000.5000\nFUNC app.f 1.0 2.0 3.0 4.0\n"
        "CHLD 1 7.0 1700000001.0\nMEM 11.5 1700000002.5000\n"
    )
    found = read_external(mprof, None)
    assert list(found.t_s) == [0.0, 2.0]
    assert list(found.value) == [10.5 * MIB, 11.5 * MIB]


def test_a_csv_is_read_by_its_columns_and_their_units(tmp_path: Path) -> None:
    """Numbers or moments; what is no number, or not above 0, was not read; a row without a time is dropped."""
    path = tmp_path / "x.csv"
    path.write_text(
        "when,t,rss\n2026-01-01T00:00:00Z,0,10\n2026-01-01T00:01:00Z,1,-1\n2026-01-01T00:02:00Z,,x\n"
    )
    found = read_external(path, Columns("t", "rss", 60.0, 1024.0))
    assert list(found.t_s) == [0.0, 60.0]
    assert found.value[0] == 10_240
    assert np.isnan(found.value[1])
    assert list(read_external(path, Columns("when", "rss", None, 1.0)).t_s) == [0.0, 60.0, 120.0]


@pytest.mark.parametrize(
    ("text", "columns", "sentence"),
    [
        ("a,b\n1,2\n", None, "neither psrecord's format nor mprof's; name its columns"),
        ("a,b\n1,2\n", Columns("t", "b"), "--time-column t: no such column; it has a, b"),
        ("a,b\n1,2e8\n", Columns("a", "b", life="pid"), "--life-column pid: no such column; it has a, b"),
        ("a,b\n1,2\n", Columns("a", "rss"), "--rss-column rss: no such column; it has a, b"),
        ("", Columns("a", "b"), "the file is empty"),
        ("a,b\n1,350.5\n2,x\n", Columns("a", "b"), "350.5 bytes, the most it has, are too few for a process"),
        ("a,b\n1,350.5\n", Columns("a", "b", 60.0), "name their unit by --rss-unit, for example MiB or KiB"),
        ("a,b\n1764162000000,5e8\n", Columns("a", "b"), "name their unit, for example --time-unit ms"),
    ],
)
def test_a_file_that_is_no_recording_says_why(
    tmp_path: Path, text: str, columns: Columns | None, sentence: str
) -> None:
    """With the file and the fix, never a traceback."""
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(RecordingError) as caught:
        read_external(path, columns)
    assert str(caught.value).startswith(f"{path}: ")
    assert sentence in str(caught.value)


def test_an_empty_cell_is_no_restart(tmp_path: Path) -> None:
    """Whatever tells lives apart, a name or a number, goes on where it was not read."""
    path = tmp_path / "x.csv"
    path.write_text("t,rss,pod\n0,2e8,\n1,2e8,a\n2,2e8,\n3,2e8,b\n4,2e8,a\n")
    assert list(read_external(path, Columns("t", "rss", life="pod")).life) == [1, 1, 1, 2, 3]


def test_few_bytes_and_late_seconds_are_believed_when_their_unit_is_named(tmp_path: Path) -> None:
    """A refusal is for what was left out alone."""
    path = tmp_path / "x.csv"
    path.write_text("t,rss\n1764162000000,90000\n1764162000005,90000\n")
    found = read_external(path, Columns("t", "rss", 1e-3, 1.0))
    assert list(found.value) == [90_000, 90_000]
    assert found.t_s[1] == pytest.approx(0.005, abs=1e-3)
