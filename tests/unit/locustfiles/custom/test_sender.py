from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from locust import HttpUser, User, constant, task
from locust.env import Environment

from locustfiles.custom.sender import CustomSender
from locustfiles.custom.user import bound_to, past_pause
from locustfiles.messages import Begin
from locustfiles.worker.reporter import MasterClock
from tests.support.locust_wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak.contract import Traffic
    from tests.unit.locustfiles.conftest import ScriptedClock

URL = "http://127.0.0.1:1"
BEGIN_AT_40 = Begin(7, 40.0, 0.0, 1, 2)


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


class Rehearsal:
    """A custom sender of one arm; at scripted times its users' requests end, or it is stopped."""

    def __init__(self, traffic: Traffic, clock: ScriptedClock) -> None:
        clock.t_s = 40.0
        self.clock = clock
        self.wire = Wire(Environment(user_classes=[Buyer]))
        self.script: list[tuple[float, Callable[[], None]]] = []
        """Times (``t_s``) and what happens then, in order."""
        self.sender = CustomSender(traffic, "fixed", MasterClock(clock.now), self.sleep)
        self.sender.register(self.wire.process)

    def sleep(self, seconds: float) -> None:
        self.clock.t_s += seconds
        while self.script and self.script[0][0] <= self.clock.t_s:
            self.script.pop(0)[1]()

    def drive(self) -> None:
        self.sender.prepare(BEGIN_AT_40)
        self.sender.drive(BEGIN_AT_40)

    def request(self, took_ms: float, error: Exception | None = None) -> None:
        """Let a request of a user end."""
        self.wire.environment.events.request.fire(
            request_type="GET",
            name="/",
            response_time=took_ms,
            response_length=0,
            exception=error,
            response=None,
        )


@pytest.fixture
def rehearsal(make_traffic: Callable[..., Traffic], clock: ScriptedClock) -> Rehearsal:
    """Return a rehearsal of a load of 0.6 s."""
    return Rehearsal(make_traffic(warmup_s=0.2, load_s=0.4, network_timeout_s=3.0), clock)


@pytest.fixture
def environment() -> Environment:
    """Return an environment with one class of users."""
    return Environment(user_classes=[Buyer])


def test_requests_are_counted_while_the_load_is_on(rehearsal: Rehearsal) -> None:
    """A request that ends in the load is sent, answered and timed once; others are not counted; then users stop."""
    rehearsal.request(5)
    rehearsal.script = [
        (40.1, lambda: rehearsal.request(12.5)),
        (40.2, lambda: rehearsal.request(20, ConnectionResetError())),
    ]
    rehearsal.drive()
    rehearsal.sender.give_up()
    rehearsal.request(5)
    (counted,) = rehearsal.sender.take(40).values()
    assert (counted.sent, counted.ok, counted.missed, dict(counted.failed)) == (2, 1, 0, {"reset": 1})
    assert counted.timings.latency.get_total_count() == counted.timings.service.get_total_count() == 2
    assert counted.timings.service.get_max_value() == pytest.approx(20_000, rel=0.01)
    assert rehearsal.wire.stop_timeouts == [3.0]
    assert rehearsal.wire.environment.stop_timeout == 0


def test_a_reset_of_locusts_statistics_loses_no_request(rehearsal: Rehearsal) -> None:
    """Requests counted before Reset in the web UI are reported all the same."""
    environment = rehearsal.wire.environment

    def reset() -> None:
        environment.events.reset_stats.fire()
        environment.stats.reset_all()

    rehearsal.script = [
        (40.1, lambda: rehearsal.request(12.5)),
        (40.2, reset),
        (40.3, lambda: rehearsal.request(20)),
    ]
    rehearsal.drive()
    assert rehearsal.sender.take(40)["fixed"].ok == 2


def test_a_stop_ends_it_early(rehearsal: Rehearsal, clock: ScriptedClock) -> None:
    """A load is over when it is stopped."""
    rehearsal.script = [(40.1, lambda: rehearsal.sender.stop_at(40.25))]
    rehearsal.drive()
    assert clock.t_s == pytest.approx(40.25)


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
