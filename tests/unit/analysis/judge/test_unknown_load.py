"""Memory under a load that is not known: a rise that comes each day is called no leak, and hides none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from analysis.judge import judge_signal
from analysis.judge.types import (
    ARENA_BYTES,
    INCONCLUSIVE,
    LEAK,
    NO_LEAK,
    Judgement,
    Numbers,
    ReasonCode,
    SignalSeries,
)
from tests.unit.analysis.judge.traces import HOUR_S, MARGIN, MIB, noise, readings

Load = Callable[[Numbers], Numbers]
"""The load, from 0 to 1, at an hour of the day."""


def sine(hour: Numbers) -> Numbers:
    return np.asarray(0.5 + 0.5 * np.sin(2 * np.pi * (hour - 9) / 24))


def office(hour: Numbers) -> Numbers:
    noon = 1 - 0.2 * np.exp(-(((hour - 12.7) / 0.6) ** 2))
    return np.asarray(noon / (1 + np.exp(-(hour - 8.5) / 0.7)) / (1 + np.exp(hour - 18)))


def level(hour: Numbers) -> Numbers:
    return np.full(len(hour), 0.5)


def recording(
    load: Load,
    *,
    begin_h: float,
    hours: float,
    leak: float = 0.0,
    deploy_h: float | None = None,
    seed: int = 1,
) -> SignalSeries:
    """Return RSS read each minute: 200 MiB, 50 MiB that follow the load, and a leak in MiB/h.

    With ``deploy_h`` the service is deployed at that hour of each day, and warms up again.
    """
    t_s = np.arange(0.0, hours * HOUR_S, 60.0)
    hour = begin_h + t_s / HOUR_S
    life = np.ones(len(t_s)) if deploy_h is None else np.floor((hour - deploy_h) / 24)
    age_h = np.concatenate([hour[life == one] - hour[life == one][0] for one in np.unique(life)])
    value = 200 - 15 * np.exp(-age_h * 6) + 50 * load(hour % 24) + leak * age_h
    found = readings(t_s, value * MIB + noise(t_s, seed), life=life, signal="rss_bytes")
    return replace(found, quantum=ARENA_BYTES)


def judged(series: SignalSeries) -> Judgement:
    return judge_signal(series, MARGIN, detectable=False)


DEPLOYED: list[tuple[Load, float]] = [(sine, 9.0), (office, 3.0), (office, 9.0)]


@pytest.mark.parametrize(("load", "deploy_h"), DEPLOYED)
def test_what_rises_alike_in_the_life_of_every_day_is_not_called(load: Load, deploy_h: float) -> None:
    """Four days, a deploy at the same hour of each: the load of a day explains every life."""
    assert judged(recording(load, begin_h=deploy_h, hours=96, deploy_h=deploy_h)).verdict == INCONCLUSIVE


@pytest.mark.parametrize("deploy_h", [3.0, 9.0])
def test_a_leak_under_a_level_load_is_called_though_every_day_has_a_deploy(deploy_h: float) -> None:
    """Its lives rise alike, too, but steadily; and without the leak they are cleared."""
    assert judged(recording(level, begin_h=deploy_h, hours=72, leak=5, deploy_h=deploy_h)).verdict == LEAK
    assert judged(recording(level, begin_h=deploy_h, hours=72, deploy_h=deploy_h)).verdict == NO_LEAK


def test_the_rise_of_a_morning_is_not_called_and_says_what_would_decide() -> None:
    """Half a day from its least to its most; the reason names the unknown requests."""
    found = judged(recording(sine, begin_h=3, hours=12))
    assert (found.verdict, found.reason_code) == (INCONCLUSIVE, ReasonCode.UNKNOWN_LOAD)
    assert "the requests are not known" in found.reason
    assert found.reason.endswith("record one process for two days")
    assert (found.more_s, found.detectable_per_s) == (None, None)


def test_a_leak_that_the_fall_of_an_evening_hides_is_not_passed() -> None:
    """A day from morning to morning: what the leak adds, the night takes away."""
    assert judged(recording(office, begin_h=9, hours=24, leak=2.5)).verdict == INCONCLUSIVE


@pytest.mark.parametrize("hours", [6.0, 12.0, 24.0])
def test_a_steady_rise_of_hours_is_called(hours: float) -> None:
    """No day rises in a straight line for that long."""
    found = judged(recording(level, begin_h=6, hours=hours, leak=5))
    assert found.verdict == LEAK
    assert judged(recording(level, begin_h=6, hours=hours)).verdict == NO_LEAK


@pytest.mark.parametrize(("leak", "verdict"), [(0.0, NO_LEAK), (5.0, LEAK)])
def test_one_life_of_three_days_decides(leak: float, verdict: str) -> None:
    """The day has come and gone more than twice."""
    assert judged(recording(sine, begin_h=9, hours=72, leak=leak)).verdict == verdict


def test_requests_that_are_known_explain_the_day() -> None:
    """The same memory, beside the requests that it follows."""
    series = recording(office, begin_h=1, hours=12)
    rate = 10 + 90 * office((1 + series.t_s / HOUR_S) % 24)
    found = judged(replace(series, requests=np.cumsum(rate * 60)))
    assert found.reason_code is not ReasonCode.UNKNOWN_LOAD
    assert found.verdict != LEAK
