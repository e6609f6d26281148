from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from junitparser import JUnitXml

from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.machine.junit import junit_xml
from soak.contract import GateLimit
from tests.support.paths import EXPECTED

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")


JUDGE = {"max_leak_bytes_per_request": 200.0, "control": "fixed"}
GATES = (
    GateLimit("max_rss", "<=", 70e6, of_before=False, text="<= 70 MB"),
    GateLimit("p99_drift", "<=", 1.2, of_before=False, text="<= 1.2x"),
    GateLimit("tasks", "<=", 50.0, of_before=False, text="<= 50"),
)


def written(run_dir: Path) -> str:
    """Return junit.xml, each test case on a line of its own."""
    text = junit_xml(report_contents(read_recording(run_dir)))
    return text.replace("<testcase", "\n<testcase").replace("</testsuite>", "\n</testsuite>")


def test_a_gate_is_a_test_case(build_run: Build) -> None:
    """A gate that passed, one that failed, one that was skipped with its reason, the control and the recording."""
    assert written(build_run(gates=GATES)) == (EXPECTED / "junit.xml").read_text()


def test_a_control_whose_leak_was_not_seen_fails(build_run: Build) -> None:
    """The leak gate passes, and the suite is red all the same: such a harness signs nothing."""
    suite = next(iter(JUnitXml.fromstring(written(build_run(judge=JUDGE)))))
    assert (suite.tests, suite.failures, suite.skipped) == (3, 1, 0)
    control = next(case for case in suite if case.name == "control")
    assert control.result[0].message == (
        "the leak in the control (fixed) was not detected: NO LEAK: it holds its level"
    )


def test_the_leak_of_the_candidate_has_its_story(build_run: Build) -> None:
    """The message of the gate goes from the rate to what is known of where it comes from."""
    run_dir = build_run(roles=("after", "before"), judge={"max_leak_bytes_per_request": 200.0})
    suite = next(iter(JUnitXml.fromstring(written(run_dir))))
    leak = next(case for case in suite if case.name == "leak")
    message = leak.result[0].message
    assert message.startswith("34.0 KiB/request, the limit is < 200 B/request: ")
    assert message.endswith(". Since: the first 5 s of the load")


def test_a_run_cut_short_is_skipped_with_its_reasons(build_run: Build) -> None:
    """What stands against the recording is no failure of the candidate."""
    suite = next(iter(JUnitXml.fromstring(written(build_run(status="interrupted", status_detail="Ctrl-C")))))
    recording = next(case for case in suite if case.name == "recording")
    assert recording.result[0].message == "the run was interrupted: Ctrl-C"
    assert (suite.failures, suite.skipped) == (0, 3)


def test_names_that_xml_cannot_hold_are_replaced(build_run: Build) -> None:
    """A control character in a detail, and markup, leave a file that can be read."""
    run_dir = build_run(status="failed", status_detail="</testcase>\x00\x1b[31m & more")
    manifest = json.loads((run_dir / "manifest.json").read_text())
    (run_dir / "manifest.json").write_text(json.dumps({**manifest, "profile": "<b>\x07"}))
    suite = next(iter(JUnitXml.fromstring(written(run_dir))))
    recording = next(case for case in suite if case.name == "recording")
    assert recording.result[0].message == "the run failed: </testcase>\ufffd\ufffd[31m & more"
    assert recording.classname == "<b>\ufffd"
