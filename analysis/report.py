"""Make the report of a run directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from analysis.arm_verdict import Judge
from analysis.claims import Claim
from analysis.figures import latency_figure, memory_figure, objects_figure
from analysis.files import csv_text, write_files
from analysis.findings import Findings, find
from analysis.gates import Gate
from analysis.judge import judge
from analysis.judged_text import verdict_markdown
from analysis.markdown import claims_markdown, comparison_markdown
from analysis.recording import read_recording
from analysis.rows import Row
from analysis.summary import summary_json
from analysis.text import report_text
from soak.contract import REPORT


@dataclass(frozen=True, slots=True)
class Report:
    """What the command line needs of a report that was written."""

    directory: Path
    text: str
    """To print: plain, at most 100 columns wide."""
    reasons: tuple[str, ...]
    """Why the recording is inconclusive; empty when it is complete and the load arrived."""
    exit_code: int
    """Of the sign-off."""


def make_report(run_dir: Path, judge: Judge = judge) -> Report:
    """Read a run directory and write ``report/`` in it, each file replaced at once; ``judge`` judges one signal.

    Raises RecordingError when the directory is missing, has no readable manifest or is of another schema, and
    HarnessError when the report cannot be written.
    """
    findings = find(read_recording(run_dir), judge)
    directory = run_dir / REPORT
    write_files(directory, _files(findings))
    return Report(
        directory=directory,
        text=report_text(findings),
        reasons=findings.reasons,
        exit_code=findings.judged.signoff.exit_code,
    )


def _files(findings: Findings) -> dict[str, str | Figure]:
    judged, run_id = findings.judged, findings.recording.manifest.run_id
    files: dict[str, str | Figure] = {
        "verdict.md": verdict_markdown(f"{run_id}: verdict", judged),
        "gates.csv": csv_text(Gate, judged.gates),
        "comparison.csv": csv_text(Row, findings.rows),
        "comparison.md": comparison_markdown(findings),
        "summary.json": summary_json(findings),
        "memory.png": memory_figure(findings),
        "objects.png": objects_figure(findings),
        "latency.png": latency_figure(findings),
    }
    if findings.recording.manifest.article:
        files["claims.csv"] = csv_text(Claim, (*findings.claims, *findings.timeline))
        files["claims.md"] = claims_markdown(findings)
    return files
