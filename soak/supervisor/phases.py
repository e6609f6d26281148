"""The script of a run: which phases follow each other, and when."""

from __future__ import annotations

import math

from soak.contract import DRAIN, IDLE, LOAD, LOAD_BEGAN, LOAD_ENDED, WARMUP
from soak.supervisor.ending import StopRequestedError
from soak.supervisor.run import Run

CENSUS_LEAD_S = 1.0
"""Time from the idle census to the load, seconds."""

LINE_EVERY_S = 0.1
"""Time between two looks for a line of Locust's, seconds."""


def timed(run: Run) -> None:
    """Go through the phases by the profile's own lengths."""
    phases = run.profile.phases
    start_s = math.ceil(run.clock.now_s() + phases.idle_s)  # rows of the load are whole seconds
    load_s = start_s + phases.warmup_s
    drain_s = load_s + phases.load_s
    run.expect(load_ends_s=drain_s, ends_s=drain_s + phases.drain_s + phases.quiesce_s)
    run.send_to_locust(f"start {start_s}")
    run.begin_sampling()
    run.begin(IDLE)
    run.wait_until(start_s - CENSUS_LEAD_S)
    run.order_census()
    run.wait_until(start_s)
    run.take_points(start_s)
    run.begin(WARMUP)
    run.wait_until(load_s)
    run.begin(LOAD)
    if reason := run.wait_for_load(drain_s):
        run.stop_load(reason)
        drain_s = run.clock.now_s()
        run.expect(load_ends_s=drain_s, ends_s=drain_s + phases.drain_s + phases.quiesce_s)
    run.begin(DRAIN)
    run.wait_until(drain_s + phases.drain_s)
    run.quiesce()
    run.wait_until(drain_s + phases.drain_s + phases.quiesce_s)


def led_by_ui(run: Run) -> None:
    """Let Start and Stop in Locust's web UI begin and end the load, with a report after each; Ctrl-C ends the run."""
    run.print_line(
        f"Locust's web UI: {run.web_url} - Start begins the load, Stop ends it and makes the report, Ctrl-C ends."
    )
    run.print_line(f"Memory and verdict, live: {run.web_url}/soak")
    run.begin_sampling()
    reports = 0
    while True:
        run.begin(IDLE)
        run.send_to_locust("idle")  # a Start that came meanwhile has waited for this
        if not reports:
            run.order_census()
        try:
            began = _wait_for_line(run, LOAD_BEGAN) or ""
        except StopRequestedError:
            if reports:
                return
            raise
        start_s, load_s = (float(t_s) for t_s in began.split())
        run.wait_until(start_s)
        run.take_points(start_s)
        run.begin(WARMUP)
        if _wait_for_line(run, LOAD_ENDED, until_s=load_s) is None:
            run.begin(LOAD)
            _wait_for_line(run, LOAD_ENDED)
        run.begin(DRAIN)
        run.wait(run.profile.phases.drain_s)
        run.quiesce()
        try:
            run.make_report()
        except StopRequestedError:
            return  # the load is whole, and its report is made once more at the end
        reports += 1


def _wait_for_line(run: Run, beginning: str, until_s: float = math.inf) -> str | None:
    """Wait for a line of Locust's and return the rest of it; None when it has not come until then."""
    while run.clock.now_s() < until_s:
        if (rest := run.next_locust_line(beginning)) is not None:
            return rest
        run.wait(LINE_EVERY_S)
    return None
