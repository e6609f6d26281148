from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.machine.summary import summary_json, summary_schema
from tests.support.paths import ROOT
from tests.support.planted_processes import PlantedProcess, write_processes

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")


def summary(run_dir: Path) -> dict[str, Any]:
    """Return summary.json, refusing what is not JSON: NaN and infinity."""

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    content: dict[str, Any] = json.loads(
        summary_json(report_contents(read_recording(run_dir))), parse_constant=refuse
    )
    return content


def test_the_summary_holds_what_the_report_says(build_run: Build) -> None:
    """Version, arms with kills, peaks, slopes and load, rows and reasons are there for programs."""
    found = summary(build_run())
    assert (found["summary_version"], found["schema_version"], found["run_id"]) == (8, 2, "planted")
    assert (found["conclusive"], found["reasons"]) == (True, [])
    assert found["signoff"]["decision"] == "signed"
    assert [(verdict["arm"], verdict["verdict"]) for verdict in found["verdicts"]] == [
        ("leaky", "leak"),
        ("fixed", "no_leak"),
    ]
    assert found["verdicts"][1]["leading_signal"] == "held_bytes"
    assert [signal["signal"] for signal in found["verdicts"][1]["signals"]] == [
        "held_bytes",
        "python_bytes",
        "native_bytes",
        "rest_bytes",
        "sessions_open",
        "charged_bytes",
    ]
    assert [(gate["gate"], gate["measured"]) for gate in found["gates"]] == [("leak", "69 B/request")]
    leaky, fixed = found["arms"]
    assert (leaky["oom_kills"], fixed["oom_kills"]) == (1, 0)
    assert leaky["lives"][0]["ended_by"] == "kernel"
    assert (leaky["build"], fixed["build"]) == (None, None)
    assert 0.9 * fixed["peaks"]["rss_bytes"] < fixed["rss_end_bytes"] <= fixed["peaks"]["rss_bytes"]
    assert leaky["peaks"]["tasks_finished"] == 13_360
    assert leaky["slopes"][0]["rss_bytes_per_request"]["low"] > 30_000
    assert leaky["slopes"][1]["rss_bytes_per_request"] is None
    assert (leaky["load"]["missed_dead"], fixed["load"]["arrived"]) == (240, 1.0)
    assert fixed["latency_ms"] == {"p50": 4.001, "p90": 8.003, "p99": 8.003, "p99.9": 8.003, "max": 8.003}
    assert [row["measure"] for row in found["comparison"]][-1] == "cache size"
    assert [claim["claim"] for claim in found["claims"]][-1] == "time to recover"
    assert [line["claim"] for line in found["timeline"]][-1] == "log: OOM-killed again"


def test_what_was_not_measured_is_null(build_run: Build) -> None:
    """An arm without a probe, and a run that never loaded, leave nulls and no NaN."""
    found = summary(build_run(probe=False, end_s=15.0, status="running"))
    assert found["conclusive"] is False
    assert found["signoff"]["exit_code"] == 4
    assert found["verdicts"][1]["verdict"] == "inconclusive"
    assert found["gates"][0]["measured_raw"] is None
    leaky = found["arms"][0]
    assert leaky["peaks"]["tasks_finished"] is None
    assert (leaky["slopes"], leaky["latency_ms"], leaky["load"]["arrived"]) == ([], None, None)


PUBLISHED = ROOT / "docs" / "summary.schema.json"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(PUBLISHED.read_text()))


def test_the_published_schema_is_of_this_version() -> None:
    """``python -m analysis.report.machine.summary > docs/summary.schema.json`` renews it."""
    published = json.loads(PUBLISHED.read_text())
    assert published == summary_schema()
    meta.validate(published)


@pytest.mark.parametrize(
    "truth",
    [
        {},
        {"incident": False, "roles": ("", "")},
        {"incident": False, "roles": ("before",)},
        {"status": "interrupted", "status_detail": "Ctrl-C", "end_s": 41.0, "probe": False},
        {"status": "running", "end_s": 15.0},
    ],
    ids=["incident", "plain", "one arm", "interrupted", "not yet loaded"],
)
def test_every_summary_is_valid(
    build_run: Build, validator: Draft202012Validator, truth: dict[str, Any]
) -> None:
    """Whatever became of the run, a program finds the keys it was promised, and no others."""
    assert [error.message for error in validator.iter_errors(summary(build_run(**truth)))] == []


def test_the_processes_of_an_arm_are_in_the_summary(
    build_run: Build, validator: Draft202012Validator
) -> None:
    """A row each, also for one that lived too shortly for a rate; of an arm of one process none."""
    run_dir = build_run(incident=False, kill_hour=None)
    assert summary(run_dir)["processes"] == []
    steady = PlantedProcess(noise_bytes=0.0)
    write_processes(run_dir, "leaky", (steady, replace(steady, rss_bytes=500.0), replace(steady, to_s=22.0)))
    found = summary(run_dir)
    assert [(row["arm"], row["pid"], row["growth"]) for row in found["processes"]] == [
        ("leaky", 302, "grows"),
        ("leaky", 100, "does not grow"),
        ("leaky", 303, "undecided"),
    ]
    assert [error.message for error in validator.iter_errors(found)] == []


def test_a_service_that_restarts_all_the_time_makes_no_file_that_is_too_large(
    build_run: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest lives are kept, with their slopes, in their order."""
    run_dir = build_run()
    [first, second] = summary(run_dir)["arms"][0]["lives"]
    monkeypatch.setattr("analysis.report.machine.summary.MOST_LIVES", 1)
    [arm, _] = summary(run_dir)["arms"]
    assert arm["lives"] == [max(first, second, key=lambda life: life["end_s"] - life["start_s"])]
    assert {one["life"] for one in arm["slopes"]} == {arm["lives"][0]["number"]}


def test_another_content_is_not_valid(build_run: Build, validator: Draft202012Validator) -> None:
    """A key that is missing, one too many, a word that is none of the verdicts, and text for a number are seen."""
    good = json.dumps(summary(build_run()))
    changes: tuple[Callable[[dict[str, Any]], object], ...] = (
        lambda content: content.pop("gates"),
        lambda content: content.update(more=1),
        lambda content: content["verdicts"][0].update(verdict="maybe"),
        lambda content: content["arms"][0]["load"].update(planned="many"),
        lambda content: content["verdicts"][0]["signals"][0].pop("oom"),
        lambda content: content.update(summary_version=1),
    )
    for change in changes:
        content = json.loads(good)
        change(content)
        assert not validator.is_valid(content)
