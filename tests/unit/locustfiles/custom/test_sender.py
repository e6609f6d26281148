from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from locust import User, task
from locust.env import Environment
from locust.exception import RescheduleTask, StopUser

from locustfiles.custom.sender import CustomSender
from locustfiles.messages import Begin
from locustfiles.worker.reporter import MasterClock
from tests.support.locust_wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak.contract import Traffic
    from tests.unit.locustfiles.conftest import ScriptedClock

BEGIN_AT_40 = Begin(7, 40.0, 0.0, 1, 2)


class Visitor(User):
    @task
    def visit(self) -> None:
        """Send nothing here."""


class Rehearsal:
    """A custom sender of one arm; at scripted times its users' requests end, or it is stopped."""

    def __init__(self, traffic: Traffic, clock: ScriptedClock) -> None:
        clock.t_s = 40.0
        self.clock = clock
        self.wire = Wire(Environment(user_classes=[Visitor]))
        self.heard: list[object] = []
        """The errors that a listener of the team has heard; each ends the user's task."""
        self.wire.environment.events.request.add_listener(self.hear)
        self.script: list[tuple[float, Callable[[], None]]] = []
        """Times (``t_s``) and what happens then, in order."""
        self.sender = CustomSender(traffic, "fixed", MasterClock(clock.now), self.sleep)
        self.sender.register(self.wire.process)

    def hear(self, exception: object, **_: object) -> None:
        self.heard.append(exception)
        if isinstance(exception, StopUser | RescheduleTask):
            raise exception

    def sleep(self, seconds: float) -> None:
        self.clock.t_s += seconds
        while self.script and self.script[0][0] <= self.clock.t_s:
            self.script.pop(0)[1]()

    def drive(self) -> None:
        self.sender.prepare(BEGIN_AT_40)
        self.sender.drive(BEGIN_AT_40)

    def request(self, took_ms: float, error: object = None) -> None:
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


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        ("it did not connect", (1, 0, {"other": 1})),
        (7, (1, 0, {"other": 1})),
        ("", (1, 1, {})),
        (0, (1, 1, {})),
    ],
)
@pytest.mark.parametrize("took_ms", [5, math.inf])
def test_each_request_ends_well_or_not(
    rehearsal: Rehearsal, error: object, took_ms: float, counts: tuple[int, int, dict[str, int]]
) -> None:
    """Whatever a client gives as its error and its time, a request that is sent has failed where Locust says so."""
    rehearsal.script = [(40.1, lambda: rehearsal.request(took_ms, error))]
    rehearsal.drive()
    (counted,) = rehearsal.sender.take(40).values()
    assert (counted.sent, counted.ok, dict(counted.failed)) == counts
    assert counted.timings.service.get_total_count() == 1


@pytest.mark.parametrize("error", [StopUser(), RescheduleTask()])
def test_a_failure_that_ends_the_users_task_is_counted(rehearsal: Rehearsal, error: Exception) -> None:
    """A listener of the team may end the task by it, which ends the event: the team's own are called after ours."""

    def fail() -> None:
        with pytest.raises(type(error)):
            rehearsal.request(5, error)

    rehearsal.script = [(40.1, lambda: rehearsal.request(5)), (40.2, fail)]
    rehearsal.drive()
    (counted,) = rehearsal.sender.take(40).values()
    assert (counted.sent, counted.ok, dict(counted.failed)) == (2, 1, {"other": 1})
    assert rehearsal.heard == [None, error]


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


def test_its_users_go_to_the_arm(rehearsal: Rehearsal) -> None:
    """Locust's users of this process, and its start form, have the arm's URL as their host."""
    environment = rehearsal.wire.environment
    (users,) = environment.user_classes
    assert issubclass(users, Visitor)
    assert users.host == environment.host == "http://127.0.0.1:2"


def test_a_stop_ends_it_early(rehearsal: Rehearsal, clock: ScriptedClock) -> None:
    """A load is over when it is stopped."""
    rehearsal.script = [(40.1, lambda: rehearsal.sender.stop_at(40.25))]
    rehearsal.drive()
    assert clock.t_s == pytest.approx(40.25)
