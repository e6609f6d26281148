"""Since when a signal grows: planted onsets, from the first reading on, none, and over restarts."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.judge.onset import Onset, find_onset
from analysis.judge.types import Numbers, SignalSeries

RPS = 50.0


def noise(draw: np.random.Generator, count: int, correlation: float) -> Numbers:
    """Return readings' noise of standard deviation 1 whose neighbours are correlated."""
    made = draw.normal(size=count)
    for at in range(1, count):
        made[at] = correlation * made[at - 1] + np.sqrt(1 - correlation**2) * made[at]
    return made


def series(value: Numbers, t_s: Numbers, *, life: Numbers | None = None, known: bool = True) -> SignalSeries:
    """Return quiesce points of live bytes around 50 MB."""
    return SignalSeries(
        "held_bytes",
        t_s,
        5e7 + value,
        np.ones(len(t_s)) if life is None else life,
        RPS * t_s if known else np.full(len(t_s), np.nan),
        settled=True,
    )


def planted(
    seed: int, onset_s: float, *, count: int = 40, correlation: float = 0.0, gain: float = 30.0
) -> Onset | None:
    """Return the onset found in 400 s of a leak that, from ``onset_s`` on, would gain ``gain`` times the noise."""
    draw = np.random.default_rng(seed)
    t_s = np.linspace(0, 400, count)
    leaked = gain * np.maximum(t_s - onset_s, 0) / 400
    return find_onset(series(4096 * (leaked + noise(draw, count, correlation)), t_s))


@pytest.mark.parametrize("correlation", [0.0, 0.5])
@pytest.mark.parametrize("onset_s", [120.0, 233.0])
def test_a_known_second_is_found(onset_s: float, correlation: float) -> None:
    """In 100 seeds at most 5% are said to begin later than they do, and half of the intervals are below 100 s."""
    found = [planted(seed, onset_s, correlation=correlation) for seed in range(100)]
    told = [one for one in found if one]
    assert len(told) >= 95
    assert sum(one.low_s > onset_s for one in told) <= 5
    assert sum(not one.low_s <= onset_s <= one.high_s for one in told) <= 5
    assert np.median([one.high_s - one.low_s for one in told]) < 100
    assert abs(np.median([one.since_s for one in told]) - onset_s) < 15
    assert sum(one.from_the_first for one in told) <= 5


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_a_leak_from_the_first_reading_on_is_not_said_to_begin_later(correlation: float) -> None:
    """In 100 seeds at most 5% are."""
    told = [one for seed in range(100) if (one := planted(seed, 0.0, correlation=correlation))]
    assert len(told) >= 95
    assert sum(not one.from_the_first for one in told) <= 5
    assert np.median([one.high_s for one in told]) < 60


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_what_does_not_grow_has_no_onset(correlation: float) -> None:
    """In 100 seeds of noise at most 5% have one."""
    assert sum(planted(seed, 500.0, correlation=correlation) is not None for seed in range(100)) <= 5


def test_exact_readings_give_the_second() -> None:
    """Without noise the interval is two gaps between readings at most."""
    t_s = np.arange(0.0, 100.0, 5.0)
    found = find_onset(series(1e4 * np.maximum(t_s - 42, 0), t_s))
    assert found is not None
    assert found.high_s - found.low_s <= 10
    assert found.low_s <= 42 <= found.high_s
    assert abs(found.since_s - 42) < 1


def test_restarts_do_not_hide_when_it_began() -> None:
    """Three lives whose memory is reset; the second has leaked since its middle, the third from its start."""
    draw = np.random.default_rng(1)
    t_s = np.arange(0.0, 300.0, 5.0)
    life = 1.0 + t_s // 100
    start_s = (life - 1) * 100
    leaked = np.maximum(t_s, 150) - np.maximum(start_s, 150)
    found = find_onset(series(2000 * leaked + 4096 * draw.normal(size=len(t_s)), t_s, life=life))
    assert found is not None
    assert found.low_s <= 150 <= found.high_s
    assert found.high_s - found.low_s <= 40


def test_a_load_that_rises_is_no_onset() -> None:
    """A leak per request under a load that gets ten times as high half-way: from the first reading on."""
    t_s = np.arange(0.0, 200.0, 5.0)
    requests = np.where(t_s < 100, t_s, 100 + 10 * (t_s - 100))
    one_life, value = np.ones(len(t_s)), 5e7 + 500 * requests
    found = find_onset(SignalSeries("held_bytes", t_s, value, one_life, requests, settled=True))
    assert found is not None
    assert found.from_the_first


def test_growth_that_accelerates_begins_before_it_is_above_the_noise() -> None:
    """A square of time is no straight line: from the first reading to where it stays above the noise."""
    draw = np.random.default_rng(3)
    t_s = np.arange(0.0, 400.0, 5.0)
    found = find_onset(series(1e3 * t_s**2 + 4096 * draw.normal(size=len(t_s)), t_s))
    assert found is not None
    assert found.high_s < 60


def test_too_few_readings_have_no_onset() -> None:
    """Five points, or requests that stand still, are not enough."""
    t_s = np.arange(5.0)
    assert find_onset(series(t_s * 1e6, t_s)) is None
    t_s = np.arange(10.0)
    still = SignalSeries("held_bytes", t_s, 1e6 * t_s, np.ones(10), np.zeros(10), settled=True)
    assert find_onset(still) is None
