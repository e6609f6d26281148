from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from locust import stats as locust_stats
from locust.env import Environment

from locustfiles.stats_bounds import (
    KEEP_ERRORS,
    KEEP_HISTORY,
    KEEP_NAMES,
    KEEP_S,
    TRIM_EVERY_S,
    bound_statistics,
)

if TYPE_CHECKING:
    from tests.unit.locustfiles.conftest import ScriptedClock

HOURS = 2
RATE = 1


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, clock: ScriptedClock) -> Environment:
    """Return an environment with a local runner; Locust's statistics read the scripted clock."""

    class Time:
        time = staticmethod(clock.now)

    monkeypatch.setattr(locust_stats, "time", Time)
    clock.t_s = 1_720_137_600.0
    made = Environment()
    made.create_local_runner()
    return made


def _run(environment: Environment, clock: ScriptedClock, seconds: int = HOURS * 3600) -> None:
    """Fire the events of a load on two arms: RATE good requests a second, one failure with a text of its own."""
    runner = environment.runner
    assert runner is not None
    for second in range(seconds):
        for arm in ("leaky", "fixed"):
            for failure in (*(None,) * RATE, OSError(f"failure {second}")):
                environment.events.request.fire(
                    request_type="POST",
                    name=arm,
                    response_time=5.0,
                    response_length=10,
                    response=None,
                    context={},
                    exception=failure,
                )
        if second % 5 == 0:
            locust_stats.update_stats_history(runner)
        clock.t_s += 1.0


def _sizes(environment: Environment) -> dict[str, int]:
    stats = environment.stats
    entries = (stats.total, *stats.entries.values())
    return {
        "seconds": max(len(entry.num_reqs_per_sec) for entry in entries),
        "failed seconds": max(len(entry.num_fail_per_sec) for entry in entries),
        "history": len(stats.history),
        "errors": len(stats.errors),
        "response times": max(len(entry.response_times) for entry in entries),
        "cache": max(len(entry.response_times_cache or ()) for entry in entries),
    }


def test_without_bounds_it_grows(environment: Environment, clock: ScriptedClock) -> None:
    """The locked Locust keeps a count for every second, a row for every 5 s and every error text."""
    _run(environment, clock)
    assert _sizes(environment) == {
        "seconds": HOURS * 3600,
        "failed seconds": HOURS * 3600,
        "history": HOURS * 720,
        "errors": 2 * HOURS * 3600,
        "response times": 1,
        "cache": 20,
    }


def test_with_bounds_it_does_not(environment: Environment, clock: ScriptedClock) -> None:
    """All of it is bounded, and Locust's current and total figures are what they are without."""
    bound_statistics(environment, clock.now)
    _run(environment, clock)
    sizes = _sizes(environment)
    assert sizes["seconds"] <= KEEP_S + 11
    assert sizes["failed seconds"] <= KEEP_S + 11
    assert sizes["history"] <= KEEP_HISTORY + 2
    assert sizes["errors"] <= KEEP_ERRORS + 20
    total = environment.stats.total
    assert [bool(entry.response_times_cache) for entry in (total, *environment.stats.entries.values())] == [
        True,
        False,
        False,
    ]
    assert total.current_rps == 2 * (RATE + 1)
    assert total.current_fail_per_sec == 2
    assert total.num_requests == HOURS * 3600 * 2 * (RATE + 1)
    assert total.get_current_response_time_percentile(0.95) == 5


def test_a_step_of_the_wall_clock_frees_no_memory_of_its_bound(
    environment: Environment, clock: ScriptedClock
) -> None:
    """Locust's keys are seconds of the wall clock; set back by a day, they come once more, and in the past."""
    elapsed_s = 0.0
    bound_statistics(environment, lambda: elapsed_s)
    for _ in range(2):
        for _ in range(300):
            _run(environment, clock, seconds=1)
            elapsed_s += 1.0
        clock.t_s -= 86_400.0
    assert _sizes(environment)["seconds"] <= KEEP_S + 11


def test_a_masters_statistics(environment: Environment, clock: ScriptedClock) -> None:
    """On a master, which sees no request but its workers' reports, the same is bounded."""
    locust_stats.setup_distributed_stats_event_listeners(environment.events, environment.stats)
    bound_statistics(environment, clock.now)
    for second in range(600):
        worker = locust_stats.RequestStats()
        worker.log_request("POST", "leaky", 5, 10)
        worker.log_error("POST", "leaky", f"failure {second}")
        report = {
            "stats": worker.serialize_stats(),
            "stats_total": worker.total.get_stripped_report(),
            "errors": worker.serialize_errors(),
        }
        environment.events.worker_report.fire(client_id="worker", data=report)
        clock.t_s += 1.0
    sizes = _sizes(environment)
    assert environment.stats.total.num_requests == 600
    assert sizes["seconds"] <= KEEP_S + 11
    assert sizes["errors"] <= KEEP_ERRORS + 20


def test_names_that_come_once_are_forgotten_and_stay_counted(
    environment: Environment, clock: ScriptedClock
) -> None:
    """A locustfile with an id in each URL has a name for each request; the one that comes again keeps its figures."""
    bound_statistics(environment, clock.now)
    for second in range(2 * KEEP_NAMES):
        for name in ("/login", f"/orders/{second}"):
            environment.events.request.fire(
                request_type="GET",
                name=name,
                response_time=5.0,
                response_length=10,
                exception=None,
                context={},
            )
        clock.t_s += 1.0
    assert len(environment.stats.entries) <= KEEP_NAMES + 2 * TRIM_EVERY_S
    assert environment.stats.entries["/login", "GET"].num_requests == 2 * KEEP_NAMES
    assert environment.stats.total.num_requests == 4 * KEEP_NAMES
