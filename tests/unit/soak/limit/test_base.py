from __future__ import annotations

import signal

import pytest

from soak.limit.base import Counters, who_ended


@pytest.mark.parametrize(
    ("code", "counters", "asked", "by"),
    [
        (-signal.SIGKILL, Counters(oom_kills=1, met_limit=True), False, "kernel"),
        (-signal.SIGKILL, Counters(oom_kills=1, met_limit=False), False, "unknown"),
        (-signal.SIGKILL, Counters(oom_kills=1, met_limit=None), False, "unknown"),
        (-signal.SIGKILL, Counters(oom_kills=0, oomd_kills=1), False, "systemd-oomd"),
        (-signal.SIGKILL, Counters(watchdog_kills=1), False, "watchdog"),
        (-signal.SIGKILL, Counters(oom_kills=0), False, "unknown"),
        (-signal.SIGKILL, Counters(), True, "soak"),
        (-signal.SIGSEGV, Counters(oom_kills=0), False, "itself"),
        (128 + signal.SIGKILL, Counters(oom_kills=1, met_limit=True), False, "kernel"),
        (1, Counters(oom_kills=0), False, "itself"),
        (1, Counters(oom_kills=1, met_limit=True), False, "itself"),
        (0, Counters(), False, "itself"),
    ],
)
def test_a_death_is_put_down_to_the_one_who_counted_it(
    code: int, counters: Counters, asked: bool, by: str
) -> None:
    """A SIGKILL that nobody counted is unknown, never taken for the kernel's.

    Nor is one that the kernel counted in a life which has not met its limit: another one, or the machine, had run out.
    """
    assert who_ended(code, counters, asked=asked) == by
