"""The verdict so far: written by the judge, read by the run, and neither depends on the other."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from soak.contract import ArmLive, Live, ProcessLive, certain_failure, read_live

LIVE = Live(
    updated_t_s=61.5,
    arms={
        "leaky": ArmLive("leak", "it grows", rate_per_s=2000.0, rate_per_request=17400.0, low=1900.0, high=2100.0,
                         oom_low_s=500.0, oom_high_s=900.0, signals={"rss_bytes": "leak"},
                         processes=(ProcessLive(2, "grows", 2000.0, 17400.0), ProcessLive(1, "x"))),
        "fixed": ArmLive("no_leak", "it does not grow"),
    },
)  # fmt: skip


def test_the_verdict_so_far_survives_its_file(tmp_path: Path) -> None:
    """What the judge writes is what the run reads."""
    path = tmp_path / "live.json"
    path.write_text(LIVE.to_json())
    assert read_live(path) == LIVE


def test_a_time_to_oom_without_end_is_null() -> None:
    """JSON has no infinity and no NaN; readers that are not ours would refuse the file."""
    process = ProcessLive(1, "undecided", rate_per_s=math.inf)
    live = Live(1.0, {"app": ArmLive("leak", "so", low=math.nan, oom_high_s=math.inf, processes=(process,))})
    text = live.to_json()

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    arm = json.loads(text, parse_constant=refuse)["arms"]["app"]
    assert (arm["low"], arm["oom_high_s"], arm["processes"][0]["rate_per_s"]) == (None, None, None)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "{}", '{"schema_version": 99, "updated_t_s": 1, "arms": {}}',
     '{"schema_version": 2, "updated_t_s": null, "arms": {}}', '{"schema_version": 2, "updated_t_s": 1, "arms": []}',
     '{"schema_version": 2, "updated_t_s": 1, "arms": {"app": {"verdict": "leak"}}}',
     '{"schema_version": 2, "updated_t_s": 1, "arms": {"app": {"verdict": "leak", "reason": "", "mood": 1}}}',
     '{"schema_version": 2, "updated_t_s": 1, "arms": {"app": {"verdict": "leak", "reason": "", "processes": [{}]}}}',
     '{"schema_version": 2, "updated_t_s": 1, "arms": {"app": {"verdict": "leak", "reason": "", "processes": 3}}}'],
)  # fmt: skip
def test_a_file_that_is_no_verdict_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    """The run goes on without a judge, also beside one that writes nonsense."""
    path = tmp_path / "live.json"
    assert read_live(path) is None
    path.write_text(text)
    assert read_live(path) is None


def test_only_a_certain_failure_of_the_arm_that_is_asked_for_counts() -> None:
    """The control is there to fail."""
    failed = ArmLive("leak", "live bytes grow by 17,400 B per request", certain_fail=True)
    assert certain_failure(None, "fixed") is None
    assert certain_failure(LIVE, "fixed") is None
    assert certain_failure(Live(1.0, {"leaky": failed}), "fixed") is None
    assert certain_failure(Live(1.0, {"fixed": failed}), "fixed") == (
        "a gate of fixed is certain to fail: live bytes grow by 17,400 B per request"
    )
