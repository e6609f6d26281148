from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.machine.summary import summary_json

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
    assert (found["summary_version"], found["schema_version"], found["run_id"]) == (5, 2, "planted")
    assert (found["conclusive"], found["reasons"]) == (True, [])
    assert found["signoff"]["decision"] == "signed"
    assert [(verdict["arm"], verdict["verdict"]) for verdict in found["verdicts"]] == [
        ("leaky", "leak"),
        ("fixed", "no_leak"),
    ]
    assert found["verdicts"][1]["leading_signal"] == "rss_bytes"
    assert [signal["signal"] for signal in found["verdicts"][1]["signals"]] == [
        "live_blocks",
        "malloc_in_use_bytes",
        "rss_bytes",
        "sessions_open",
    ]
    assert [(gate["gate"], gate["measured"]) for gate in found["gates"]] == [("leak", "69 B/request")]
    leaky, fixed = found["arms"]
    assert (leaky["oom_kills"], fixed["oom_kills"]) == (1, 0)
    assert leaky["lives"][0]["ended_by"] == "kernel"
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
