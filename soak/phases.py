"""The script of a run: which phases follow each other, and when."""

from __future__ import annotations

import math

from soak.contract import DRAIN, IDLE, LOAD, WARMUP
from soak.run import Run

CENSUS_LEAD_S = 1.0
"""The idle census is taken this long before the load begins."""


def timed(run: Run) -> None:
    """Go through the phases by the profile's own lengths."""
    phases = run.profile.phases
    start_s = math.ceil(run.clock.t() + phases.idle_s)  # rows of the load are whole seconds
    load_s = start_s + phases.warmup_s
    drain_s = load_s + phases.load_s
    quiesce_s = drain_s + phases.drain_s
    end_s = quiesce_s + phases.quiesce_s
    run.expect_end(end_s)
    run.tell_locust(f"start {start_s}")
    run.begin_sampling()
    run.begin(IDLE)
    run.wait_until(start_s - CENSUS_LEAD_S)
    run.take_census()
    run.wait_until(start_s)
    for phase, until_s in ((WARMUP, load_s), (LOAD, drain_s), (DRAIN, quiesce_s)):
        run.begin(phase)
        run.wait_until(until_s)
    run.quiesce()
    run.wait_until(end_s)
