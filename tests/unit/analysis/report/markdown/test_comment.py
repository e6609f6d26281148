from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.recording.read import read_recording
from analysis.report.contents import ReportContents, report_contents
from analysis.report.markdown.comment import MOST_COMMENT_BYTES, report_markdown
from soak.contract import GateLimit
from tests.support.paths import EXPECTED
from tests.support.planted_processes import PlantedProcess, write_processes

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")


GATES = (
    GateLimit("max_rss", "<=", 1.05, of_before=True, text="<= 1.05x before"),
    GateLimit("tasks", "<=", 50.0, of_before=False, text="<= 50"),
)


def findings(run_dir: Path) -> ReportContents:
    """Return what the recording shows."""
    return report_contents(read_recording(run_dir))


def test_the_comment_is_told_whole(build_run: Build) -> None:
    """Verdict first, then the gates; the rest is folded away."""
    assert report_markdown(findings(build_run(gates=GATES))) == (EXPECTED / "report.md").read_text()


def test_a_run_that_goes_on_says_so(build_run: Build) -> None:
    """Asked for while the run goes on, the comment begins with what it holds for, and with what stands against it."""
    lines = report_markdown(findings(build_run(status="running", end_s=100.0))).splitlines()
    assert lines[:3] == [
        "## NOT SIGNED OFF: the run never ended its recording: the supervisor was killed, or is still at work.",
        "",
        "The run is not over, or it was killed: this report covers what was recorded so far.",
    ]
    assert any(line.startswith("- the run never ended its recording") for line in lines)


def test_markup_and_mentions_in_what_a_run_says_are_none(build_run: Build) -> None:
    """Nobody is called and no image is loaded by the name of an arm or the detail of an event."""
    run_dir = build_run(status="failed", status_detail="<img src=x> @everyone | ![x](http://y)\n# `x` *y*")
    text = report_markdown(findings(run_dir))
    assert (
        "- the run failed: &#60;img src=x> @&#8203;everyone &#124; !&#91;x&#93;(http://y) # &#96;x&#96; &#42;y&#42;."
        in text
    )


def test_it_fits_into_a_comment(build_run: Build) -> None:
    """However long a detail is, it stays below the limit and says where the rest is."""
    run_dir = build_run()
    manifest = json.loads((run_dir / "manifest.json").read_text())
    for length in (20_000, 100_000):
        detail = {"status": "failed", "status_detail": "é" * length}
        (run_dir / "manifest.json").write_text(json.dumps({**manifest, **detail}))
        text = report_markdown(findings(run_dir))
        assert len(text.encode()) <= MOST_COMMENT_BYTES
        assert text.startswith("## NOT SIGNED OFF: the run failed: é")
        assert text.endswith("\nThe rest is in report.html.\n")


def test_the_processes_of_an_arm_are_folded_away(build_run: Build) -> None:
    """Three workers of which one leaks; an arm of one process has no such table."""
    run_dir = build_run(incident=False, kill_hour=None)
    assert "Processes of" not in report_markdown(findings(run_dir))
    steady, leak = PlantedProcess(noise_bytes=0.0), PlantedProcess(rss_bytes=1000.0, noise_bytes=0.0)
    write_processes(run_dir, "leaky", (steady, steady, leak, steady))
    assert (EXPECTED / "processes.md").read_text() in report_markdown(findings(run_dir))
