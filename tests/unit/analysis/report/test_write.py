from __future__ import annotations

import csv
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.terminal.report import report_text
from analysis.report.write import make_report
from soak.errors import HarnessError, RecordingError
from tests.support.planted_heap import FOUR_LEAKS, write_heap
from tests.support.planted_processes import PlantedProcess, write_processes

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")

FILES = [
    "claims.csv",
    "claims.md",
    "comparison.csv",
    "comparison.md",
    "gates.csv",
    "junit.xml",
    "latency.png",
    "latency.svg",
    "memory.png",
    "memory.svg",
    "objects.png",
    "objects.svg",
    "report.html",
    "report.md",
    "summary.json",
    "verdict.md",
    "waterfall.csv",
    "waterfall.png",
    "waterfall.svg",
]


def png_size(path: Path) -> tuple[int, int]:
    """Return width and height from a PNG's first chunk."""
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def summary(run_dir: Path) -> dict[str, Any]:
    """Return what the report of a run says to programs."""
    found: dict[str, Any] = json.loads((run_dir / "report" / "summary.json").read_text())
    return found


def test_a_report_is_written_whole_and_again(build_run: Build) -> None:
    """Every file and nothing half-written; made again, a report takes the place of the last."""
    run_dir = build_run()
    (run_dir / "report").mkdir()
    for name in FILES:
        (run_dir / "report" / name).write_text("of the last time")
    report = make_report(run_dir)
    assert report.directory == run_dir / "report"
    assert report.exit_code == 0
    assert report.text == report_text(report_contents(read_recording(run_dir)))
    assert sorted(path.name for path in report.directory.iterdir()) == FILES
    assert [png_size(report.directory / f"{name}.png") for name in ("memory", "objects", "latency")] == [
        (1600, 900),
        (1600, 900),
        (1600, 1350),
    ]
    assert (summary(run_dir)["conclusive"], summary(run_dir)["reasons"]) == (True, [])
    with (report.directory / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["measure"] for row in rows[:2]] == ["memory at start", "after 1 h"]
    assert rows[1]["measured_before_raw"] == "118625000.0"
    assert rows[0]["incident_scale_before_raw"] == ""
    with (report.directory / "gates.csv").open(newline="") as file:
        assert [(gate["gate"], gate["outcome"]) for gate in csv.DictReader(file)] == [("leak", "pass")]
    with (report.directory / "claims.csv").open(newline="") as file:
        claims = {row["claim"]: row for row in csv.DictReader(file)}
    assert len(claims) == 13
    assert claims["availability after"]["measured_after_raw"] == "1.0"
    assert claims["log: OOM-killed"]["measured_before_raw"] == "189.0"


def test_a_recording_with_nothing_but_its_manifest_is_reported(build_run: Build) -> None:
    """Every file lost is a reason each, and the report is still written, without a warning; claims the incident has."""
    run_dir = build_run(incident=False)
    for path in run_dir.rglob("*"):
        if path.is_file() and path.name != "manifest.json":
            path.unlink()
    report = make_report(run_dir)
    assert len(summary(run_dir)["reasons"]) == 6
    assert sorted(path.name for path in report.directory.iterdir()) == FILES[2:-3]


@pytest.mark.usefixtures("no_drawing")
def test_a_load_that_ended_is_reported_while_its_run_goes_on(build_run: Build) -> None:
    """The load counts as complete; manifest and summary go on stating that the run is running."""
    run_dir = build_run(status="running")
    make_report(run_dir)
    assert "never ended its recording" in summary(run_dir)["reasons"][0]
    make_report(run_dir, load_ended=True)
    assert summary(run_dir)["reasons"] == []
    assert json.loads((run_dir / "manifest.json").read_text())["status"] == "running"
    assert summary(run_dir)["status"] == "running"


@pytest.mark.usefixtures("no_drawing")
def test_a_report_that_cannot_be_written_says_so(build_run: Build) -> None:
    """A file in the way, like a full disk, is one sentence with the fix."""
    run_dir = build_run()
    (run_dir / "report").write_text("in the way")
    with pytest.raises(
        HarnessError, match=r"/report: the report cannot be written \(File exists\); fix this"
    ):
        make_report(run_dir)


def test_no_report_of_no_run(tmp_path: Path) -> None:
    """A directory that is no run is refused, and nothing is written into it."""
    with pytest.raises(RecordingError):
        make_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_grew_and_the_waterfall_have_files_of_their_own(build_run: Build) -> None:
    """who.csv with every line, waterfall.csv with every arm whose memory was read whole, and its picture."""
    run_dir = build_run(kill_hour=None)
    write_heap(run_dir / "leaky", FOUR_LEAKS)
    directory = make_report(run_dir).directory
    with (directory / "who.csv").open(newline="") as file:
        who = list(csv.DictReader(file))
    assert [row["holder"].rpartition(".")[2] for row in who] == [
        "request_history",
        "response_cache",
        "background_tasks",
        "http_sessions",
    ]
    with (directory / "waterfall.csv").open(newline="") as file:
        leaky, fixed = csv.DictReader(file)
    grown = float(leaky["end_bytes"]) - float(leaky["start_bytes"])
    assert (leaky["arm"], float(leaky["native_bytes"]), fixed["arm"]) == ("leaky", grown, "fixed")
    assert png_size(directory / "waterfall.png") == (1600, 1140)


@pytest.mark.usefixtures("no_drawing")
def test_the_processes_of_an_arm_have_a_file_and_a_table(build_run: Build) -> None:
    """processes.csv with every process, and the page with those that were judged."""
    run_dir = build_run(incident=False, kill_hour=None)
    write_processes(
        run_dir, "leaky", [PlantedProcess(rss_bytes=1000.0 * (life == 9)) for life in range(1, 13)]
    )
    directory = make_report(run_dir).directory
    with (directory / "processes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [rows[0][name] for name in ("life", "role", "growth")] == ["9", "child", "grows"]
    assert [row["growth"] for row in rows][-2:] == ["not judged"] * 2
    page = (directory / "report.html").read_text()
    assert page.count("<td>does not grow</td>") == 9
    assert "2 more processes, not judged, gained " in page
