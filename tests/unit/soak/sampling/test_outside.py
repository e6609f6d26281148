from __future__ import annotations

import pytest

from soak.sampling.outside import SLOW_SHARE, SlowReadings


class Rehearsal:
    """Slow readings of an arm of which each takes ``takes_s`` of processor time, on a tick each second."""

    def __init__(self) -> None:
        self.takes_s = 0.0
        self.cpu_s = 0.0
        self.told: list[str] = []
        self.slow = SlowReadings(5.0, self.told.append, lambda: self.cpu_s)

    def run(self, begin_s: int, end_s: int) -> list[int]:
        """Return the ticks at which they are read."""
        read = []
        for t_s in range(begin_s, end_s):
            if self.slow.due(t_s):
                read.append(t_s)
                with self.slow.reading(t_s, 0.5):
                    self.cpu_s += self.takes_s
        return read


@pytest.fixture
def rehearsal() -> Rehearsal:
    """Return readings that cost nothing so far."""
    return Rehearsal()


def test_readings_within_their_share_keep_their_rhythm(rehearsal: Rehearsal) -> None:
    """Up to SLOW_SHARE of a core they are read as the profile says, and nothing is reported."""
    rehearsal.takes_s = 5.0 * SLOW_SHARE
    assert rehearsal.run(0, 20) == [0, 5, 10, 15]
    assert rehearsal.told == []


def test_readings_that_cost_more_are_spaced_out_and_said(rehearsal: Rehearsal) -> None:
    """They take SLOW_SHARE of a core at most; that is reported once, and again where it becomes much more."""
    rehearsal.takes_s = 10.0 * SLOW_SHARE
    assert rehearsal.run(0, 40) == [0, 10, 20, 30]
    rehearsal.takes_s = 30.0 * SLOW_SHARE
    assert rehearsal.run(40, 120) == [40, 70, 100]
    assert rehearsal.told == [
        "USS, PSS and limits each 10 s, not each 5 s: they take 0.10 s of processor time",
        "USS, PSS and limits each 30 s, not each 5 s: they take 0.30 s of processor time",
    ]


def test_readings_that_become_cheap_have_their_rhythm_back(rehearsal: Rehearsal) -> None:
    """One slow reading, of a process that was large for a while, does not last."""
    rehearsal.takes_s = 20.0 * SLOW_SHARE
    assert rehearsal.run(0, 20) == [0]
    rehearsal.takes_s = 0.0
    assert rehearsal.run(20, 35) == [20, 25, 30]
