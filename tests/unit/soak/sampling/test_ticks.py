"""The rhythm of a sampler, and what ends it."""

from __future__ import annotations

import threading

import pytest

from soak.contract.clock import RunClock
from soak.errors import HarnessError
from tests.support.scripted_sampler import ANSWER, FakeProbe, MakeBench, ScriptedClock


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
