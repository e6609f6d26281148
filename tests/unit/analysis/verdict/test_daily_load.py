"""The guard against the load of a day: what tells a day from a leak, and what would decide where nothing does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Margin, Numbers, SignalSeries
from analysis.verdict.arm import series_verdict
from analysis.verdict.daily_load import (
    daily_load_doubt,
    leak_doubt,
    may_follow_other_load,
    no_leak_doubt,
    watched,
)

HOUR_S = 3600.0


def readings(
    hours: float,
    *,
    lives: int = 1,
    ratio: float | None = None,
    gap_h: tuple[float, float] | None = None,
) -> SignalSeries:
    """Return memory read each minute in equal lives; requests by day, ``ratio`` times as many at noon as at night."""
    t_s = np.arange(0.0, hours * HOUR_S + 1, 60.0)
    life = np.minimum(np.floor(t_s / (hours * HOUR_S / lives)), lives - 1)
    requests = np.full(len(t_s), np.nan)
    if ratio is not None:
        requests = np.cumsum(60 * (1 + (ratio - 1) * (0.5 - 0.5 * np.cos(2 * np.pi * t_s / (24 * HOUR_S)))))
    kept = np.ones(len(t_s), dtype=bool)
    if gap_h is not None:
        kept = (t_s < gap_h[0] * HOUR_S) | (t_s > gap_h[1] * HOUR_S)
    return SignalSeries("rss_bytes", t_s[kept], np.full(kept.sum(), 1e8), life[kept], requests[kept])


@pytest.mark.parametrize(
    ("case", "told"),
    [
        (readings(48), True),
        (readings(47), False),
        (readings(96, lives=3), False),
        (readings(168, lives=3), True),
        (readings(4, ratio=1.0), True),
        (readings(0.2, ratio=1.0), True),
        (readings(24, ratio=1.4), True),
        (readings(24, ratio=3), False),
        (readings(72, lives=3, ratio=3), True),
        (readings(72, lives=4, ratio=3), False),
        (readings(71, lives=2, ratio=3), False),
        # a day that is missing was not watched
        (readings(60, gap_h=(20, 44)), False),
        (readings(80, gap_h=(20, 44)), True),
        (readings(80, lives=3, ratio=3, gap_h=(20, 44)), False),
    ],
)
def test_a_day_is_told_from_a_leak_by_a_life_of_two_days_or_by_requests(
    case: SignalSeries, told: bool
) -> None:
    """Requests do where they are steady, or cover three days with a life of one."""
    assert (daily_load_doubt(case, "given") == "") is told


@pytest.mark.parametrize(("mib_per_h", "doubted"), [(5.0, False), (1.2, True)])
def test_a_leak_is_more_than_what_follows_the_load_in_a_life_of_a_day(
    mib_per_h: float, doubted: bool
) -> None:
    """A deploy each day and 60 MiB that come and go with the requests: 29 MiB a day may be a rest of them, 120 not."""
    series = readings(168, lives=7, ratio=3)
    age_s = series.t_s % (24 * HOUR_S)
    follows = 60 * (0.5 - 0.5 * np.cos(2 * np.pi * series.t_s / (24 * HOUR_S)))
    value = (100 + follows + mib_per_h * age_s / HOUR_S) * 2**20
    doubt = leak_doubt(replace(series, value=value), mib_per_h * 2**20 / HOUR_S)
    assert bool(doubt) is doubted
    if doubted:
        assert doubt.startswith("a leak of at least 28.8 MiB within its longest life is no more than the 5")
        assert doubt.endswith("a life of two days would decide")
    assert leak_doubt(replace(readings(168, lives=3, ratio=3)), 1.0) == ""


def test_the_doubt_names_what_would_decide() -> None:
    unknown = daily_load_doubt(readings(24), "given by --requests-query")
    assert "the requests are not known" in unknown
    assert "a life of two days would decide (the longest life watched has 24.0 h)" in unknown
    assert unknown.endswith("or the requests, given by --requests-query")
    varied = daily_load_doubt(readings(24, ratio=4), "")
    assert "has 3.9 times the requests of the quietest" in varied
    assert "three days of requests with a life of one day" in varied
    assert varied.endswith("(the longest life watched has 24.0 h, the requests 24.0 h)")


def test_an_hour_without_a_request_is_not_steady() -> None:
    series = readings(24, ratio=1.0)
    series.requests[300:420] = series.requests[300]
    assert watched(series).ratio == float("inf")
    assert "more than 100 times" in daily_load_doubt(series, "")


@pytest.mark.parametrize("scrapes", [150, 179, 239, 240, 241, 269, 271])
def test_all_of_a_morning_counts(scrapes: int) -> None:
    """The last part of an hour is one of its busiest: it counts at any minute at which the run may end."""
    t_s = np.arange(0.0, scrapes) * 60.0
    requests = np.cumsum(60 * (150 + 100 * np.sin(2 * np.pi * (t_s - 2 * HOUR_S) / (24 * HOUR_S))))
    rising = watched(SignalSeries("rss_bytes", t_s, t_s * 0 + 1e8, t_s * 0, requests)).ratio
    level = watched(SignalSeries("rss_bytes", t_s, t_s * 0 + 1e8, t_s * 0, t_s * 100)).ratio
    assert rising is not None
    assert level == pytest.approx(1.0)
    first, last = np.interp([HOUR_S * 0.4, t_s[-1] - HOUR_S * 0.4], t_s[1:], np.diff(requests))
    assert rising == pytest.approx(last / first, rel=0.1)


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_readings_are_no_day(count: int) -> None:
    nothing: Numbers = np.linspace(0.0, 60.0, count)
    series = SignalSeries("rss_bytes", nothing, nothing + 1e8, nothing * 0, nothing)
    assert daily_load_doubt(series, "") != ""


def test_a_minority_of_readings_without_requests_makes_them_unknown() -> None:
    series = readings(24, ratio=1.0)
    series.requests[5] = np.nan
    assert watched(series).ratio is None


MONDAY_S = 96 * HOUR_S
"""The first midnight on a Monday of 1970 is 96 h after its first one."""


def behind_a_week_end(hours: float, until_h: float, leak: float, weekend: float = 0.5) -> SignalSeries:
    """Return memory up to an hour of a Monday, 80 MiB of which follow a day's load and ``leak`` is MiB per hour."""
    t_s = MONDAY_S + until_h * HOUR_S - np.arange(hours * HOUR_S, 0.0, -60.0)
    day = 0.5 + 0.5 * np.cos((t_s / HOUR_S - 14) / 24 * 2 * np.pi)
    load = day * np.where(t_s < MONDAY_S, weekend, 1.0)
    noise = np.abs(np.random.default_rng(3).normal(0, 2, len(t_s)))
    mib = np.ceil(200 + 80 * load + leak * (t_s - t_s[0]) / HOUR_S + noise)
    return SignalSeries("rss_bytes", t_s, mib * 2**20, t_s * 0, np.full(len(t_s), np.nan))


@pytest.mark.parametrize("hours", [48.0, 54.0, 60.0, 72.0, 120.0])
@pytest.mark.parametrize("until_h", [11.0, 14.0, 20.0])
@pytest.mark.parametrize("leak", [0.0, 2.0, 5.0])
def test_working_days_behind_a_week_end_are_told_from_a_leak_by_the_lows(
    hours: float, until_h: float, leak: float
) -> None:
    """The peaks rise in either; the rate that is stated is that of the leak, or what Monday alone looks like."""
    doubt = leak_doubt(behind_a_week_end(hours, until_h, leak), max(leak, 1.0) * 2**20 / HOUR_S)
    assert (doubt == "") is (leak > 0)
    if doubt:
        assert "the low of its last day is" in doubt
        assert doubt.endswith(
            "the requests are not known: these, or a life of a week and a day, would decide"
        )


def test_known_requests_tell_a_week_end_by_themselves() -> None:
    """In less than two days the verdict is open whatever the lows did."""
    rate = 2**20 / HOUR_S
    assert leak_doubt(behind_a_week_end(40, 14, 0.0), rate) == ""
    assert leak_doubt(replace(readings(72, ratio=3)), rate) == ""


def kept_for_a_day(hours: float, since_h: float, leak: float, seed: int = 0) -> SignalSeries:
    """Return memory from an hour of a Monday on, that holds what the last 24 h asked for, half as much at week-ends."""
    fine_h = np.arange(-24.0, 24.0 * 30, 0.1)
    asked = (0.6 + 0.4 * np.cos((fine_h - 14) / 24 * 2 * np.pi)) * np.where(fine_h // 24 % 7 >= 5, 0.5, 1.0)
    so_far = np.cumsum(asked)
    t_s = since_h * HOUR_S + np.arange(0.0, hours * HOUR_S, 300.0)
    kept = np.interp(t_s / HOUR_S, fine_h, so_far) - np.interp(t_s / HOUR_S - 24, fine_h, so_far)
    noise = np.random.default_rng(seed).normal(0, 1, len(t_s))
    mib = 150 + 60 * kept / float(np.ptp(so_far[240:480])) + leak * (t_s - t_s[0]) / HOUR_S + noise
    return SignalSeries("rss_bytes", t_s, np.ceil(mib) * 2**20, t_s * 0, np.full(len(t_s), np.nan))


@pytest.mark.parametrize(
    ("hours", "since_h"),
    [(72, 132), (84, 132), (120, 96), (132, 96), (168, 96), (240, 114), (240, 120), (336, 96)],
)
@pytest.mark.parametrize("leak", [0.0, 2.0])
def test_memory_that_a_week_end_takes_and_gives_back_is_no_leak(
    hours: float, since_h: float, leak: float
) -> None:
    """Its lows follow the load, too, but are never far above those before; a leak beside it puts them there."""
    judged = series_verdict(
        "file.csv", kept_for_a_day(hours, since_h, leak), Margin(per_s=2**20 / HOUR_S), None
    )
    assert (judged.verdict == LEAK) is (leak > 0)


@pytest.mark.parametrize("leak", [0.0, 0.3, 2.0])
def test_a_leak_that_the_beginning_of_a_week_end_hides_is_not_passed(leak: float) -> None:
    """From Friday to Sunday memory falls by what the leak adds; where the lows do not rise so, it is cleared."""
    series = kept_for_a_day(54, 96, leak)
    assert bool(no_leak_doubt(series, 2**20 / HOUR_S)) is (leak == 2.0)
    known = replace(series, requests=series.t_s * 100)
    assert no_leak_doubt(known, 2**20 / HOUR_S) == ""
    margin = Margin(per_s=2**20 / HOUR_S)
    assert series_verdict("file.csv", series, margin, None).verdict != (NO_LEAK if leak == 2.0 else LEAK)


@pytest.mark.parametrize("leak", [0.0, 2.0])
@pytest.mark.parametrize(("hours", "at_h"), [(54, 26), (72, 36), (168, 100), (240, 150)])
def test_one_step_up_is_an_event_and_no_leak_that_a_load_hides(
    hours: float, at_h: float, leak: float
) -> None:
    """As where a feature is switched on; what leaks beside it is seen."""
    flat = behind_a_week_end(hours, 14, leak, weekend=1.0)
    up = 150 * (flat.t_s >= flat.t_s[0] + at_h * HOUR_S)
    doubt = no_leak_doubt(replace(flat, value=flat.value + up * 2**20), 2**20 / HOUR_S)
    assert bool(doubt) is (leak > 0)


@pytest.mark.parametrize("leak", [0.0, 5.0])
@pytest.mark.parametrize("second_h", [24.0, 72.0])
def test_what_leaks_does_so_while_nobody_reads(leak: float, second_h: float) -> None:
    """Two mornings of one process: memory rises in each, and is as low on the second as on the first."""
    age_h = np.concatenate([np.arange(0, 5, 1 / 60), second_h + np.arange(0, 5, 1 / 60)])
    mib = 200 + 6 * (age_h % 24) + leak * age_h + np.random.default_rng(1).normal(0, 0.5, len(age_h))
    series = SignalSeries("rss_bytes", age_h * HOUR_S, mib * 2**20, age_h * 0, np.full(len(age_h), np.nan))
    assert (leak_doubt(series, max(leak, 4.0) * 2**20 / HOUR_S) == "") is (leak > 0)
    assert bool(no_leak_doubt(series, 2**20 / HOUR_S)) is (leak > 0)


def test_the_lows_are_those_of_the_longest_life_after_its_warm_up() -> None:
    """A process that was started on Saturday is low at first; a deploy before it was higher."""
    series = behind_a_week_end(96, 14, 0.0)
    life = (series.t_s > series.t_s[0] + 30 * HOUR_S).astype(float)
    age_s = series.t_s - series.t_s[life == 1][0]
    warm = np.where(life == 1, -60 * np.exp(-np.maximum(age_s, 0) / HOUR_S), 300.0)
    doubt = leak_doubt(replace(series, life=life, value=series.value + warm * 2**20), 2**20 / HOUR_S)
    assert "the low of its last day is" in doubt


@pytest.mark.parametrize(("hours", "since_h", "leak"), [(144, 84, 5.0), (156, 96, 5.0), (120, 72, 3.0)])
def test_a_leak_that_began_late_is_told_by_the_day_before(hours: float, since_h: float, leak: float) -> None:
    """Between the first day and the last it adds less than its rate would all the time."""
    flat = behind_a_week_end(hours, 14, 0.0, weekend=1.0)
    late = np.maximum(0.0, (flat.t_s - flat.t_s[0]) / HOUR_S - since_h) * leak
    assert leak_doubt(replace(flat, value=flat.value + late * 2**20), leak * 2**20 / HOUR_S) == ""
    assert leak_doubt(flat, leak * 2**20 / HOUR_S)


@pytest.mark.parametrize("gap_h", [(2, 40), (60, 87)])
def test_a_day_without_readings_in_a_long_life_is_no_error(gap_h: tuple[float, float]) -> None:
    series = behind_a_week_end(110, 14, 0.0)
    age_h = (series.t_s - series.t_s[0]) / HOUR_S
    kept = (age_h < gap_h[0]) | (age_h > gap_h[1])
    parts = (series.t_s[kept], series.value[kept], series.life[kept], series.requests[kept])
    assert "the low of its last day is" in leak_doubt(SignalSeries("rss_bytes", *parts), 2**20 / HOUR_S)


@pytest.mark.parametrize(("leak", "verdict"), [(0.0, INCONCLUSIVE), (5.0, LEAK)])
def test_memory_without_a_recording_around_it_is_judged_by_its_lows(leak: float, verdict: str) -> None:
    """That of a file of another tool, too: on the data alone both are LEAK."""
    series = behind_a_week_end(60, 14, leak)
    judged = series_verdict("file.csv", series, Margin(per_s=2**20 / HOUR_S), None)
    assert judged.verdict == verdict
    assert judged.leading is not None
    assert judged.leading.judgement.verdict == LEAK


def with_probes(hours: float, leak: float, follows: float, seed: int) -> SignalSeries:
    """Return memory from four in the morning on, ``follows`` MiB of it of a day's jobs beside steady requests."""
    t_s = np.arange(0.0, hours * HOUR_S, 60.0)
    hour = 4 + t_s / HOUR_S
    day = 1 / (1 + np.exp(-(hour - 8.5) / 0.7)) / (1 + np.exp(hour - 18))
    mib = 200 + follows * day + leak * t_s / HOUR_S + np.random.default_rng(seed).normal(0, 1, len(t_s))
    return SignalSeries("rss_bytes", t_s, np.ceil(256 * mib) * 4096, t_s * 0, t_s / 10, quantum=2.0**20)


@pytest.mark.parametrize("hours", [8.0, 16.0, 24.0])
@pytest.mark.parametrize("leak", [0.0, 4.0])
@pytest.mark.parametrize("follows", [0.0, 40.0])
def test_steady_requests_do_not_tell_a_leak_from_another_load(
    hours: float, leak: float, follows: float
) -> None:
    """A queue's jobs beside health checks: their morning is no leak, and their evening hides none."""
    for seed in range(3):
        series = with_probes(hours, leak, follows, seed)
        verdict = series_verdict("worker", series, Margin(per_s=2**20 / HOUR_S), None).verdict
        if follows:
            assert verdict != (NO_LEAK if leak else LEAK)
        elif hours > 8:
            assert verdict == (LEAK if leak else NO_LEAK)


def test_a_test_of_hours_has_the_load_that_its_requests_have() -> None:
    """In less than six hours, or a life of two days, steady requests are enough."""
    assert not may_follow_other_load(with_probes(5, 0, 0, 0))
    assert may_follow_other_load(with_probes(7, 0, 0, 0))
    assert not may_follow_other_load(with_probes(48, 0, 0, 0))
    assert not may_follow_other_load(readings(24, ratio=3))
    assert not may_follow_other_load(readings(24))
