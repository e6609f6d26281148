from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from locustfiles.messages import Begin
from locustfiles.schedule.arrivals import schedule
from locustfiles.worker.reporter import MasterClock
from locustfiles.worker.sender import PlannedSender

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak.contract import Traffic
    from tests.unit.locustfiles.conftest import ScriptedClock

START_S = 40.0


class Rehearsal:
    """A sender whose arms have no users: it misses every request that it offers."""

    def __init__(self, traffic: Traffic, clock: ScriptedClock) -> None:
        clock.t_s = START_S
        self.traffic = traffic
        self.clock = clock
        self.stop_at_s: dict[float, float] = {}
        """At the first sleep after the key (``t_s``) the load is stopped, to end at the value."""
        self.sender = PlannedSender(traffic, MasterClock(clock.now), self.sleep)

    def sleep(self, seconds: float) -> None:
        self.clock.t_s += seconds
        for at_s in [at_s for at_s in self.stop_at_s if at_s <= self.clock.t_s]:
            self.sender.stop_at(self.stop_at_s.pop(at_s))

    def drive(self, start_s: float = START_S, share: int = 0, shares: int = 1) -> dict[str, int]:
        """Drive a load to its end; return the requests missed by arm."""
        begin = Begin(self.traffic.seed, start_s, 0.0, share, shares)
        self.sender.prepare(begin)
        self.sender.drive(begin)
        self.sender.give_up()
        seconds = [self.sender.take(second) for second in range(int(start_s), int(self.clock.t_s) + 1)]
        return {arm: sum(second[arm].missed for second in seconds) for arm in self.traffic.arms}


@pytest.fixture
def rehearsal(make_traffic: Callable[..., Traffic], clock: ScriptedClock) -> Rehearsal:
    """Return a rehearsal of a load of 44 requests in 0.6 s."""
    traffic = make_traffic(warmup_s=0.2, warmup_rps=20.0, load_s=0.4, rate_rps=100.0, max_lateness_s=0.1)
    return Rehearsal(traffic, clock)


@pytest.mark.parametrize("share", [0, 1, 2])
def test_its_share_is_every_third_request(rehearsal: Rehearsal, share: int) -> None:
    """Of three workers each one offers the requests of its own remainder, to every arm."""
    expected = len(list(schedule(rehearsal.traffic, START_S))[share::3])
    assert rehearsal.drive(share=share, shares=3) == {"leaky": expected, "fixed": expected}


def test_a_stop_in_the_middle(rehearsal: Rehearsal) -> None:
    """Requests planned from the stop on are not offered."""
    rehearsal.stop_at_s = {START_S + 0.2: START_S + 0.35}
    planned = sum(request.planned_s < START_S + 0.35 for request in schedule(rehearsal.traffic, START_S))
    assert rehearsal.drive() == {"leaky": planned, "fixed": planned}


def test_one_load_after_the_other(rehearsal: Rehearsal) -> None:
    """A stop of one load does not shorten the next one."""
    rehearsal.stop_at_s = {START_S + 0.2: START_S + 0.35}
    rehearsal.drive()
    rehearsal.clock.t_s = 60.0
    assert rehearsal.drive(60.0) == {"leaky": 44, "fixed": 44}


def test_users_of_both_arms(rehearsal: Rehearsal) -> None:
    """Every arm has its own class of users, with its URL and its number of users."""
    classes = rehearsal.sender.user_classes
    assert [(user.__name__, user.url, user.fixed_count) for user in classes] == [
        ("leaky", "http://127.0.0.1:1", 2),
        ("fixed", "http://127.0.0.1:2", 2),
    ]
