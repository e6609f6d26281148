"""The report on memory that Prometheus recorded: that of a run, without what a run alone has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from analysis.prometheus.judged import ORDER, JudgedServices
from analysis.prometheus.services import service_row
from analysis.report.contents import ReportContents
from analysis.report.figures.memory import memory_figure
from analysis.report.figures.requests import requests_figure
from analysis.report.files import write_files
from analysis.report.html.page import report_html
from analysis.report.html.svg import svg_text
from analysis.report.machine.junit import junit_xml
from analysis.report.machine.summary import summary_json
from analysis.report.markdown.comment import report_markdown
from analysis.report.process_tables import MOST_DRAWN
from analysis.verdict.arm import ArmVerdict
from soak.contract import SUMMARY


def write_report(directory: Path, judged: JudgedServices) -> None:
    """Write the files of the report into ``directory``; raises HarnessError where one cannot be written."""
    write_files(directory, report_files(judged), "soak judge", kept="")


def report_files(judged: JudgedServices) -> Mapping[str, str | Figure]:
    """Return the files of the report by name."""
    contents = contents_of(judged)
    drawn = most_telling(contents)
    figures = {"memory": memory_figure(drawn), "requests": requests_figure(drawn)}
    known = {name: figure for name, figure in figures.items() if figure is not None}
    texts = {name: svg_text(figure, name) for name, figure in known.items()}
    return {
        "report.html": report_html(contents, (), texts),
        "report.md": report_markdown(contents),
        "junit.xml": junit_xml(contents),
        SUMMARY: summary_json(contents),
        **{f"{name}.png": figure for name, figure in known.items()},
        **{f"{name}.svg": text for name, text in texts.items()},
    }


def contents_of(judged: JudgedServices) -> ReportContents:
    """Return what the report shows."""
    return ReportContents(
        recording=judged.recording,
        judged=judged.judged,
        rows=(),
        claims=(),
        timeline=(),
        slopes=(),
        services=tuple(service_row(one) for one in judged.services),
    )


def most_telling(contents: ReportContents) -> ReportContents:
    """Return the contents of MOST_DRAWN services: leaks first, then what is open, the fastest growth first."""
    verdicts = {one.arm: one for one in contents.judged.verdicts}
    names = sorted(verdicts, key=lambda name: _order(verdicts[name]))[:MOST_DRAWN]
    arms = tuple(arm for arm in contents.recording.arms if arm.name in names)
    judged = tuple(one for one in contents.judged.arms if one.arm.name in names)
    return replace(
        contents,
        recording=replace(contents.recording, arms=arms),
        judged=replace(contents.judged, arms=judged),
    )


def _order(verdict: ArmVerdict) -> tuple[int, float]:
    rate = verdict.rate
    return ORDER.get(verdict.verdict, len(ORDER)), -(rate.value if rate else 0.0)
