from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import gevent
import pytest
from gevent.event import Event
from locust.env import Environment

from locustfiles.counts import Second
from locustfiles.messages import BEGIN, HELLO, REFUSED, STOP, Begin, fingerprint
from locustfiles.worker.reporter import MasterClock, Reporter
from tests.support.locust_wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak.contract import Traffic
    from tests.unit.locustfiles.conftest import ScriptedClock

OTHER_CLOCK_S = 5e6
"""Reading of the worker's monotonic clock when the test begins, seconds."""


class Driver:
    """A load that is driven until the test ends it; each second it sends one request to one arm."""

    def __init__(self) -> None:
        self.over = Event()
        self.calls: list[object] = []
        self.error: Exception | None = None

    def prepare(self, begin: Begin) -> None:
        self.calls.append(("prepare", begin.start_s))
        self.over.clear()

    def drive(self, begin: Begin) -> None:
        self.calls.append(("drive", begin.start_s))
        self.over.wait()
        if self.error:
            raise self.error

    def stop_at(self, end_s: float) -> None:
        self.calls.append(("stop_at", end_s))

    def give_up(self) -> None:
        self.calls.append("give_up")

    def take(self, second: int) -> dict[str, Second]:  # noqa: ARG002 - all are alike
        return {"leaky": Second(sent=1)}


class Worker:
    """A reporter, its driver, and the wire to the master; time passes when the test lets it."""

    def __init__(self, traffic: Traffic, clock: ScriptedClock) -> None:
        clock.t_s = OTHER_CLOCK_S
        self.clock = clock
        self.driver = Driver()
        self.wire = Wire(Environment())
        self.reporter = Reporter(traffic, self.driver, MasterClock(clock.now), check_every_s=0)
        self.reporter.register(self.wire.process)

    def begin(self, start_s: float, in_s: float = 0.0) -> None:
        self.wire.receive(BEGIN, asdict(Begin(7, start_s, in_s, 0, 1)))
        self.turn()

    def advance(self, seconds: float) -> None:
        self.clock.t_s += seconds
        self.turn()

    def end(self) -> None:
        self.driver.over.set()
        self.turn()

    def turn(self) -> None:
        """Let every greenlet have its turns."""
        for _ in range(3):
            gevent.sleep(1e-4)  # gevent runs timers that are due only when its loop goes round

    def reported(self) -> list[tuple[int, bool]]:
        return [(report.second, report.last) for report in self.wire.reports]


@pytest.fixture
def worker(make_traffic: Callable[..., Traffic], clock: ScriptedClock) -> Worker:
    """Return a worker that is registered."""
    return Worker(make_traffic(), clock)


def test_hello(worker: Worker, make_traffic: Callable[..., Traffic]) -> None:
    """A worker announces itself with the fingerprint of its plan."""
    assert worker.wire.sent == [(HELLO, {"fingerprint": fingerprint(make_traffic())})]


def test_seconds_are_reported_when_they_are_over(worker: Worker) -> None:
    """Whatever the worker's own clock reads, it reports the master's seconds, in order and none left out."""
    worker.begin(40.9)
    assert worker.reported() == []
    worker.advance(0.2)
    assert worker.reported() == [(40, False)]
    worker.advance(2.0)
    assert worker.reported() == [(40, False), (41, False), (42, False)]
    worker.end()
    assert worker.reported()[3:] == [(43, True)]
    assert worker.driver.calls == [("prepare", 40.9), ("drive", 40.9), "give_up"]
    assert all(report.arms["leaky"].sent == 1 for report in worker.wire.reports)


def test_the_begin_may_lie_in_the_past(worker: Worker) -> None:
    """``in_s`` below zero: the load began before this worker was reached."""
    worker.begin(40.0, in_s=-1.5)
    assert worker.reported() == [(40, False)]
    worker.end()
    assert worker.reported()[1:] == [(41, True)]


def test_a_stop_before_the_start(worker: Worker) -> None:
    """A load that is stopped before its start is over with one report, of no counts."""
    worker.begin(40.0, in_s=2.0)
    worker.wire.receive(STOP, {"end_s": 38.1})
    assert worker.driver.calls[-1] == ("stop_at", 38.1)
    worker.end()
    (report,) = worker.wire.reports
    assert (report.second, report.arms, report.last) == (40, {}, True)


def test_a_stop_without_a_load(worker: Worker) -> None:
    """There is nothing to stop."""
    worker.wire.receive(STOP, {"end_s": 3.0})
    assert (worker.driver.calls, worker.reported()) == ([], [])


def test_one_load_after_the_other(worker: Worker) -> None:
    """A second load is reported from its own first second on."""
    worker.begin(40.0)
    worker.end()
    worker.begin(60.0)
    worker.end()
    assert worker.reported() == [(40, True), (60, True)]


def test_a_load_that_was_never_ended(worker: Worker) -> None:
    """A worker that was cut off in a load gives it up when the next one begins."""
    worker.begin(40.0)
    worker.begin(60.0)
    assert worker.reported() == [(40, False)]
    worker.end()
    assert worker.reported()[1:] == [(60, True)]


def test_close_reports_up_to_now(worker: Worker) -> None:
    """A worker that is ended in the middle reports its counts, but not that its share is over. Once."""
    worker.begin(40.0)
    worker.clock.t_s += 0.5
    worker.reporter.close()
    worker.reporter.close()
    assert worker.reported() == [(40, False)]
    assert worker.driver.calls[-1] == "give_up"


def test_refused(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker that gets no share prints why, and quits with the exit code of bad usage."""
    worker.wire.receive(REFUSED, {"reason": "worker one gets no share of the load: it is late"})
    worker.turn()
    assert capsys.readouterr().err == "worker one gets no share of the load: it is late\n"
    assert (worker.wire.environment.process_exit_code, worker.wire.quitted) == (2, True)


def test_a_fault_of_the_driver(worker: Worker, capsys: pytest.CaptureFixture[str]) -> None:
    """A load that cannot go on ends the process with exit code 1; its share is not reported as over."""
    worker.driver.error = RuntimeError("no more")
    worker.begin(40.0)
    worker.end()
    assert "RuntimeError: no more" in capsys.readouterr().err
    assert (worker.wire.environment.process_exit_code, worker.wire.quitted) == (1, True)
    assert not any(last for _, last in worker.reported())
