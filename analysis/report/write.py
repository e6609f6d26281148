"""Make the report of a run directory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from matplotlib.figure import Figure

from analysis.growth.memory_breakdown import MemoryBreakdown
from analysis.growth.suspect import LeakSuspect
from analysis.incident.claims import Claim
from analysis.incident.row import ComparisonRow
from analysis.recording.events import read_events
from analysis.recording.read import read_recording
from analysis.report.contents import ReportContents, report_contents
from analysis.report.figures.latency import latency_figure
from analysis.report.figures.memory import memory_figure
from analysis.report.figures.memory_breakdown import memory_breakdown_figure
from analysis.report.figures.objects import objects_figure
from analysis.report.figures.requests import requests_figure
from analysis.report.files import csv_text, write_files
from analysis.report.gates import GateRow, gate_rows
from analysis.report.html.page import report_html
from analysis.report.html.svg import svg_text
from analysis.report.machine.junit import junit_xml
from analysis.report.machine.statement import statement_json
from analysis.report.machine.summary import summary_json
from analysis.report.markdown.comment import report_markdown
from analysis.report.markdown.incident import claims_markdown, comparison_markdown
from analysis.report.markdown.verdict import verdict_markdown
from analysis.report.terminal.report import report_text
from analysis.verdict.processes import ProcessRow
from soak.contract import REPORT, STATEMENT, SUMMARY


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was written: the text to print and the exit code."""

    directory: Path
    text: str
    """Plain text, at most 100 columns wide."""
    exit_code: int
    """The exit code of the sign-off."""


def make_report(run_dir: Path, *, load_ended: bool = False) -> Report:
    """Read a run directory and write ``report/`` in it and the statement beside it, each file replaced at once.

    A run without hashes has no statement, so that of an earlier report is removed.

    ``load_ended``: the run goes on, but the load to report on is whole.

    Raises RecordingError when the directory is missing, has no readable manifest or is of another schema, and
    HarnessError when the report cannot be written.
    """
    recording = read_recording(run_dir)
    if load_ended:
        recording = replace(recording, load_ended=True)
    findings = report_contents(recording)
    directory, summary = run_dir / REPORT, summary_json(findings)
    # the summary is the last file, as the statement has its hash
    write_files(directory, {**_files(findings, read_events(run_dir)), SUMMARY: summary})
    write_files(run_dir.resolve(), {STATEMENT: statement_json(findings, summary) or None})
    return Report(directory, report_text(findings), findings.judged.signoff.exit_code)


def _files(findings: ReportContents, events: tuple[tuple[str, ...], ...]) -> dict[str, str | Figure]:
    judged, run_id = findings.judged, findings.recording.manifest.run_id
    figures = {
        "memory": memory_figure(findings),
        "objects": objects_figure(findings),
        "latency": latency_figure(findings),
    }
    if findings.recording.manifest.attached and (requests := requests_figure(findings)) is not None:
        figures["requests"] = requests
    if flows := [arm.breakdown for arm in findings.growth if arm.breakdown is not None]:
        figures["waterfall"] = memory_breakdown_figure(findings)
    drawn = {name: svg_text(figure, name) for name, figure in figures.items()}
    files: dict[str, str | Figure] = {
        "verdict.md": verdict_markdown(f"{run_id}: verdict", judged, findings.growth, findings.sites),
        "report.html": report_html(findings, events, drawn),
        "report.md": report_markdown(findings),
        "junit.xml": junit_xml(findings),
        "gates.csv": csv_text(GateRow, gate_rows(judged)),
        "comparison.csv": csv_text(ComparisonRow, findings.rows),
        "comparison.md": comparison_markdown(findings),
        **{f"{name}.png": figure for name, figure in figures.items()},
        **{f"{name}.svg": text for name, text in drawn.items()},
    }
    if flows:
        files["waterfall.csv"] = csv_text(MemoryBreakdown, flows)
    if any(arm.censuses for arm in findings.growth):
        files["who.csv"] = csv_text(
            LeakSuspect, (suspect for arm in findings.growth for suspect in arm.suspects)
        )
    if findings.processes:
        files["processes.csv"] = csv_text(ProcessRow, findings.processes)
    if findings.recording.manifest.incident:
        files["claims.csv"] = csv_text(Claim, (*findings.claims, *findings.timeline))
        files["claims.md"] = claims_markdown(findings)
    return files
