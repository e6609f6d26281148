"""`soak judge` and `soak compare`, on recordings of ours and of other tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.commands.compare import compare_runs
from analysis.commands.judge import judge_file, judge_run
from analysis.external.files import Columns, read_external
from analysis.formatting import MIB
from analysis.judge.types import Margin
from soak.contract import GateLimit
from soak.errors import RecordingError, UsageError

Build = Callable[..., Path]
MARGIN = Margin(per_s=2**20 / 3600)


def change(run_dir: Path, **keys: Any) -> None:
    """Set keys of a manifest."""
    path = run_dir / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


@pytest.fixture
def two_runs(build_run: Build, tmp_path: Path) -> tuple[Path, Path]:
    """The run of a release and that of a candidate, made alike."""
    gates = (GateLimit("max_rss", "<=", 1.05, of_before=True, text="<= 1.05x before"),)
    first = build_run(gates=gates).rename(tmp_path / "release")
    second = build_run(gates=gates, after_start_bytes=80e6).rename(tmp_path / "candidate")
    for run_dir in (first, second):
        change(run_dir, run_id=run_dir.name, config={"traffic": {"seed": 1, "shape": "steady"}})
    return first, second


@pytest.mark.usefixtures("planted_verdicts")
def test_a_recording_is_judged_without_figures(build_run: Build) -> None:
    """Verdicts, gates and sign-off are printed, and no report is written."""
    run_dir = build_run()
    answer = judge_run(run_dir)
    assert answer.exit_code == 0
    assert answer.text.startswith("leaky: LEAK: 34.0 KiB/request")
    assert "SIGNED OFF: fixed passed its gate" in answer.text
    assert not (run_dir / "report").exists()


@pytest.mark.usefixtures("planted_verdicts")
def test_two_runs_made_apart_are_compared(two_runs: tuple[Path, Path]) -> None:
    """The release's own arm is what ``x before`` means, not the leaky one that ran beside the candidate."""
    answer = compare_runs(*two_runs)
    assert answer.exit_code == 3
    assert answer.text.startswith("release: fixed: NO LEAK: leak < 89 B/request (95% upper bound; RSS); at")
    assert "\ncandidate:\nleaky: LEAK:" in answer.text
    assert "<= 1.05x before (79.1 MiB)" in answer.text
    assert "NOT SIGNED OFF: fixed failed the gate max_rss." in answer.text


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"python": "3.12.1"}, "Python: 3.11.7, 3.12.1"),
        ({"host": {"cores": 2, "kernel": "6.1"}}, "host kernel: not set, 6.1"),
        ({"config": {"traffic": {"seed": 2, "shape": "steady"}}}, "traffic.seed: 1, 2"),
        (
            {"config": {"traffic": {"seed": 1, "shape": "steady"}, "limit": {"memory": 1}}},
            "limit.memory: not set, 1",
        ),
    ],
)
def test_runs_that_differ_are_refused_with_the_difference(
    two_runs: tuple[Path, Path], keys: dict[str, Any], sentence: str
) -> None:
    """Host, Python, load and limits must be the same."""
    change(two_runs[1], **keys)
    with pytest.raises(UsageError) as caught:
        compare_runs(*two_runs)
    assert f"do not compare: {sentence}. Repeat one of them" in str(caught.value)


def test_runs_of_another_schema_are_refused(two_runs: tuple[Path, Path]) -> None:
    """As everywhere."""
    change(two_runs[0], schema_version=99)
    with pytest.raises(RecordingError, match="schema_version is 99"):
        compare_runs(*two_runs)


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


@pytest.mark.usefixtures("planted_verdicts")
@pytest.mark.parametrize(("slope", "code"), [(0.0, 0), (1000.0, 3)])
def test_a_file_is_judged_like_an_arm(tmp_path: Path, slope: float, code: int) -> None:
    """The exit code is that of the verdict."""
    path = tmp_path / "x.csv"
    rows = "".join(f"{t},{50e6 + slope * t}\n" for t in range(0, 3600, 60))
    path.write_text("t,rss\n" + rows)
    answer = judge_file(path, Columns("t", "rss"), MARGIN, 100e6)
    assert answer.exit_code == code
    lines = {
        0: "x.csv: NO LEAK: leak < 102 KiB/h (95% upper bound; RSS); at this bound the memory limit is reached in "
        "20 days at the earliest.",
        3: "x.csv: LEAK: 3.4 MiB/h (3.3 MiB to 3.5 MiB, 95%) by RSS; time to OOM: 11.6 h to 14.2 h.",
    }
    assert answer.text.split() == lines[code].split()


def test_restarts_that_are_not_told_apart_are_not_passed(tmp_path: Path) -> None:
    """A leak through restarts is a sawtooth to who takes them for one process; with their pids it is a leak."""
    path = tmp_path / "x.csv"
    rows = "".join(f"{t},{50e6 + 40e3 * (t % 4000)},{1 + t // 4000}\n" for t in range(0, 40_000, 30))
    path.write_text("t,rss,pid\n" + rows)
    unknown = judge_file(path, Columns("t", "rss"), MARGIN, None)
    known = judge_file(path, Columns("t", "rss", life="pid"), MARGIN, None)
    assert (unknown.exit_code, known.exit_code) == (4, 3)
    assert "its memory fell by more than half 9 times" in " ".join(unknown.text.split())


def test_an_empty_cell_is_no_restart(tmp_path: Path) -> None:
    """Whatever tells lives apart, a name or a number, goes on where it was not read."""
    path = tmp_path / "x.csv"
    path.write_text("t,rss,pod\n0,2e8,\n1,2e8,a\n2,2e8,\n3,2e8,b\n4,2e8,a\n")
    assert list(read_external(path, Columns("t", "rss", life="pod")).life) == [1, 1, 1, 2, 3]


def test_no_memory_is_none_that_was_read(tmp_path: Path) -> None:
    """A process has some: hours of zeros, as some tools write for one that is gone, are inconclusive and no pass."""
    path = tmp_path / "x.csv"
    path.write_text("t,rss\n" + "".join(f"{t},0\n" for t in range(0, 14_400, 5)))
    assert judge_file(path, Columns("t", "rss"), MARGIN, None).exit_code == 4


def test_few_bytes_and_late_seconds_are_believed_when_their_unit_is_named(tmp_path: Path) -> None:
    """A refusal is for what was left out alone."""
    path = tmp_path / "x.csv"
    path.write_text("t,rss\n1764162000000,90000\n1764162000005,90000\n")
    found = read_external(path, Columns("t", "rss", 1e-3, 1.0))
    assert list(found.value) == [90_000, 90_000]
    assert found.t_s[1] == pytest.approx(0.005, abs=1e-3)


def test_an_empty_file_decides_nothing(tmp_path: Path) -> None:
    """By the real judge: too few readings are inconclusive, never a pass."""
    path = tmp_path / "x.csv"
    path.write_text("t,rss\n")
    assert judge_file(path, Columns("t", "rss"), MARGIN, None).exit_code == 4
