"""The users of a custom locustfile, bound to an arm."""

from __future__ import annotations

from collections.abc import Callable
from types import new_class
from typing import Any, cast

from locust import User
from locust.env import Environment

from soak.contract import Traffic


def bound_to(url: str, user_class: type[User], past_pause: Callable[[float], float] | None) -> type[User]:
    """Return the same users with the arm's URL as their host.

    ``past_pause`` turns a wait between two tasks, seconds, into one that does not end in a pause of the load; None
    where there are no pauses.
    """

    def init(user: User, environment: Environment) -> None:
        # Locust sets the host of its start form in the environment, and by it in the class.
        environment.host = user.host = url
        user_class.__init__(user, environment)

    members: dict[str, Any] = {"host": url, "__init__": init, "__module__": user_class.__module__}
    # A user without a wait of its own has one in each set of tasks.
    if past_pause is not None and user_class.wait_time is not None:

        def wait_time(user: User) -> float:
            return past_pause(user_class.wait_time(user))

        members["wait_time"] = wait_time
    return cast(
        type[User], new_class(user_class.__name__, (user_class,), exec_body=lambda body: body.update(members))
    )


def use_bound(environment: Environment, bind: Callable[[type[User]], type[User]]) -> None:
    """Let Locust start the bound classes in the place of the locustfile's, and change them by its web UI."""
    bound = {users: bind(users) for users in environment.user_classes}
    environment.user_classes = list(bound.values())
    # a choice of tasks reaches the classes in here; one that Locust does not start stays as it is
    available = cast(dict[str, Any], environment.available_user_classes or {})
    environment.available_user_classes = {name: bound.get(users, users) for name, users in available.items()}


def past_pause(traffic: Traffic, offset_s: float, wait_s: float) -> float:
    """Return the wait, seconds, that begins ``offset_s`` into the warm-up, longer by a pause when it would end in one.

    So users that are held back keep their distances, and do not all continue at the same instant.
    """
    every_s = traffic.quiesce_every_s
    end_s = offset_s + wait_s
    if every_s is None or end_s > traffic.warmup_s + traffic.load_s:
        return wait_s
    in_pause = end_s % every_s >= every_s - traffic.quiesce_pause_s
    return wait_s + traffic.quiesce_pause_s if in_pause else wait_s
