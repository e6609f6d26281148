from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Rate
from analysis.recording.read import read_recording
from analysis.sites.found import ArmSites, arm_sites, together, why_no_leak
from analysis.verdict.run import judged_run
from tests.support.planted_replay import SITE, add_replay, write_sites

Build = Callable[..., Path]
TABLE = replace(SITE, rank=9, your_line="app.py:9", low=None, high=None, bytes_per_request=346.0, share=0.02)


def test_the_parts_of_a_task_are_one_line() -> None:
    """A task of 30 lines is named with their sums; what is of no task stays as it is."""
    part = replace(
        SITE, task="run_server (mcp/server.py)", low=100.0, high=120.0, bytes_per_request=110.0, share=0.1
    )
    one, other = together((*(replace(part, rank=rank) for rank in range(5)), TABLE))
    assert (one.your_line, other.your_line) == ("task run_server (mcp/server.py)", TABLE.your_line)
    assert (one.bytes_per_request, one.low, one.high, one.share) == pytest.approx((550.0, 500.0, 600.0, 0.5))
    assert one.in_line == "5 lines, most at gateway/app.py:130"


@pytest.mark.usefixtures("planted_verdicts")
def test_what_was_found_stands_beside_the_leak(build_run: Build) -> None:
    """Of an arm with a replay, also of one without a recorded end; the share is of the pass that explains most."""
    run_dir = build_run(incident=False)

    def found() -> tuple[ArmSites, ...]:
        recording = read_recording(run_dir)
        return arm_sites(recording, judged_run(recording).verdicts)

    assert found() == ()
    write_sites(run_dir / "leaky", [SITE, replace(SITE, of_pass="native", bytes_per_request=100.0)])
    (leaky,) = found()
    assert (leaky.status, leaky.reason) == ("interrupted", "its end was not recorded")
    add_replay(run_dir, "leaky")
    (leaky,) = found()
    assert (leaky.status, leaky.requests) == ("done", 4_800)
    assert leaky.leak is not None
    assert leaky.explained_share == pytest.approx(15_176.0 / leaky.leak)
    assert not leaky.no_leak
    assert ArmSites("a", "done", "", 1.0, 2, (), (), 100.0).explained_share is None


@pytest.mark.usefixtures("planted_verdicts")
def test_a_line_is_a_part_of_a_leak_that_was_measured(build_run: Build) -> None:
    """None of an arm that is NO LEAK or whose growth includes 0; one that may leak, or a signal of which does, has."""
    recording = read_recording(build_run(incident=False))
    verdicts = {one.arm: one for one in judged_run(recording).verdicts}
    leaky, fixed = verdicts["leaky"], verdicts["fixed"]
    assert (leaky.verdict, fixed.verdict) == (LEAK, NO_LEAK)
    assert why_no_leak(leaky) == ""
    assert "the run has no leak" in why_no_leak(fixed)
    assert fixed.leading is not None
    wide = replace(fixed.leading.judgement, per_s=Rate(500.0, -152.0, 1_222.0))
    open_one = replace(fixed, verdict=INCONCLUSIVE, leading=replace(fixed.leading, judgement=wide))
    assert "includes 0" in why_no_leak(open_one)
    assert why_no_leak(replace(open_one, signals=leaky.signals)) == ""
    assert why_no_leak(replace(leaky, verdict=INCONCLUSIVE)) == ""
    assert why_no_leak(replace(fixed, verdict=INCONCLUSIVE, leading=None, signals=())) == ""
