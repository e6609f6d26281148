"""The injected control in every form of the report; the copy stands in no table beside the builds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from junitparser import Failure, JUnitXml, Skipped

from analysis.recording.read import read_recording
from analysis.report.contents import ReportContents, report_contents
from analysis.report.explanation import decided
from analysis.report.html.page import report_html
from analysis.report.machine.junit import junit_xml
from analysis.report.machine.summary import summary_json
from analysis.report.markdown.comment import report_markdown
from analysis.report.markdown.verdict import verdict_markdown
from analysis.report.tables import comparison_table, ladder_table, load_table, slope_table
from analysis.report.terminal.report import report_text
from tests.support.planted_control import Kept, PlantedControl, write_control

pytestmark = pytest.mark.usefixtures("planted_verdicts")

LINE = (
    "app.leak (control): injected 800 B/request (python 400 B/request, native 400 B/request); measured 799 B/request "
    "(779 B to 819 B, 99.9%); LEAK by memory in use, Python memory, native memory."
)


def contents_of(directory: Path, planted: PlantedControl | None = None) -> ReportContents:
    return report_contents(read_recording(write_control(directory / "run", planted or PlantedControl())))


@pytest.fixture
def contents(tmp_path: Path) -> ReportContents:
    return contents_of(tmp_path)


def test_every_text_states_what_was_injected_and_measured(contents: ReportContents) -> None:
    """Terminal, Markdown and HTML have the same line, beside the verdicts."""
    page = report_html(contents, (), {"memory": "<svg/>", "objects": "<svg/>", "latency": "<svg/>"})
    texts = [
        " ".join(report_text(contents).split()),
        verdict_markdown("run: verdict", contents.judged),
        report_markdown(contents),
        page,
    ]
    assert all(LINE in text for text in texts)


def test_what_it_does_not_show_is_said(contents: ReportContents) -> None:
    """Other shapes than a steady one, and whether the load drives the real leak's path."""
    paragraph = next(text for text in decided(contents) if text.startswith("app.leak is the control"))
    assert "a copy of app in which the probe kept 800 B/request, 9.5 MiB in all" in paragraph
    assert "does not show that a leak of another shape than a steady one would be detected" in paragraph
    assert "or that the load drives the path on which the service leaks" in paragraph


def test_the_copy_is_in_no_table_of_the_builds(contents: ReportContents) -> None:
    """It is no build, and nothing is compared with it."""
    tables = [comparison_table(contents), load_table(contents), slope_table(contents)]
    tables += [table for table in [ladder_table(contents.recording)] if table]
    assert not any("app.leak" in cell for table in tables for row in table.rows for cell in row)
    assert [row.measured_after for row in contents.rows if row.measured_after] == []
    assert [growth.arm for growth in contents.growth] == ["app"]


def test_the_summary_has_the_whole_control(contents: ReportContents) -> None:
    """For programs: rates, bytes, intervals and result, and the copy's own verdict apart from those of the builds."""
    summary = json.loads(summary_json(contents))
    control = summary["control"]
    assert control["leak"] == {"per": "request", "rates": {"python": 400.0, "native": 400.0}}
    assert (control["injected_bytes"], control["result"]) == (10_000_000, "seen")
    assert control["measured"]["value"] == pytest.approx(800, rel=0.01)
    assert control["called_by"] == ["held_bytes", "python_bytes", "native_bytes"]
    assert (control["arm"]["name"], control["arm"]["role"]) == ("app.leak", "control")
    assert [one["arm"] for one in summary["verdicts"]] == [one["name"] for one in summary["arms"]] == ["app"]
    assert summary["signoff"]["control"] == "app.leak"


@pytest.mark.parametrize(
    ("planted", "kind", "message"),
    [
        (PlantedControl(), None, ""),
        (PlantedControl(copy=Kept()), Failure, "is not LEAK by its memory but NO LEAK"),
        (PlantedControl(copy=Kept(900.0, 900.0)), Failure, "does not agree with the injected 800 B/request"),
        (PlantedControl(sent_share=0.5), Skipped, "is not LEAK by its memory but INCONCLUSIVE"),
        (PlantedControl(probe=False, injected_bytes={}), Skipped, "its processes have no probe"),
    ],
)
def test_junit_fails_what_was_not_found(
    tmp_path: Path, planted: PlantedControl, kind: type[Failure | Skipped] | None, message: str
) -> None:
    """A control that was called at its rate passes; one that could not be judged is skipped with its reason."""
    suite = next(iter(JUnitXml.fromstring(junit_xml(contents_of(tmp_path, planted)))))
    [case] = [case for case in suite if case.name == "control"]
    assert case.classname == "own.app.leak"
    assert [type(result) for result in case.result] == ([kind] if kind else [])
    assert all(message in result.message for result in case.result)


def test_a_run_without_a_copy_has_no_control_line(contents: ReportContents) -> None:
    """The builds are reported as ever."""
    judged = replace(contents.judged, control=None)
    assert "(control)" not in verdict_markdown("run: verdict", judged)
