from __future__ import annotations

from collections.abc import Callable

import pytest
from locust import HttpUser, User, constant, task
from locust.env import Environment

from locustfiles.custom.user import bound_to, past_pause, use_bound
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


@pytest.fixture
def environment() -> Environment:
    """Return an environment with one class of users."""
    return Environment(user_classes=[Buyer])


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


def test_a_choice_of_tasks_counts() -> None:
    """Locust's picker, by which the master changes the classes of its workers, changes those that are started."""

    class Chooser(User):
        weight = 0

        @task
        def look(self) -> None:
            """Send nothing here."""

        @task
        def buy(self) -> None:
            """Send nothing here."""

    class Buying(Chooser):
        weight = 1

    both = {"Chooser": Chooser, "Renamed": Buying}
    environment = Environment(
        user_classes=[Chooser, Buying],
        available_user_classes=both,  # type: ignore[arg-type]
        available_user_tasks={name: users.tasks for name, users in both.items()},
    )
    use_bound(environment, lambda users: bound_to(URL, users, None))
    (started,) = environment.user_classes
    assert started.tasks == [Chooser.look, Chooser.buy]
    for name in both:
        environment.update_user_class(
            {"user_class_name": name, "tasks": ["buy"], "host": "http://form.invalid"}
        )
    assert started.tasks == [Chooser.buy]
    assert started(environment).host == URL
    assert environment.available_user_classes == {"Chooser": Chooser, "Renamed": started}


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
