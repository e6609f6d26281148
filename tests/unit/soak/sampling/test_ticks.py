"""The rhythm of a sampler and of what takes it long, and what ends it."""

from __future__ import annotations

import threading

import pytest

from soak.contract.clock import RunClock
from soak.errors import HarnessError
from soak.sampling.ticks import SlowReadings
from tests.support.scripted_sampler import ANSWER, FakeProbe, MakeBench, ScriptedClock

SHARE = 0.01


def test_ticks_stay_on_their_grid(make_bench: MakeBench) -> None:
    """A reading of 0.3 s moves no later tick."""
    bench = make_bench(ScriptedClock(10.3), FakeProbe())
    assert bench.sampler.next_due(10.0) == 11.0
    assert bench.gaps() == []


def test_ticks_that_passed_while_reading_are_a_counted_gap(make_bench: MakeBench) -> None:
    """After a reading of 2.4 s the sampler goes on with the next tick to come, and two are missing."""
    bench = make_bench(ScriptedClock(12.4), FakeProbe())
    assert bench.sampler.next_due(10.0) == 13.0
    assert bench.gaps() == ["tick: reading took 2.4 s"]
    assert bench.sampler.gaps.total == {"tick": 2}


def test_an_error_of_ours_ends_the_sampling_and_is_kept(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk in the sampler's thread reaches the run."""
    bench = make_bench(RunClock(), FakeProbe(ANSWER, ANSWER))
    error = HarnessError("samples.csv: cannot be written")

    def refuse(_: object) -> None:
        raise error

    monkeypatch.setattr(bench.samples, "write", refuse)
    bench.sampler.run(threading.Event())
    assert bench.sampler.failure is error


class Rehearsal:
    """Slow readings of an arm of which each takes ``takes_s`` of processor time, on a tick each second."""

    def __init__(self) -> None:
        self.takes_s = 0.0
        self.told: list[str] = []
        self.slow = SlowReadings("sizes", 5.0, SHARE, 1.0, self.told.append, most_s=60.0)

    def run(self, begin_s: int, end_s: int) -> list[int]:
        """Return the ticks at which they are read."""
        read = []
        for t_s in range(begin_s, end_s):
            if self.slow.due(t_s):
                read.append(t_s)
                self.slow.took(t_s, self.takes_s)
        return read


@pytest.fixture
def rehearsal() -> Rehearsal:
    """Return readings that cost nothing so far."""
    return Rehearsal()


def test_readings_within_their_share_keep_their_rhythm(rehearsal: Rehearsal) -> None:
    """Up to their share of the time they are read as the profile says, and nothing is reported."""
    rehearsal.takes_s = 5.0 * SHARE
    assert rehearsal.run(0, 20) == [0, 5, 10, 15]
    assert rehearsal.told == []


def test_readings_that_cost_more_are_spaced_out_and_said(rehearsal: Rehearsal) -> None:
    """They take their share at most; that is reported once, and again where it becomes much more."""
    rehearsal.takes_s = 10.0 * SHARE
    assert rehearsal.run(0, 40) == [0, 10, 20, 30]
    rehearsal.takes_s = 30.0 * SHARE
    assert rehearsal.run(40, 120) == [40, 70, 100]
    assert rehearsal.told == [
        "sizes each 10 s, not each 5 s: they take 0.10 s of processor time",
        "sizes each 30 s, not each 5 s: they take 0.30 s of processor time",
    ]


def test_readings_are_never_further_apart_than_their_most(rehearsal: Rehearsal) -> None:
    """Whatever they cost: a verdict needs them."""
    rehearsal.takes_s = 1000.0 * SHARE
    assert rehearsal.run(0, 200) == [0, 60, 120, 180]


def test_readings_that_become_cheap_have_their_rhythm_back(rehearsal: Rehearsal) -> None:
    """One slow reading, of a process that was large for a while, does not last."""
    rehearsal.takes_s = 20.0 * SHARE
    assert rehearsal.run(0, 20) == [0]
    rehearsal.takes_s = 0.0
    assert rehearsal.run(20, 35) == [20, 25, 30]
