"""The guard against the load of a day: what tells a day from a leak, and what would decide where nothing does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.judge.types import Numbers, SignalSeries
from analysis.verdict.daily_load import daily_load_doubt, leak_doubt, watched

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
