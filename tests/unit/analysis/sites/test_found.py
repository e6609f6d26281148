from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.recording.read import read_recording
from analysis.sites.found import ArmSites, arm_sites, together
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
    assert ArmSites("a", "done", "", 1.0, 2, (), (), 100.0).explained_share is None
