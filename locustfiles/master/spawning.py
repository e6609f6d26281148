"""How Locust starts the users: the same in every process, whatever its start form asks for."""

from __future__ import annotations

import math
from collections.abc import Callable

from locust import User, runners
from locust.dispatch import UsersDispatcher
from locust.env import Environment
from locust.runners import MasterRunner, WorkerNode
from locust.shape import LoadTestShape


class _PerNode(UsersDispatcher):
    """Keeps the ids of the workers, in order."""

    _nodes: dict[str, None]

    def add_worker(self, worker_node: WorkerNode) -> None:
        """Include a worker that joins."""
        self._nodes[worker_node.id] = None

    def remove_worker(self, worker_node: WorkerNode) -> None:
        """Exclude a worker that left."""
        self._nodes.pop(worker_node.id, None)


class SameUsersEverywhere(_PerNode):
    """Gives every process ``fixed_count`` users of each class.

    Locust's own dispatcher spreads one number of users over the workers, and moves them when a worker joins or leaves;
    a user that is moved loses its request.
    """

    dispatch_in_progress = False

    def __init__(self, worker_nodes: list[WorkerNode], user_classes: list[type[User]]) -> None:
        self._nodes = dict.fromkeys(node.id for node in worker_nodes)
        self._dispatched: list[str] = []
        self._users = {user_class.__name__: user_class.fixed_count for user_class in user_classes}

    def __next__(self) -> dict[str, dict[str, int]]:
        if self._dispatched == list(self._nodes):
            raise StopIteration
        self._dispatched = list(self._nodes)
        return {node: self._users.copy() for node in self._nodes}

    def new_dispatch(self, *_: object, **__: object) -> None:
        """Start the users of all processes again, whatever the number asked for."""
        self._dispatched = []


class SameUsersPerArm(_PerNode):
    """Gives every arm's process, at the same time, the users that Locust's own dispatcher chooses for one arm."""

    @staticmethod
    def await_start() -> None:
        """Return when users may be started; ``same_users_per_arm`` sets it."""

    def __init__(self, worker_nodes: list[WorkerNode], user_classes: list[type[User]]) -> None:
        self._one = WorkerNode("one arm")
        self._nodes = dict.fromkeys(node.id for node in worker_nodes)
        super().__init__([self._one], user_classes)

    def __next__(self) -> dict[str, dict[str, int]]:
        users = super().__next__()[self._one.id]
        return {node: users.copy() for node in self._nodes}

    def new_dispatch(
        self, target_user_count: int, spawn_rate: float, user_classes: list[type[User]] | None = None
    ) -> None:
        """Wait for the load's start, then go to that number of users for each arm."""
        self.await_start()
        super().new_dispatch(target_user_count, spawn_rate, user_classes)


def same_users_per_arm(await_start: Callable[[], None]) -> type[SameUsersPerArm]:
    """Return the dispatcher that waits for the load's start by calling ``await_start``."""
    return type("SameUsersPerArm", (SameUsersPerArm,), {"await_start": staticmethod(await_start)})


def keep_lost_workers(environment: Environment) -> None:
    """Keep Locust from dropping a worker a minute after it was lost: it would start the users of all others anew.

    It is dropped at the end of the load, which Locust would wait for it to reach.
    """
    runners.HEARTBEAT_DEAD_INTERNAL = -math.inf  # type: ignore[assignment]
    environment.events.test_stop.add_listener(_drop_lost_workers)


def _drop_lost_workers(environment: Environment, **_: object) -> None:
    if isinstance(runner := environment.runner, MasterRunner):
        for lost in runner.clients.missing:
            del runner.clients[lost.id]


class FixedUsers(LoadTestShape):
    """Keeps Locust's web UI from asking for a number of users."""

    def __init__(self, users: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._users = users

    def tick(self) -> tuple[int, float]:
        """Return the number of users and how many to start per second, until the end of the load stops the test."""
        return self._users, float(self._users)
