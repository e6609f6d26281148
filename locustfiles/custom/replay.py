"""The replay of a custom locustfile: its users never wait, and stand still while nothing may be sent."""

from __future__ import annotations

import time
from typing import BinaryIO, Final

import gevent
from locust import User

from locustfiles.custom.user import bound_to, use_bound
from locustfiles.locust_process import LocustProcess, listen_first
from locustfiles.replay.gate import Gate
from locustfiles.replay.orders import ReplayOrders
from locustfiles.worker.failure_kind import custom_kind
from soak.contract import Traffic

SPAWN_RATE: Final = 100.0
"""Users started per second."""
DRAIN_S: Final = 2.0
"""Time for the users to stand still, seconds: one that sleeps within a task may not send any more until then."""


class StandStill:
    """Counts the requests of custom users as they end, and holds each user up while the gate is closed."""

    def __init__(self, gate: Gate) -> None:
        self.standing = 0
        """Users that wait at the gate."""
        self._gate = gate

    def on_request(
        self, name: str = "", exception: object = None, response: object = None, **_: object
    ) -> None:
        """Count a request, in the greenlet of the user that has sent it."""
        failure = custom_kind(exception, response)
        self._gate.sent(str(name))
        self._gate.ended(failure)
        self.hold()

    def hold(self) -> None:
        """Wait until requests may be sent; what is raised here meanwhile, as by a time-out, is raised after that."""
        late: BaseException | None = None
        self.standing += 1
        try:
            while True:
                try:
                    self._gate.wait()
                    break
                except (Exception, gevent.Timeout) as error:  # noqa: BLE001 - raised below
                    late = late or error
        finally:
            self.standing -= 1
        if late is not None:
            raise late


def replay_custom(process: LocustProcess, traffic: Traffic, arm: str, orders: BinaryIO) -> None:
    """Let the process send to its arm as ordered."""
    gate = Gate(time.monotonic)
    users = StandStill(gate)
    environment, url = process.environment, traffic.arms[arm]
    environment.host = url
    use_bound(environment, lambda one: _held(bound_to(url, one, _no_wait), users))
    environment.shape_class = None
    listen_first(environment.events.request, users.on_request)
    if (options := environment.parsed_options) is not None:
        options.spawn_rate, options.run_time = SPAWN_RATE, None
    ordered = ReplayOrders(
        orders, process, gate, lambda: users.standing >= process.runner.user_count, DRAIN_S
    )
    environment.events.spawning_complete.add_listener(ordered.follow)


def _no_wait(_wait_s: float) -> float:
    return 0.0


def _held(user_class: type[User], users: StandStill) -> type[User]:
    """Return the same users, which wait at the gate before their first task."""

    def on_start(user: User) -> None:
        users.hold()
        user_class.on_start(user)

    return type(
        user_class.__name__, (user_class,), {"on_start": on_start, "__module__": user_class.__module__}
    )
