"""A mix that rotates neither hides a leak nor changes its rate."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.judge.signal import judge_signal
from analysis.judge.types import LEAK, NO_LEAK, Margin, SignalSeries
from analysis.recording.sent_by_name import SentByName
from analysis.verdict.rotation import steadied

RPS, LOAD_S, NAMES = 100, 100, 5


def rotating(seed: int, kept_bytes: float, quantum: float = 0.0) -> tuple[SignalSeries, SentByName]:
    """Return quiesce points each 5 s of a load of 100 s in which one of five names leaves bytes, and its requests."""
    draw = np.random.default_rng(seed)
    sent = np.zeros((LOAD_S, NAMES))
    for second in range(LOAD_S):
        weight = np.ones(NAMES)
        weight[second // 10 % NAMES] = 5.0
        sent[second] = draw.multinomial(RPS, weight / weight.sum())
    by_name = SentByName(
        np.arange(1.0, LOAD_S + 1), {f"e{name}": sent[:, name].cumsum() for name in range(NAMES)}
    )
    t_s = np.arange(0.0, LOAD_S + 1, 5)
    value = 3e7 + kept_bytes * by_name.before(t_s)["e2"] + draw.normal(0, 4096, len(t_s))
    return SignalSeries(
        "python_bytes", t_s, value, np.ones(len(t_s)), RPS * t_s, settled=True, quantum=quantum
    ), by_name


def test_the_rate_of_a_leak_is_that_of_the_mix() -> None:
    """500 B of every fifth request are 100 B per request, LEAK in each of four seeds; the staircase is not read so."""
    wrong = 0
    for seed in range(4):
        readings, sent = rotating(seed, 500.0)
        margin = Margin(per_request=50.0)
        found = judge_signal(steadied(readings, sent), margin, detectable=False)
        assert found.verdict == LEAK
        assert found.per_request is not None
        assert found.per_request.low < 100 < found.per_request.high + 1
        assert found.per_request.value == pytest.approx(100, abs=5)
        staircase = judge_signal(readings, margin, detectable=False)
        wrong += staircase.verdict != LEAK or abs(staircase.per_request.value - 100) > 15  # type: ignore[union-attr]
    assert wrong >= 2


def test_what_does_not_leak_is_as_it_was() -> None:
    """The readings of a healthy arm, of a random mix, and of arenas are judged as they were read."""
    readings, sent = rotating(1, 0.0)
    assert steadied(readings, sent).value is readings.value
    assert judge_signal(readings, Margin(per_request=50.0), detectable=False).verdict == NO_LEAK
    leaking, sent = rotating(1, 500.0)
    assert steadied(leaking, SentByName()) is leaking
    arenas, sent = rotating(1, 500.0, quantum=2.0**20)
    assert steadied(arenas, sent) is arenas


def test_readings_that_are_missing_stay_missing() -> None:
    """The growth by name is that of the others."""
    readings, sent = rotating(2, 500.0)
    readings.value[[3, 9]] = np.nan
    found = steadied(readings, sent)
    assert np.flatnonzero(np.isnan(found.value)).tolist() == [3, 9]
    assert not np.allclose(found.value[:3], readings.value[:3])
