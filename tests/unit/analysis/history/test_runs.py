"""Which runs a history has, and why others are left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.history.runs import read_runs
from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.machine.summary import summary_json
from soak.contract import MANIFEST, REPORT, STATEMENT, SUMMARY, SUMS
from soak.errors import UsageError
from soak.recording.files import record_sums
from tests.support.planted_history import summary, write_history, write_summary


def test_a_run_has_the_figures_of_its_candidate(tmp_path: Path) -> None:
    """Rate and interval of the memory, not of the count that leads, in the unit of the margin."""
    content = summary(1, 5.0)
    content["verdicts"][1]["leading_signal"] = "tasks_alive"
    write_summary(tmp_path, "run-01", content)
    (run,) = read_runs(tmp_path).runs
    assert (run.arm, run.signal, run.unit, run.margin) == ("new", "held_bytes", "bytes per request", 200.0)
    assert (run.rate, run.rate_low, run.rate_high) == (5.0, -5.0, 15.0)
    assert (run.verdict, run.decision, run.build) == ("no_leak", "signed", "1" * 40)
    assert (run.rss_end_bytes, run.p99_ms, run.differs) == (70_001_000.0, 13.0, "")


def test_the_last_runs_come_in_the_order_of_their_start(tmp_path: Path) -> None:
    """Whatever their directories are called; another arm is followed where it is asked for."""
    for number, name in ((3, "a"), (1, "b"), (2, "c")):
        write_summary(tmp_path, name, summary(number, 0.0))
    found = read_runs(tmp_path, candidate="old", last=2)
    assert [run.run for run in found.runs] == ["c", "a"]
    assert {run.arm for run in found.runs} == {"old"}


def test_each_directory_that_is_no_run_of_the_profile_has_a_line(tmp_path: Path) -> None:
    """Broken, without a report, of an older report, of another profile, without the arm, no run at all."""
    write_history(tmp_path, [0.0, 0.0])
    write_summary(tmp_path, "arm", summary(3, 0.0, signoff={"decision": "none", "candidate": None}))
    write_summary(tmp_path, "broken", {})
    write_summary(tmp_path, "old-version", summary(4, 0.0, summary_version=2))
    replayed = {"run": "run-02", "sha256": "0" * 64}
    write_summary(tmp_path, "run-02-replay", summary(2, 0.0, replay_of=replayed))
    write_summary(tmp_path, "other-1", summary(0, 0.0, profile="cart"))
    write_summary(tmp_path, "other-2", summary(0, 0.0, profile="cart"))
    (write_summary(tmp_path, "torn", {}) / REPORT / SUMMARY).write_text('{"run_id":')
    (write_summary(tmp_path, "unreported", {}) / REPORT / SUMMARY).unlink()
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "latest").symlink_to("run-02")
    found = read_runs(tmp_path)
    assert [run.run for run in found.runs] == ["run-01", "run-02"]
    assert list(found.left_out) == [
        "broken: report/summary.json: key summary_version: Field required; make it again with soak report.",
        "empty: it is no run.",
        "old-version: report/summary.json: key summary_version: Input should be greater than or equal to 3; "
        "make it again with soak report.",
        "run-02-replay: it is a replay of run-02.",
        "torn: report/summary.json is not readable (Expecting value: line 1 column 11 (char 10)); make it again "
        "with soak report.",
        "unreported: it has no report; make it with soak report.",
        "2 runs of the profile cart: see --profile cart.",
        "arm: no candidate; name one with --candidate (old, new).",
    ]


def test_a_directory_may_hold_a_report_alone(tmp_path: Path) -> None:
    """As an artifact of CI does."""
    write_history(tmp_path, [0.0])
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    (artifact / SUMMARY).write_text(json.dumps(summary(2, 0.0)))
    assert [run.run for run in read_runs(tmp_path).runs] == ["run-01", "artifact"]


def test_a_run_that_was_changed_since_its_end_is_left_out(tmp_path: Path) -> None:
    """Its manifest names hashes that are gone."""
    changed = write_history(tmp_path, [0.0, 0.0]) / "run-01"
    (changed / MANIFEST).write_text('{"hashed": true, "status": "complete"}')
    found = read_runs(tmp_path)
    assert [run.run for run in found.runs] == ["run-02"]
    assert "SHA256SUMS" in found.left_out[0]


def test_a_run_whose_summary_was_edited_is_left_out(tmp_path: Path) -> None:
    """Its verdict is not that of its report, whose hash is in the statement; a summary as it was written is read."""
    write_history(tmp_path, [300.0, 300.0])
    for name in ("run-01", "run-02"):
        text = (tmp_path / name / REPORT / SUMMARY).read_text()
        summary = {"digest": {"sha256": hashlib.sha256(text.encode()).hexdigest()}}
        record_sums(tmp_path / name, {})
        sums = hashlib.sha256((tmp_path / name / SUMS).read_bytes()).hexdigest()
        subject = [{"name": SUMS, "digest": {"sha256": sums}}]
        statement = {"subject": subject, "predicate": {"soakproof": {"summary": summary}}}
        (tmp_path / name / STATEMENT).write_text(json.dumps(statement))
    edited = tmp_path / "run-01" / REPORT / SUMMARY
    edited.write_text(edited.read_text().replace('"leak"', '"no_leak"'))
    found = read_runs(tmp_path)
    assert [run.run for run in found.runs] == ["run-02"]
    assert found.left_out[0].startswith("run-01: report/summary.json was changed: ")


def test_a_run_whose_report_is_of_a_load_before_its_end_is_left_out(tmp_path: Path) -> None:
    """A report is made after each load of `soak ui`; the one after the last was not, and may say LEAK."""
    write_history(tmp_path, [300.0, 300.0])
    path = tmp_path / "run-01" / REPORT / SUMMARY
    path.write_text(path.read_text().replace('"complete"', '"running"'))
    (tmp_path / "run-01" / MANIFEST).write_text('{"status": "complete"}')
    found = read_runs(tmp_path)
    assert [run.run for run in found.runs] == ["run-02"]
    assert found.left_out == (
        "run-01: the report is older than the run's end; make it again with soak report.",
    )


def test_runs_with_other_settings_than_the_newest_are_marked(tmp_path: Path) -> None:
    """Load, limit and end decide whether figures can be compared."""
    write_summary(tmp_path, "a", summary(1, 0.0, planned_load_s=60.0))
    write_summary(tmp_path, "b", summary(2, 0.0, status="interrupted"))
    limited = summary(3, 0.0)
    limited["arms"][1]["limit_bytes"] = None
    write_summary(tmp_path, "c", limited)
    write_summary(tmp_path, "d", summary(4, 0.0, conditions_sha256="other"))
    write_summary(tmp_path, "e", summary(5, 0.0, conclusive=False))
    write_summary(tmp_path, "f", summary(5, 0.0, signoff={"decision": "none", "candidate": "old"}))
    write_summary(tmp_path, "older", summary(5, 0.0))
    write_summary(tmp_path, "z", summary(6, 0.0, conditions_sha256="this"))
    assert [run.differs for run in read_runs(tmp_path).runs] == [
        "load of 60 s",
        "interrupted",
        "another memory limit",
        "another load, limit, sampling, Python or host, see soak compare",
        "inconclusive recording",
        "arm old",
        "",
        "",
    ]


def test_without_a_run_there_is_no_history(tmp_path: Path) -> None:
    """An empty directory, and one that is not there."""
    with pytest.raises(UsageError, match="no run with a report"):
        read_runs(tmp_path)
    with pytest.raises(UsageError, match="no such directory"):
        read_runs(tmp_path / "none")


def test_what_was_asked_for_and_is_not_there_is_named(tmp_path: Path) -> None:
    """A run instead of the directory around it, an arm and a profile that no run has."""
    run = write_history(tmp_path, [0.0]) / "run-01"
    with pytest.raises(UsageError, match="it is a run; give the directory that contains it"):
        read_runs(run)
    with pytest.raises(UsageError, match=r"no run of the profile shop with an arm newer. .* \(old, new\)"):
        read_runs(tmp_path, candidate="newer")
    with pytest.raises(UsageError, match=r"no run of the profile cart. 1 run of the profile shop"):
        read_runs(tmp_path, profile="cart")


@pytest.mark.usefixtures("planted_verdicts")
def test_the_summary_of_a_report_is_read(build_run: Callable[..., Path]) -> None:
    """What a report writes today has every key that a history reads."""
    directory = build_run()
    text = summary_json(report_contents(read_recording(directory)))
    (directory / REPORT).mkdir()
    (directory / REPORT / SUMMARY).write_text(text)
    content = json.loads(text)
    (run,) = read_runs(directory.parent).runs
    assert (run.arm, run.verdict, run.signal) == ("fixed", "no_leak", "held_bytes")
    assert run.rss_end_bytes == content["arms"][1]["rss_end_bytes"]
    assert run.rate == content["gates"][0]["measured_raw"]
