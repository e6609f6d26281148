from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from locust import HttpUser, User, constant, task
from locust.env import Environment
from locust.rpc import Message

from locustfiles.custom.sender import OwnSender
from locustfiles.custom.user import bound_to, past_pause
from locustfiles.messages import BEGIN, HELLO, REPORT, STOP, Begin, Report
from soak.contract import Traffic

URL = "http://127.0.0.1:1"


class Buyer(HttpUser):
    host = "http://production.invalid"
    wait_time = constant(2)
    weight = 4

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)  # type: ignore[no-untyped-call]
        self.seen = environment.host

    @task
    def order(self) -> None:
        """Send nothing here."""


class Wire:
    """Stands for Locust's runner: keeps what the sender says, and hands it what the test says."""

    def __init__(self) -> None:
        self.heard: dict[str, Callable[..., None]] = {}
        self.said: list[tuple[str, Any]] = []
        self.stop_timeouts: list[float] = []

    def register_message(self, name: str, listener: Callable[..., None]) -> None:
        self.heard[name] = listener

    def send_message(self, name: str, data: object) -> None:
        self.said.append((name, data))

    def stop(self) -> None:
        self.stop_timeouts.append(self.environment.stop_timeout)

    environment: Environment

    def say(self, name: str, data: object) -> None:
        self.heard[name](environment=None, msg=Message(name, data, "master"))

    def reports(self) -> list[Report]:
        return [Report.unpack(data) for name, data in self.said if name == REPORT]


@pytest.fixture
def environment() -> Environment:
    """Return the environment of an arm's process with one class of users."""
    made = Environment(user_classes=[Buyer])
    wire = Wire()
    wire.environment = made
    made.runner = wire  # type: ignore[assignment]
    return made


def _fire(environment: Environment, took_ms: float, error: Exception | None = None) -> None:
    environment.events.request.fire(
        request_type="GET", name="/", response_time=took_ms, response_length=0, exception=error, response=None
    )


def test_requests_are_counted_while_the_load_is_on(
    environment: Environment, make_traffic: Callable[..., Traffic]
) -> None:
    """What ends in the load is sent, answered and timed once; before and after nothing counts; then users stop."""
    traffic = make_traffic(warmup_s=0.1, load_s=0.2, network_timeout_s=3.0)
    OwnSender(traffic, "fixed", lambda: time.monotonic() + 5e6).register(environment)
    wire = environment.runner
    assert isinstance(wire, Wire)
    _fire(environment, 5)
    wire.say(BEGIN, Begin(7, 40.0, 0.0, 1, 2).pack())
    gevent.sleep(0)
    _fire(environment, 12.5)
    _fire(environment, 20, ConnectionResetError())
    with gevent.Timeout(5):
        while not (wire.reports() and wire.reports()[-1].last):
            gevent.sleep(0.01)
    _fire(environment, 5)
    assert wire.said[0][0] == HELLO
    (report,) = wire.reports()
    (counted,) = report.arms.values()
    assert (list(report.arms), report.second) == (["fixed"], 40)
    assert (counted.sent, counted.ok, counted.missed, dict(counted.failed)) == (2, 1, 0, {"reset": 1})
    assert counted.timings.latency.get_total_count() == counted.timings.service.get_total_count() == 2
    assert counted.timings.service.get_max_value() == pytest.approx(20_000, rel=0.01)
    assert wire.stop_timeouts == [3.0]
    assert environment.stop_timeout == 0


def test_a_reset_of_locusts_statistics_loses_no_request(
    environment: Environment, make_traffic: Callable[..., Traffic]
) -> None:
    """What was counted before Reset in the web UI is reported all the same."""
    OwnSender(make_traffic(warmup_s=0.1, load_s=0.2), "fixed", lambda: time.monotonic() + 5e6).register(
        environment
    )
    wire = environment.runner
    assert isinstance(wire, Wire)
    wire.say(BEGIN, Begin(7, 40.0, 0.0, 1, 2).pack())
    gevent.sleep(0)
    _fire(environment, 12.5)
    environment.events.reset_stats.fire()
    environment.stats.reset_all()
    _fire(environment, 20)
    with gevent.Timeout(5):
        while not (wire.reports() and wire.reports()[-1].last):
            gevent.sleep(0.01)
    assert sum(report.arms["fixed"].ok for report in wire.reports()) == 2


def test_a_stop_ends_it_early(environment: Environment, make_traffic: Callable[..., Traffic]) -> None:
    """A load of hours is over when it is stopped."""
    OwnSender(make_traffic(load_s=9000.0), "leaky").register(environment)
    wire = environment.runner
    assert isinstance(wire, Wire)
    wire.say(BEGIN, Begin(7, 40.0, 0.0, 0, 1).pack())
    wire.say(STOP, {"end_s": 40.05})
    with gevent.Timeout(5):
        while not wire.reports():
            gevent.sleep(0.01)
    assert wire.reports()[-1].last


def test_users_are_bound_to_the_arm(environment: Environment) -> None:
    """Whatever host the file, the start form or an earlier load gave, users go to the arm, unchanged otherwise."""
    bound = bound_to(URL, Buyer, None)
    environment.host = "http://form.invalid"
    bound.host = "http://form.invalid"
    user = bound(environment)
    assert (user.host, environment.host) == (URL, URL)
    assert isinstance(user, Buyer)
    assert user.client.base_url == URL
    assert user.seen == URL
    assert (bound.__name__, bound.weight, bound.tasks) == ("Buyer", 4, Buyer.tasks)
    assert user.wait_time() == 2


def test_users_wait_out_a_pause(environment: Environment) -> None:
    """The wait between two tasks goes through the pauses; users who have none of their own are left alone."""

    class Waitless(User):
        wait_time = None  # type: ignore[assignment]

    assert bound_to(URL, Buyer, lambda wait_s: wait_s + 1)(environment).wait_time() == 3
    assert bound_to(URL, Waitless, lambda wait_s: wait_s + 1)(environment).wait_time is None


@pytest.mark.parametrize(
    ("offset_s", "wait_s", "waits_s"),
    [
        (0, 1, 1),
        (7, 1.9, 1.9),
        (7, 2, 3),
        (7, 2.5, 3.5),
        (7, 3, 3),
        (9.5, 0, 1),
        (28, 1.5, 2.5),
        (28, 12, 12),
    ],
)
def test_pauses(make_traffic: Callable[..., Traffic], offset_s: float, wait_s: float, waits_s: float) -> None:
    """A wait that would end in a pause ends as much later as the pause is long; after the load there is none."""
    traffic = make_traffic(quiesce_every_s=10.0, quiesce_pause_s=1.0)
    assert past_pause(traffic, offset_s, wait_s) == waits_s


def test_no_pauses(make_traffic: Callable[..., Traffic]) -> None:
    """Without pauses every wait stays."""
    assert past_pause(make_traffic(), 9.5, 0.2) == 0.2
