"""`soak judge` and `soak compare`, on recordings of ours and of other tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.commands.compare import compare_runs
from analysis.commands.judge import judge_file, judge_run
from analysis.external.files import Columns
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


def test_no_memory_is_none_that_was_read(tmp_path: Path) -> None:
    """A process has some: hours of zeros, as some tools write for one that is gone, are inconclusive and no pass."""
    path = tmp_path / "x.csv"
    path.write_text("t,rss\n" + "".join(f"{t},0\n" for t in range(0, 14_400, 5)))
    assert judge_file(path, Columns("t", "rss"), MARGIN, None).exit_code == 4


def test_an_empty_file_decides_nothing(tmp_path: Path) -> None:
    """By the real judge: too few readings are inconclusive, never a pass."""
    path = tmp_path / "x.csv"
    path.write_text("t,rss\n")
    assert judge_file(path, Columns("t", "rss"), MARGIN, None).exit_code == 4
