from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from locust.env import Environment
from locust.rpc import Message

from locustfiles.messages import BEGIN, HELLO, REFUSED, REPORT, STOP, Begin, Report, fingerprint
from locustfiles.schedule.arrivals import schedule
from locustfiles.worker.sender import Sender
from soak.contract import Traffic

OTHER_CLOCK_S = 5e6
"""How much the sender's monotonic clock is ahead of the recorder's."""


class Wire:
    """Stands for Locust's runner: keeps what the sender says, and hands it what the test says."""

    def __init__(self) -> None:
        self.heard: dict[str, Callable[..., None]] = {}
        self.said: list[tuple[str, Any]] = []
        self.quitted = False

    def register_message(self, name: str, listener: Callable[..., None]) -> None:
        self.heard[name] = listener

    def send_message(self, name: str, data: object) -> None:
        self.said.append((name, data))

    def quit(self) -> None:
        self.quitted = True

    def say(self, name: str, data: object) -> None:
        self.heard[name](environment=None, msg=Message(name, data, "master"))

    @property
    def reports(self) -> list[Report]:
        return [Report.unpack(data) for name, data in self.said if name == REPORT]

    def await_last_report(self) -> list[Report]:
        with gevent.Timeout(10):
            while not (self.said[-1][0] == REPORT and self.said[-1][1]["last"]):
                gevent.sleep(0.01)
        return self.reports


@pytest.fixture
def traffic(make_traffic: Callable[..., Traffic]) -> Traffic:
    """Return a load of 44 requests in 0.6 s."""
    return make_traffic(warmup_s=0.2, warmup_rps=20.0, load_s=0.4, rate_rps=100.0, max_lateness_s=0.1)


@pytest.fixture
def environment() -> Environment:
    """Return Locust's environment of a process that sends."""
    made = Environment()
    made.runner = Wire()  # type: ignore[assignment]
    return made


@pytest.fixture
def sender(environment: Environment, traffic: Traffic) -> Sender:
    """Return a sender whose arms have no users: it misses every request that it offers."""
    made = Sender(traffic, lambda: time.monotonic() + OTHER_CLOCK_S)
    made.register(environment)
    return made


@pytest.fixture
def wire(environment: Environment, sender: Sender) -> Wire:  # noqa: ARG001  # the sender is at its other end
    """Return the wire of the sender."""
    made = environment.runner
    assert isinstance(made, Wire)
    return made


def _begin(wire: Wire, start_s: float = 40.0, in_s: float = -0.6, share: int = 0, shares: int = 1) -> None:
    """Begin a load that should have run by now: all of it is offered at once."""
    wire.say(BEGIN, Begin(7, start_s, in_s, share, shares).pack())


def _missed(reports: list[Report], arm: str = "leaky") -> int:
    return sum(report.arms[arm].missed for report in reports if report.arms)


def test_hello(wire: Wire, traffic: Traffic) -> None:
    """A sender that is there says which plan it has."""
    assert wire.said == [(HELLO, {"fingerprint": fingerprint(traffic)})]


@pytest.mark.parametrize("share", [0, 1, 2])
def test_its_share_is_every_third_request(wire: Wire, traffic: Traffic, share: int) -> None:
    """With three senders each one offers the requests of its own remainder, to every arm."""
    _begin(wire, share=share, shares=3)
    reports = wire.await_last_report()
    expected = len(list(schedule(traffic, 40.0))[share::3])
    assert [_missed(reports, arm) for arm in traffic.arms] == [expected, expected]


def test_its_clock_is_set_by_the_begin(wire: Wire) -> None:
    """Whatever its own clock says, it reports the recorder's seconds, in order and none left out."""
    _begin(wire, start_s=40.9, in_s=0.0)
    reports = wire.await_last_report()
    assert [report.second for report in reports] == [40, 41]
    assert [report.last for report in reports] == [False, True]
    assert _missed(reports) == 44


def test_a_stop_before_the_start(wire: Wire) -> None:
    """A load that is stopped before its start is over with one report, of no second."""
    _begin(wire, start_s=40.0, in_s=2.0)
    wire.say(STOP, {"end_s": 38.1})
    (report,) = wire.await_last_report()
    assert (report.second, report.arms) == (40, {})


def test_a_stop_in_the_middle(wire: Wire, traffic: Traffic) -> None:
    """What is planned from the stop on is not offered."""
    _begin(wire)
    wire.say(STOP, {"end_s": 40.35})
    reports = wire.await_last_report()
    assert _missed(reports) == sum(request.planned_s < 40.35 for request in schedule(traffic, 40.0))


def test_a_stop_without_a_load(wire: Wire) -> None:
    """There is nothing to stop."""
    wire.say(STOP, {"end_s": 3.0})
    assert wire.reports == []


def test_one_load_after_the_other(wire: Wire) -> None:
    """A second load is reported from its own first second on."""
    _begin(wire)
    wire.await_last_report()
    wire.said.clear()
    _begin(wire, start_s=60.0)
    wire.said.append(("", None))
    assert [report.second for report in wire.await_last_report()] == [60]


def test_close_reports_up_to_now(wire: Wire, sender: Sender) -> None:
    """A worker that is ended in the middle reports what it did, but not that its share is over. Once."""
    _begin(wire, in_s=0.0)
    with gevent.Timeout(5):
        while not len(sender._queues["fixed"]):
            gevent.sleep(0.01)
    sender.close()
    sender.close()
    (report,) = wire.reports
    assert not report.last
    assert 0 < report.arms["leaky"].missed < 44


def test_refused(wire: Wire, environment: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker that gets no share says why and quits with the exit code of bad usage."""
    wire.say(REFUSED, {"reason": "worker one gets no share of the load: it is late"})
    gevent.sleep(0)
    assert capsys.readouterr().err == "worker one gets no share of the load: it is late\n"
    assert (environment.process_exit_code, wire.quitted) == (2, True)
