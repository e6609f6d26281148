"""``junit.xml``: a test case per gate, for what shows test results."""

from __future__ import annotations

import re
from typing import Any, Final

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

from analysis.judge.types import INCONCLUSIVE, LEAK
from analysis.report.contents import ReportContents
from analysis.report.gates import GateRow, gate_rows
from analysis.verdict.gates import LEAK_GATE, GateResult
from analysis.verdict.injected import ControlResult, InjectedControl
from analysis.verdict.wording import control_line, refusal
from soak.contract import verdict_name

NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""


def junit_xml(findings: ReportContents) -> str:
    """Return the file: the gates of the candidate, the control, and the recording.

    A gate that failed is a failure, one that could not be decided is skipped with its reason. So is the control, whose
    known leak must be detected.
    """
    manifest, signoff = findings.recording.manifest, findings.judged.signoff
    suite = TestSuite(_clean(f"soak {manifest.run_id}"))
    suite.timestamp = f"{manifest.started_wall_time:%Y-%m-%dT%H:%M:%S}"
    suite.add_property("decision", signoff.decision)
    suite.add_property("sentence", _clean(signoff.sentence))
    suite.add_testcases(cases(findings))
    untyped: Any = JUnitXml()
    untyped.add_testsuite(suite)
    untyped.update_statistics()
    return f"{untyped.tostring().decode('utf-8')}\n"


def cases(findings: ReportContents) -> list[TestCase]:
    """Return the cases; one that passed has no result."""
    manifest = findings.recording.manifest
    stories = {story.arm: story.known_text for story in findings.stories}
    found = [
        _gate(gate, manifest.profile, stories.get(gate.arm, "") if gate.gate == LEAK_GATE else "")
        for gate in gate_rows(findings.judged)
    ]
    if findings.judged.signoff.control:
        found.append(_control(findings, stories.get(findings.judged.signoff.control, "")))
    return [*found, _recording(findings)]


def _gate(gate: GateRow, profile: str, story: str = "") -> TestCase:
    """Return the case of a gate; that of a leak has its story in the message."""
    case = TestCase(gate.gate, _clean(f"{profile}.{gate.arm}"))
    interval = f"; interval: {gate.interval} at 95%" if gate.interval else ""
    case.system_out = _clean(f"measured: {gate.measured}{interval}; limit: {gate.limit}; {gate.why}")
    message = _clean(f"{gate.measured}, the limit is {gate.limit}: {gate.why}{f'. {story}' if story else ''}")
    if gate.outcome is GateResult.FAIL:
        case.result = [Failure(message, "gate")]
    elif gate.outcome is GateResult.INCONCLUSIVE:
        case.result = [Skipped(message)]
    return case


def _control(findings: ReportContents, story: str = "") -> TestCase:
    """Return the case of the control, whose known leak must be detected; where it is, with its story."""
    control = findings.judged.signoff.control
    verdict = next((one for one in findings.judged.verdicts if one.arm == control), None)
    case = TestCase("control", _clean(f"{findings.recording.manifest.profile}.{control}"))
    if (injected := findings.judged.control) is not None:
        return _injected(case, injected)
    seen = "it did not run" if verdict is None else f"{verdict_name(verdict.verdict)}: {verdict.reason}"
    case.system_out = _clean(f"control {control} must be LEAK; {seen}{f'. {story}' if story else ''}")
    message = _clean(f"the leak in the control ({control}) was not detected: {seen}")
    if verdict is not None and verdict.verdict == INCONCLUSIVE:
        case.result = [Skipped(message)]
    elif verdict is None or verdict.verdict != LEAK:
        case.result = [Failure(message, "control")]
    return case


def _injected(case: TestCase, control: InjectedControl) -> TestCase:
    """Complete the case of a control that is a copy of the candidate: the injected leak must be measured, too."""
    case.system_out = _clean(control_line(control))
    if control.result is ControlResult.SEEN:
        return case
    message = _clean(refusal(control))
    called_no_leak = (
        control.result is ControlResult.NOT_CALLED and control.copy.verdict.verdict != INCONCLUSIVE
    )
    if called_no_leak or control.result is ControlResult.RATE_OUTSIDE:
        case.result = [Failure(message, "control")]
    else:
        case.result = [Skipped(message)]
    return case


def _recording(findings: ReportContents) -> TestCase:
    case = TestCase("recording", _clean(findings.recording.manifest.profile))
    if findings.reasons:
        case.result = [Skipped(_clean("; ".join(findings.reasons)))]
    return case


def _clean(text: str) -> str:
    return NOT_XML.sub("\ufffd", text)
