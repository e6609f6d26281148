from __future__ import annotations

from soak.limit.base import Counters
from soak.limit.watchdog import WatchdogLife


def test_the_watchdog_kills_above_the_limit_and_not_below() -> None:
    """A scripted process grows past its limit; only then is its group killed, once, and counted."""
    readings = iter([50, 100, 101])
    killed: list[int] = []
    life = WatchdogLife(100, usage=lambda _: next(readings), kill=killed.append)
    assert [life.check(1234), life.check(1234), life.check(1234)] == [True, True, False]
    assert killed == [1234]
    assert life.counters() == Counters(peak_bytes=101, watchdog_kills=1)


def test_a_process_that_may_not_be_killed_is_watched_on() -> None:
    """It has another user by now: no kill is counted, and the peak shows how far it went beyond its limit."""
    readings = iter([50, 101, 150])

    def refuse(_pid: int) -> None:
        raise PermissionError

    life = WatchdogLife(100, usage=lambda _: next(readings), kill=refuse)
    assert [life.check(1234), life.check(1234), life.check(1234)] == [True, True, True]
    assert life.counters() == Counters(peak_bytes=150, watchdog_kills=0)


def test_the_watchdog_ends_with_its_process() -> None:
    """A process that is gone is neither killed nor counted."""
    killed: list[int] = []
    life = WatchdogLife(100, usage=lambda _: None, kill=killed.append)
    assert life.check(1234) is False
    assert killed == []
    assert life.counters() == Counters(watchdog_kills=0)
