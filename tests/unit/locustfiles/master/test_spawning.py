from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
from locust import User, runners
from locust.env import Environment
from locust.runners import STATE_MISSING, STATE_RUNNING, MasterRunner, WorkerNode, WorkerNodes

from locustfiles.master.spawning import (
    FixedUsers,
    SameUsersEverywhere,
    keep_lost_workers,
    same_users_per_arm,
)


class Leaky(User):
    fixed_count = 3


class Fixed(User):
    fixed_count = 2


USERS = {"Leaky": 3, "Fixed": 2}


def test_every_worker_gets_all_users_at_once() -> None:
    """One dispatch gives each worker the fixed number of users of each class, whatever number is asked for."""
    dispatcher = SameUsersEverywhere([WorkerNode("one"), WorkerNode("two")], [Leaky, Fixed])
    dispatcher.new_dispatch(1, 1.0)
    assert list(dispatcher) == [{"one": USERS, "two": USERS}]


def test_workers_that_join_and_leave_move_no_user() -> None:
    """A worker that joins, in a dispatch or after it, gets the same users; those of the others never change."""
    one, two, three = map(WorkerNode, ("one", "two", "three"))
    dispatcher = SameUsersEverywhere([one], [Leaky, Fixed])
    dispatcher.new_dispatch(5, 1.0)
    assert next(dispatcher) == {"one": USERS}
    dispatcher.add_worker(two)
    assert list(dispatcher) == [{"one": USERS, "two": USERS}]
    dispatcher.add_worker(three)
    dispatcher.remove_worker(one)
    dispatcher.remove_worker(one)
    dispatcher.new_dispatch(5, 1.0)
    assert list(dispatcher) == [{"two": USERS, "three": USERS}]


def test_the_shape_never_changes() -> None:
    """The shape asks for the same users at every tick, so Locust never starts or stops one in a load."""
    shape = FixedUsers(6)
    assert {shape.tick() for _ in range(5)} == {(6, 6.0)}


class Buyer(User):
    weight = 3


class Visitor(User):
    weight = 1


def test_every_arm_gets_the_same_users() -> None:
    """Locust decides for one arm, by weight and rate, only after the start; every arm's process gets the same."""
    waited: list[bool] = []
    one, two, three = map(WorkerNode, ("one", "two", "three"))
    dispatcher = same_users_per_arm(lambda: waited.append(True))([one, two], [Buyer, Visitor])
    dispatcher.new_dispatch(8, 100.0)
    assert waited == [True]
    users = {"Buyer": 6, "Visitor": 2}
    assert list(dispatcher) == [{"one": users, "two": users}]
    dispatcher.remove_worker(one)
    dispatcher.add_worker(three)
    dispatcher.new_dispatch(4, 100.0)
    users = {"Buyer": 3, "Visitor": 1}
    assert list(dispatcher)[-1] == {"two": users, "three": users}


def restarts_after_a_lost_worker(monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how often Locust's master starts the users anew, an hour after one of two workers was lost."""
    started: list[int] = []
    clients = WorkerNodes()
    clients["lost"] = WorkerNode("lost", state=STATE_MISSING, heartbeat_liveness=-3600)
    clients["alive"] = WorkerNode("alive", state=STATE_RUNNING)
    master = SimpleNamespace(
        connection_broken=False,
        clients=clients,
        state=STATE_RUNNING,
        target_user_count=2,
        spawn_rate=1.0,
        start=lambda user_count, **_: started.append(user_count),
    )
    monkeypatch.setattr("locust.runners.gevent.sleep", one_look())
    with pytest.raises(StopIteration):
        MasterRunner.heartbeat_worker(cast(MasterRunner, master))
    return len(started)


def one_look() -> Callable[[float], None]:
    looks = iter((None,))
    return lambda _seconds: next(looks)


def test_a_worker_that_was_lost_stops_no_user_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locust would drop it after a minute, and let the users of every arm begin again."""
    monkeypatch.setattr(runners, "HEARTBEAT_DEAD_INTERNAL", runners.HEARTBEAT_DEAD_INTERNAL)
    assert restarts_after_a_lost_worker(monkeypatch) == 1
    keep_lost_workers(Environment())
    assert restarts_after_a_lost_worker(monkeypatch) == 0


class Unconnected(MasterRunner):
    """A master that listens to nobody."""

    def __init__(self) -> None:
        self.clients = WorkerNodes()

    def __del__(self) -> None:
        """Stop nothing."""


def test_a_lost_worker_is_dropped_when_the_load_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else Locust's web UI waits for it for good, and offers no new load."""
    monkeypatch.setattr(runners, "HEARTBEAT_DEAD_INTERNAL", runners.HEARTBEAT_DEAD_INTERNAL)
    environment, master = Environment(), Unconnected()
    environment.runner = master
    master.clients["lost"] = WorkerNode("lost", state=STATE_MISSING)
    master.clients["alive"] = WorkerNode("alive", state=STATE_RUNNING)
    keep_lost_workers(environment)
    environment.events.test_stop.fire(environment=environment)
    assert list(master.clients) == ["alive"]
