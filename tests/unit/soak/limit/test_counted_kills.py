from __future__ import annotations

import signal

from soak.limit.base import Counters, Unlimited
from soak.limit.counted_kills import LEAVES_WITHIN_S, CountedKills


class Limit(Unlimited):
    """A limit that was met, and counts what the test says."""

    kills = 0

    def counters(self) -> Counters:
        return Counters(oom_kills=self.kills, met_limit=True)


def looked(kills: CountedKills, from_s: float, to_s: float) -> None:
    """Look after it ten times a second."""
    for tenth in range(round(10 * from_s), round(10 * to_s)):
        kills.look(tenth / 10)


def test_a_worker_that_leaves_after_a_kill_was_killed() -> None:
    """Each kill is the end of one worker: the next to leave was not killed."""
    limit = Limit()
    kills = CountedKills(limit)
    looked(kills, 0.0, 5.0)
    limit.kills = 1
    looked(kills, 5.0, 6.5)
    assert [kills.killer_of_worker(), kills.killer_of_worker()] == ["kernel", "unknown"]
    looked(kills, 6.5, 20.0)
    assert kills.killer_of_worker() == "unknown"
    limit.kills = 2
    looked(kills, 20.0, 20.5)
    assert kills.killer_of_worker() == "kernel"


def test_a_kill_that_ended_no_worker_is_not_the_end_of_one_that_recycles_later() -> None:
    """The kernel killed a command of a worker; the worker ends minutes later by its own rule."""
    limit = Limit()
    kills = CountedKills(limit)
    limit.kills = 2
    looked(kills, 0.0, LEAVES_WITHIN_S + 2)
    assert kills.killer_of_worker() == "unknown"
    limit.kills = 3
    assert [kills.killer_of_worker(), kills.killer_of_worker()] == ["kernel", "unknown"]


def test_the_limited_process_may_take_long_to_end() -> None:
    """Of the limited process itself the exit status is known: however late it is gone, a kill is its end."""
    limit = Limit()
    kills = CountedKills(limit)
    limit.kills = 1
    looked(kills, 0.0, 60.0)
    assert kills.who_ended(-signal.SIGKILL, limit.counters(), asked=False) == "kernel"


def test_a_kill_that_ended_a_worker_is_not_the_end_of_the_arm() -> None:
    """Somebody else killed that."""
    limit = Limit()
    kills = CountedKills(limit)
    limit.kills = 1
    assert kills.killer_of_worker() == "kernel"
    assert kills.who_ended(-signal.SIGKILL, limit.counters(), asked=False) == "unknown"
    assert kills.who_ended(1, limit.counters(), asked=False) == "itself"
