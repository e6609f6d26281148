from __future__ import annotations

import csv
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.findings import find
from analysis.recording import read_recording
from analysis.report import make_report
from analysis.text import report_text
from soak.errors import HarnessError, RecordingError
from tests.unit.analysis.planted_judge import planted_judge

Build = Callable[..., Path]

FILES = [
    "claims.csv",
    "claims.md",
    "comparison.csv",
    "comparison.md",
    "gates.csv",
    "latency.png",
    "memory.png",
    "objects.png",
    "summary.json",
    "verdict.md",
]


def png_size(path: Path) -> tuple[int, int]:
    """Return width and height from a PNG's first chunk."""
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_a_report_is_written_whole_and_again(build_run: Build) -> None:
    """Ten files and nothing half-written; made again, a report takes the place of the last."""
    run_dir = build_run()
    (run_dir / "report").mkdir()
    for name in FILES:
        (run_dir / "report" / name).write_text("of the last time")
    report = make_report(run_dir, planted_judge)
    assert report.directory == run_dir / "report"
    assert report.reasons == ()
    assert report.exit_code == 0
    assert report.text == report_text(find(read_recording(run_dir), planted_judge))
    assert sorted(path.name for path in report.directory.iterdir()) == FILES
    assert [png_size(report.directory / f"{name}.png") for name in ("memory", "objects", "latency")] == [
        (1600, 900),
        (1600, 900),
        (1600, 1080),
    ]
    assert json.loads((report.directory / "summary.json").read_text())["conclusive"] is True
    with (report.directory / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["measure"] for row in rows[:2]] == ["memory at start", "after 1 h"]
    assert rows[1]["measured_before_raw"] == "118625000.0"
    assert rows[0]["article_scale_before_raw"] == ""
    with (report.directory / "gates.csv").open(newline="") as file:
        assert [(gate["gate"], gate["outcome"]) for gate in csv.DictReader(file)] == [("leak", "pass")]
    with (report.directory / "claims.csv").open(newline="") as file:
        claims = {row["claim"]: row for row in csv.DictReader(file)}
    assert len(claims) == 13
    assert claims["availability after"]["measured_after_raw"] == "1.0"
    assert claims["log: OOM-killed"]["measured_before_raw"] == "189.0"


def test_a_recording_with_nothing_but_its_manifest_is_reported(build_run: Build) -> None:
    """Every file lost is a reason each, and the report is still written, without a warning; claims the article has."""
    run_dir = build_run(article=False)
    for path in run_dir.rglob("*"):
        if path.is_file() and path.name != "manifest.json":
            path.unlink()
    report = make_report(run_dir, planted_judge)
    assert len(report.reasons) == 6
    assert sorted(path.name for path in report.directory.iterdir()) == FILES[2:]


def test_a_report_that_cannot_be_written_says_so(build_run: Build) -> None:
    """A file in the way, like a full disk, is one sentence with the mend."""
    run_dir = build_run()
    (run_dir / "report").write_text("in the way")
    with pytest.raises(
        HarnessError, match=r"/report: the report cannot be written \(File exists\); mend that"
    ):
        make_report(run_dir, planted_judge)


def test_no_report_of_no_run(tmp_path: Path) -> None:
    """A directory that is no run is refused, and nothing is written into it."""
    with pytest.raises(RecordingError):
        make_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
