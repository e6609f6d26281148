"""How long a run takes to end after somebody asked for it, in scripted time: seconds, whatever does not answer."""

from __future__ import annotations

import pytest

from soak.sampling.sampler import Sampler
from soak.supervisor.ending import GRACE_S, LOAD_S, NAMING_S, REPEATED_S, REPORT_S, StopRequest
from tests.unit.soak.supervisor.conftest import MakeRun, ScriptedRun

OWN = ("stubs", "judge", "census", "locust")
WITHIN_S = 11.0
"""Time from a signal until everything is down and the report begins, seconds: its 4 s for an hour of load follow."""


def took_s(run: ScriptedRun, asked_s: float, phase: str) -> float:
    """Ask a run for its end and return the seconds until everything was down."""
    run.machine.at(asked_s, lambda: run.stop_request.note("SIGTERM"))
    run.go()
    assert run.manifest["status_detail"] == f"SIGTERM in phase {phase}"
    assert run.machine.running() == []
    return run.machine.now_s - asked_s


@pytest.mark.parametrize(
    ("asked_s", "phase"),
    [(0.2, "start"), (3.0, "idle"), (10.0, "warm-up"), (40.0, "load"), (77.0, "drain"), (82.0, "quiesce")],
)
def test_everything_is_down_in_time_in_every_phase(make_run: MakeRun, asked_s: float, phase: str) -> None:
    """Though nothing at all ends by SIGTERM: not an arm, not the load, not a process of our own."""
    run = make_run("sampling.census_every_s=30")
    run.machine.stubborn = lambda _name: True
    assert took_s(run, asked_s, phase) < WITHIN_S


def test_the_time_to_stop_begins_with_the_signal(make_run: MakeRun) -> None:
    """The load's end takes a part of it; an arm that may take a minute is left a minute, and not much more."""
    run = make_run("arms.new.stop_timeout_s=60")
    run.machine.stubborn = lambda name: name in ("new", "old", *OWN)
    assert took_s(run, 40.0, "load") < 60 + 1
    killed = {name: run.machine.child(name).killed_s for name in ("locust", "old", "new")}
    assert killed == {
        "locust": pytest.approx(40 + LOAD_S, abs=0.2),
        "old": pytest.approx(40 + 10 - REPORT_S, abs=0.2),
        "new": pytest.approx(40 + 60 - REPORT_S, abs=0.2),
    }


def test_each_arm_has_some_time_though_all_others_took_theirs(make_run: MakeRun) -> None:
    """An arm that may take a second to stop has that second after a load that took four."""
    run = make_run("arms.new.stop_timeout_s=1", "arms.old.stop_timeout_s=3")
    run.machine.stubborn = lambda _name: True
    took_s(run, 40.0, "load")
    assert run.machine.child("new").killed_s == pytest.approx(40 + LOAD_S + 1, abs=0.3)
    assert run.machine.child("old").killed_s == pytest.approx(40 + LOAD_S + GRACE_S, abs=0.3)


def test_a_run_that_ends_as_planned_hurries_nobody(make_run: MakeRun) -> None:
    """Until a signal comes while it waits: from then on the time is that after a signal."""
    run = make_run("arms.new.stop_timeout_s=60")
    run.machine.stubborn = lambda name: name == "locust"
    began_s = 7 + 10 + 60 + 4 + 2
    run.machine.at(began_s + 3.0, lambda: run.stop_request.note("SIGINT"))
    run.go()
    assert run.machine.child("locust").killed_s == pytest.approx(began_s + 3 + LOAD_S, abs=0.3)
    assert run.manifest["status"] == "complete"


def test_the_search_for_holders_has_what_time_is_left(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All arms search at the same time; a load that took its whole time leaves two seconds."""
    run = make_run()
    run.machine.stubborn = lambda name: name == "locust"
    patience_s: list[float] = []
    monkeypatch.setattr(
        Sampler, "name_holders", lambda _sampler, _rung, timeout_s: patience_s.append(timeout_s)
    )
    took_s(run, 40.0, "load")
    assert patience_s == [pytest.approx(NAMING_S - LOAD_S, abs=0.2)] * 2


def test_two_signals_at_a_time_are_one_request() -> None:
    """A lost terminal sends two; a person takes longer for the second."""
    now_s = 10.0
    request = StopRequest(lambda: now_s)
    request.note("SIGHUP")
    now_s += REPEATED_S / 2
    request.note("SIGTERM")
    assert (request.signal_name, request.is_repeated) == ("SIGHUP", False)
    now_s += REPEATED_S
    request.note("SIGTERM")
    assert (request.signal_name, request.is_repeated) == ("SIGHUP", True)
