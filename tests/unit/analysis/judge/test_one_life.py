"""One life by itself: what leaks in it alone is not taken for a warm-up, nor forgotten with the next life."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.judge import judge_signal
from analysis.judge.types import INCONCLUSIVE, NO_LEAK, Margin, Numbers, ReasonCode, SignalSeries
from tests.unit.analysis.judge.traces import HOUR_S, MARGIN, MARGIN_PER_S, MIB, clock, noise, readings

T_S = clock(8.0)
WEEK_S = clock(168.0, 200.0)


def lived(starts: tuple[float, ...], t_s: Numbers = T_S) -> tuple[SignalSeries, Numbers]:
    """Return a healthy process that is restarted at these shares of the run, with a warm-up of 30 MiB, and its ages."""
    starts_s = np.array([0.0, *starts]) * t_s[-1]
    life = np.searchsorted(starts_s, t_s, side="right") - 1
    age_s = t_s - starts_s[life]
    value = 200 * MIB + noise(t_s, 4, 0.2) + 30 * MIB * (1 - np.exp(-age_s / 300))
    return readings(t_s, value, life=life.astype(float), requests=t_s * 50), age_s


@pytest.mark.parametrize(
    ("t_s", "starts", "known"),
    [
        (T_S, (0.78,), True),
        (T_S, (0.85,), True),
        (T_S, (0.85,), False),
        (WEEK_S, (0.75,), True),
        (WEEK_S, (0.8,), False),
        (WEEK_S, (0.4, 0.9), True),
    ],
)
def test_a_new_release_that_leaks_is_not_passed(
    t_s: Numbers, starts: tuple[float, ...], *, known: bool
) -> None:
    """The last restart is of another version, which leaks five margins from its start; those before are flat."""
    healthy, age_s = lived(starts, t_s)
    if not known:
        healthy = replace(healthy, requests=np.full(len(t_s), np.nan))
    assert judge_signal(healthy, MARGIN, detectable=False).verdict == NO_LEAK
    leaks = healthy.value + 5 * MARGIN_PER_S * age_s * (healthy.life == len(starts))
    found = judge_signal(replace(healthy, value=leaks), MARGIN, detectable=False)
    assert (found.verdict, found.reason_code) == (INCONCLUSIVE, ReasonCode.ONE_LIFE)
    assert found.more_s is not None


@pytest.mark.parametrize("leaking", [(0,), (0, 1), (1,)])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_leaked_before_a_restart_is_not_forgotten(leaking: tuple[int, ...], seed: int) -> None:
    """Three equal lives, of which the last is flat: ten margins in others are no warm-up that ended."""
    healthy, age_s = lived((1 / 3, 2 / 3))
    healthy = replace(healthy, value=healthy.value + noise(T_S, seed, 0.2))
    leaks = healthy.value + 10 * MARGIN_PER_S * age_s * np.isin(healthy.life, leaking)
    assert judge_signal(healthy, MARGIN, detectable=False).verdict == NO_LEAK
    found = judge_signal(replace(healthy, value=leaks), MARGIN, detectable=False)
    assert (found.verdict, found.reason_code, found.more_s) == (INCONCLUSIVE, ReasonCode.ONE_LIFE, None)


@pytest.mark.parametrize("leak", [3.0, 20.0])
def test_half_a_run_that_leaks_is_not_passed(leak: float) -> None:
    """Its process was restarted in the middle, by another release or after an OOM kill."""
    healthy, age_s = lived((0.5,))
    leaks = healthy.value + leak * MARGIN_PER_S * age_s * (healthy.life == 0)
    assert judge_signal(replace(healthy, value=leaks), MARGIN, detectable=False).verdict != NO_LEAK


def test_its_own_rate_is_stated_by_the_clock_of_the_margin() -> None:
    """The bound of all lives together stays that of the signal; the newest life has requests at a rate of its own."""
    healthy, age_s = lived((0.85,))
    newest = healthy.life == 1
    requests = np.where(newest, 50 * 0.85 * T_S[-1] + 60 * age_s, 50 * T_S)
    leak = 300.0
    leaks = replace(healthy, value=healthy.value + leak * 60 * age_s * newest, requests=requests)
    found = judge_signal(leaks, Margin(per_request=30.0), detectable=False)
    assert found.reason_code is ReasonCode.ONE_LIFE
    assert found.per_request is not None
    assert found.per_request.high < 30
    stated = float(found.reason.removeprefix("memory grows by ").split(" B/request", 1)[0])
    assert stated == pytest.approx(leak, rel=0.1)
    assert "in one of its lives by itself" in found.reason


@pytest.mark.parametrize("last", [0.75, 0.82, 0.9])
def test_a_warm_up_that_lives_before_had_withholds_nothing(last: float) -> None:
    """A cache that fills in a straight line for an hour and then is full: the newest process does what others did."""
    healthy, age_s = lived((0.3, last))
    fills = replace(healthy, value=healthy.value + 40 * MIB * np.minimum(age_s / HOUR_S, 1))
    assert judge_signal(fills, MARGIN, detectable=False).verdict == NO_LEAK


def test_a_life_that_is_hardly_there_withholds_nothing() -> None:
    """A process of a quarter of an hour is warming up, with nothing that could be told from it."""
    healthy, age_s = lived((0.3, 0.97))
    other = replace(healthy, value=healthy.value + 20 * MARGIN_PER_S * age_s * (healthy.life == 2))
    assert judge_signal(other, MARGIN, detectable=False).verdict == NO_LEAK


def test_what_a_release_before_leaked_is_not_that_of_the_newest() -> None:
    """It was replaced by one that is flat for long enough."""
    healthy, age_s = lived((0.5, 0.7, 0.88))
    repaired = replace(healthy, value=healthy.value + 4 * MARGIN_PER_S * age_s * (healthy.life == 2))
    assert judge_signal(repaired, MARGIN, detectable=False).reason_code is not ReasonCode.ONE_LIFE
