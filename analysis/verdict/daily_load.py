"""The load of a day: where nobody sent the load on purpose, memory may follow it, and a morning looks like a leak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from analysis.formatting import format_bytes, format_duration
from analysis.judge.types import Numbers, SignalSeries

HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
LIFE_ALONE_S: Final = 2 * DAY_S
"""Length of a life from which on a day is told from a leak whatever the requests were: it has come and gone twice."""
WEEK_S: Final = 7 * DAY_S
LIFE_WITH_REQUESTS_S: Final = DAY_S
"""Length of a life from which on the requests of REQUESTS_S explain what of its memory follows them."""
REQUESTS_S: Final = 3 * DAY_S
"""Time of known requests that vary, seconds, from which on they tell a day from a leak."""
TEST_S: Final = 6 * HOUR_S
"""Time up to which steady requests are those of a test, seconds: that from which on the judge tells a day's curve."""
STEADY_RATIO: Final = 1.5
"""Most requests of an hour, as a multiple of the least of another, up to which the load is steady."""
TOLERANCE: Final = 0.99
"""Share of each of these times that is enough: a window of two days holds a life of a scrape less. All of them were set
on a prototype that judged simulated days from Prometheus, not on the table of `make prometheus`."""
MOST_GAP_S: Final = 600.0
"""Time without a reading that still counts as watched, seconds; or GAP_STEPS of the usual step, if that is longer."""
GAP_STEPS: Final = 10.0
"""Usual steps without a reading that still count as watched, where that is longer."""
LEAST_PARTS: Final = 4
"""Equal parts of the time by which the load is compared at least, where it has fewer hours."""

STEP_S: Final = 3600.0
"""Time before and behind a step in which memory keeps to its level, seconds; a load takes longer to rise."""
LEAST_STEP_READINGS: Final = 5
"""Readings there, at least."""
MIN_LEAKED_SHARE: Final = 1.0
"""What leaks in the longest life, as a share of the range of the rest of its memory there, from which on it is no rest
of what follows the load. Set on the seeds 1 to 12 of `tests.prometheus`: of 144 healthy processes with a deploy each
day, 2 had been called, both with less than 0.7; 30 of 30 leaks of 5 MiB/h are called still."""
MIN_LOWS_SHARE: Final = 0.5
"""Rise of the daily low, as a share of what the leak adds meanwhile, from which on it is no working day behind a
week-end: that raises the peaks alone."""
TAIL_SHARE: Final = 0.3
"""Last share of a life whose lows do not rise by the margin where it is cleared: that which the judge wants flat."""
BEGINNING_SHARE: Final = 0.1
"""First share of a life that may be its warm-up."""
RANGE: Final = (5.0, 95.0)
"""Percentiles of memory between which its range is taken."""


@dataclass(frozen=True, slots=True)
class Watched:
    """For how long a service was watched, and how steady its load was."""

    longest_life_s: float
    """Longest life, without the time that was not read, seconds."""
    requests_s: float
    """Time with readings for which the requests are known, seconds; 0 where they are not known at every reading."""
    ratio: float | None
    """Requests of the busiest hour as a multiple of those of the quietest, inf for one without any; None where they are
    not known."""


def watched(readings: SignalSeries) -> Watched:
    """Return for how long readings were taken, and how the requests varied meanwhile."""
    read = np.isfinite(readings.value) & np.isfinite(readings.t_s)
    t_s, life, requests = readings.t_s[read], readings.life[read], readings.requests[read]
    longest_s = max((_covered_s(np.sort(t_s[life == one])) for one in np.unique(life)), default=0.0)
    if len(t_s) < 2 or not np.isfinite(requests).all():
        return Watched(longest_s, 0.0, None)
    order = np.argsort(t_s, kind="stable")
    t_s, requests = t_s[order], np.maximum.accumulate(requests[order])
    return Watched(longest_s, _covered_s(t_s), _ratio(t_s, requests))


def daily_load_doubt(readings: SignalSeries, fix: str) -> str:
    """Return why memory may follow the load of a day, and what would decide; empty where it is told from a leak.

    ``fix`` is how to give the requests where they are not known. The clause has no full stop.
    """
    found = watched(readings)
    if found.longest_life_s >= TOLERANCE * LIFE_ALONE_S:
        return ""
    life = f"the longest life watched has {format_duration(found.longest_life_s)}"
    if found.ratio is None:
        return (
            "memory may follow the load of a day, and the requests are not known: a life of two days would decide "
            f"({life}), or the requests, {fix}"
        )
    if found.ratio <= STEADY_RATIO:
        return ""
    enough = found.requests_s >= TOLERANCE * REQUESTS_S
    if enough and found.longest_life_s >= TOLERANCE * LIFE_WITH_REQUESTS_S:
        return ""
    times = "more than 100" if found.ratio > 100 else f"{found.ratio:.1f}"
    return (
        f"memory may follow the load of a day, whose busiest hour has {times} times the requests of the quietest: a "
        "life of two days would decide, or three days of requests with a life of one day "
        f"({life}, the requests {format_duration(found.requests_s)})"
    )


def leak_doubt(readings: SignalSeries, rate_per_s: float) -> str:
    """Return why a leak that was found may be the load of days, and what would decide; empty where it is not.

    Requests tell a day from a leak as far as memory follows them in proportion. What it does not is the same in every
    life of a day that begins at the same hour, and so is a leak. Where they are not known, a life of two days tells a
    day from a leak, but not a week-end from the days behind it: then the lows of its days tell. ``rate_per_s`` is the
    least leak that the interval allows, bytes per second.
    """
    found = watched(readings)
    if found.ratio is None:
        return _lows_doubt(readings, rate_per_s, found.longest_life_s)
    if found.longest_life_s >= TOLERANCE * LIFE_ALONE_S or found.ratio <= STEADY_RATIO:
        return ""
    leaked, follows = _in_longest_life(readings, rate_per_s)
    if leaked >= MIN_LEAKED_SHARE * follows:
        return ""
    return (
        f"a leak of at least {format_bytes(leaked)} within its longest life is no more than the "
        f"{format_bytes(follows)} by which memory follows the load of a day there: a life of two days would decide"
    )


def may_follow_other_load(readings: SignalSeries) -> bool:
    """Return whether requests that are steady leave open which load memory follows.

    They explain nothing of it: a health check alone may be counted, beside jobs that come with the day. In less than
    six hours the load is taken to be a test's.
    """
    found = watched(readings)
    if found.ratio is None or found.ratio > STEADY_RATIO or found.requests_s < TEST_S:
        return False
    return found.longest_life_s < TOLERANCE * LIFE_ALONE_S


def longest_watched_s(t_s: Numbers) -> float:
    """Return the longest time between two of these readings, in order, that still counts as watched, seconds."""
    return max(MOST_GAP_S, GAP_STEPS * float(np.median(np.diff(t_s)))) if len(t_s) > 1 else MOST_GAP_S


def no_leak_doubt(readings: SignalSeries, margin_per_s: float) -> str:
    """Return that memory may leak beneath a load that falls, and what would decide; empty where it does not.

    What leaks raises the lows of the days, and so does a load that rises: where the requests are not known, lows that
    rise by the margin up to the end clear nothing, but for what one step adds: that is an event. ``margin_per_s`` is in
    bytes per second.
    """
    if watched(readings).ratio is not None:
        return ""
    found = [(life, days) for life in _lives(readings) if (days := _days(*life)) is not None]
    if not found:
        return ""
    (age_s, value), days = found[-1]
    *before, last = days
    earlier = before[-max(1, round(TAIL_SHARE * len(days)))]
    apart_s, meanwhile = last.begins_s - earlier.begins_s, age_s >= earlier.begins_s
    rise = last.low - earlier.low - _step(age_s[meanwhile], value[meanwhile])
    if rise < margin_per_s * apart_s:
        return ""
    return (
        f"the low of its last day is {format_bytes(rise)} above that of {format_duration(apart_s)} "
        f"before, and a leak of the margin would add {format_bytes(margin_per_s * apart_s)} meanwhile: a load that "
        "falls may hide it, and the requests are not known: these, or a longer life, would decide"
    )


def _lows_doubt(readings: SignalSeries, rate_per_s: float, longest_life_s: float) -> str:
    """Return that the lows of the days did not rise as a leak raises them; empty where they did.

    They did in the longest life, or, where that has a week, in one of them.
    """
    is_week = longest_life_s >= TOLERANCE * WEEK_S
    lives = _lives(readings) if is_week else [_longest_life(readings)]
    found = [days for life in lives if (days := _days(*life)) is not None]
    if not found or any(_rises(days, rate_per_s) for days in found):
        return ""
    first, last = found[0][0], found[0][-1]
    apart_s = last.begins_s - first.begins_s
    more = "two weeks" if is_week else "a week and a day"
    return (
        f"the low of its last day is {format_bytes(max(last.low - first.low, 0.0))} above that of its first, and the "
        f"leak would add {format_bytes(rate_per_s * apart_s)} meanwhile: memory may follow the load of working days "
        f"behind a week-end, and the requests are not known: these, or a life of {more}, would decide"
    )


@dataclass(frozen=True, slots=True)
class _Day:
    """A day of a life, or one of two stretches of it with a hole between."""

    begins_s: float
    """Age at which it begins, seconds; of a stretch that of its first reading."""
    low: float
    """Its least memory, bytes."""


def _days(age_s: Numbers, value: Numbers) -> tuple[_Day, ...] | None:
    """Return the days of a life by their lows: the first that has settled, then those that end with the last reading.

    A life that was watched for less than two days has two where it has holes, what is before them and what is behind
    them, and else none: no low is that of a day. Days without a reading are left out.
    """
    end_s = float(age_s.max(initial=0.0))
    if _covered_s(age_s) < TOLERANCE * LIFE_ALONE_S:
        gaps = np.flatnonzero(np.diff(age_s) > longest_watched_s(age_s))
        parts = [np.arange(len(age_s)) <= gaps[0], np.arange(len(age_s)) > gaps[-1]] if len(gaps) else []
        begins = [0.0, float(age_s[gaps[-1] + 1])] if len(gaps) else []
    else:
        settled_s = min(BEGINNING_SHARE * end_s, max(0.0, end_s - 2 * DAY_S))
        begins = [settled_s, *np.arange(end_s - DAY_S, settled_s, -DAY_S)[::-1]]
        parts = [(age_s >= begin_s) & (age_s <= begin_s + DAY_S) for begin_s in begins]
    found = tuple(
        _Day(begin_s, float(value[part].min()))
        for begin_s, part in zip(begins, parts, strict=True)
        if part.any()
    )
    return found if len(found) > 1 else None


def _step(age_s: Numbers, value: Numbers) -> float:
    """Return the greatest step up: by how much all readings of the time after it are above all of that before it.

    From one reading to the next; what memory gained while nobody read is none.
    """
    if len(age_s) < 2:
        return 0.0
    apart_s = np.diff(age_s)
    count = max(LEAST_STEP_READINGS, round(STEP_S / max(float(np.median(apart_s)), 1.0)))
    memory = pd.Series(value)
    steps = (memory.rolling(count).min().shift(-count) - memory.rolling(count).max()).to_numpy()[:-1]
    return float(np.nanmax(steps[apart_s <= longest_watched_s(age_s)], initial=0.0))


def _rises(days: tuple[_Day, ...], rate_per_s: float) -> bool:
    """Return whether the lows of a life rise as a leak raises them, by a share of what it adds.

    The last is above that of the same day of the week before. In less than a week it is above all others, and by that
    above the first; or, as a leak may begin late, above all but that of the day before by what leaks in two days.
    """
    first, last, share = days[0], days[-1], MIN_LOWS_SHARE * rate_per_s
    if len(days) > 2 and last.low - max(day.low for day in days[:-2]) >= share * 2 * DAY_S:
        return last.low > days[-2].low
    week_before = [day for day in days if last.begins_s - day.begins_s >= WEEK_S]
    if week_before:
        return last.low - week_before[-1].low >= share * WEEK_S
    apart_s = last.begins_s - first.begins_s
    return last.low > max(day.low for day in days[:-1]) and last.low - first.low >= share * apart_s


def _lives(readings: SignalSeries) -> list[tuple[Numbers, Numbers]]:
    """Return the age, seconds, and the memory, bytes, of each life at its readings, in order of their ends."""
    read = np.isfinite(readings.value) & np.isfinite(readings.t_s)
    t_s, life, value = readings.t_s[read], readings.life[read], readings.value[read]
    places = [np.flatnonzero(life == one) for one in np.unique(life)]
    places = [those[np.argsort(t_s[those], kind="stable")] for those in places]
    places.sort(key=lambda those: float(t_s[those[-1]]))
    return [(t_s[those] - t_s[those[0]], value[those]) for those in places]


def _longest_life(readings: SignalSeries) -> tuple[Numbers, Numbers]:
    """Return the age, seconds, and the memory, bytes, of the longest life at its readings."""
    return max(_lives(readings), key=lambda life: float(life[0][-1]))


def _in_longest_life(readings: SignalSeries, rate_per_s: float) -> tuple[float, float]:
    """Return what leaked in the longest life, and the range of the rest of its memory once it had begun, bytes."""
    age_s, value = _longest_life(readings)
    settled = age_s >= BEGINNING_SHARE * age_s.max()
    low, high = np.percentile((value - rate_per_s * age_s)[settled], RANGE)
    return rate_per_s * float(age_s.max()), float(high - low)


def _covered_s(t_s: Numbers) -> float:
    """Return how much of the time between readings, in order, was watched, seconds."""
    steps = np.diff(t_s)
    return float(steps[steps <= longest_watched_s(t_s)].sum())


def _ratio(t_s: Numbers, requests: Numbers) -> float:
    """Return the requests of the busiest hour over those of the quietest, of the hours that were watched whole.

    All of the time counts: it is divided into equal parts of about an hour.
    """
    parts = max(LEAST_PARTS, round(float(t_s[-1] - t_s[0]) / HOUR_S))
    edges = np.linspace(t_s[0], t_s[-1], parts + 1)
    served = np.diff(np.interp(edges, t_s, requests))
    gaps = np.flatnonzero(np.diff(t_s) > longest_watched_s(t_s))
    whole = np.ones(len(served), dtype=bool)
    for at in gaps:
        whole &= (edges[1:] <= t_s[at]) | (edges[:-1] >= t_s[at + 1])
    served = served[whole]
    if not len(served) or served.max() <= 0:
        return float("inf")
    return float(served.max() / served.min()) if served.min() > 0 else float("inf")
