from __future__ import annotations

import io
from collections.abc import Callable

import gevent
import pytest
from locust import User
from locust.env import Environment
from locust.event import EventHook
from locust.exception import StopUser

from locustfiles.custom.replay import StandStill, replay_custom
from locustfiles.replay.gate import Gate
from soak.contract import Traffic
from tests.support.locust_wire import Wire
from tests.unit.locustfiles.conftest import ScriptedClock


@pytest.fixture
def gate(clock: ScriptedClock) -> Gate:
    """Return a gate whose period is under way."""
    made = Gate(clock.now)
    made.open(1000, 0.0)
    return made


@pytest.mark.parametrize(
    ("error", "failed"), [("it did not connect", {"other": 1}), (7, {"other": 1}), ("", {}), (None, {})]
)
def test_each_request_ends(gate: Gate, error: object, failed: dict[str, int]) -> None:
    """Whatever a client gives as its error, the request is sent and has ended, and failed where Locust says so."""
    request = EventHook()
    request.add_listener(StandStill(gate).on_request)
    request.fire(name="/", exception=error)
    assert (gate.names, gate.in_flight, dict(gate.failed)) == ({"/": 1}, 0, failed)


def test_a_user_whose_task_a_listener_ends_stands_still(make_traffic: Callable[..., Traffic]) -> None:
    """A listener of the team that ends the event is called after ours, which waits until requests may be sent."""

    def stop(**_: object) -> None:
        raise StopUser

    wire = Wire(Environment(user_classes=[User]))
    wire.environment.events.request.add_listener(stop)
    replay_custom(wire.process, make_traffic(), "fixed", io.BytesIO())
    user = gevent.spawn(wire.environment.events.request.fire, name="/", exception=None, response_time=1)
    user.join(0.05)
    assert not user.ready()
    user.kill()


class LateError(Exception):
    """What a client raises after its time-out."""


@pytest.mark.parametrize("late", [None, LateError()])
def test_a_time_out_around_a_request_ends_no_pause(gate: Gate, late: Exception | None) -> None:
    """Whether it is our deadline of a FastHttpUser or the team's own, it is raised once requests may be sent."""
    users = StandStill(gate)
    gate.close()

    def send() -> None:
        with gevent.Timeout(0.02, late):
            users.on_request(name="/")

    user = gevent.spawn(send)
    user.join(0.1)
    assert (user.ready(), users.standing) == (False, 1)
    gate.open(1, 0.0)
    user.join(1.0)
    assert isinstance(user.exception, LateError if late else gevent.Timeout)
    assert users.standing == 0


def test_a_user_that_is_stopped_in_a_pause_ends(gate: Gate) -> None:
    """At once, as Locust ends its users."""
    users = StandStill(gate)
    gate.close()
    user = gevent.spawn(users.hold)
    user.join(0.01)
    user.kill(timeout=1.0)
    assert user.ready()
    assert users.standing == 0
