"""Judge one signal: clean it, condense it, explain it, decide."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.decision import RELEVANT, Case, Trend
from analysis.judge.minimum_detectable import detectable as find_detectable
from analysis.judge.points.binning import Points, clean, to_points, usable
from analysis.judge.reasons import reason
from analysis.judge.types import INCONCLUSIVE, Judgement, Margin, Rate, SignalSeries, Window

MIN_READINGS: Final = 12
"""Of a signal that is not settled: fewer are no trace."""
MIN_POINTS: Final = 5
"""Floors of a sawtooth, or bins."""
MIN_SETTLED: Final = 6
UNUSABLE: Final = 0.2
"""When this share of what was read is negative or absurd, the rest is not to be trusted either."""
ARENA_BYTES: Final = 2.0**20
"""What Python's allocator takes at a time (since 3.10), and any process may take now and then."""
BLOCK_BYTES: Final = 64.0
"""The usual size of a live block."""
PAGE_BYTES: Final = 4096.0
"""Noise below a page (two, where the kernel counts) is none that a reading could show; of a count, half of one."""


def judge(
    readings: SignalSeries,
    margin: Margin,
    *,
    limit_bytes: float | None = None,
    alpha: float = 0.025,
    bounded: bool | None = None,
    detectable: bool = True,
) -> Judgement:
    """Return the verdict on one signal; whatever is wrong with the readings is INCONCLUSIVE with its reason.

    ``limit_bytes`` is where the signal would end in an OOM kill. ``alpha`` is the chance that the leak lies below the
    interval's lower end; who judges several signals, or looks several times, divides it among them. ``bounded`` is what
    a gauge says of what the target keeps: False that it still grows, so that growth of memory is not yet a leak; True
    that it has stopped; None that nothing is known. ``detectable`` is whether to find the minimum detectable leak,
    which takes as long again.
    """
    if wrong := _wrong(readings, margin):
        return Judgement(readings.signal, INCONCLUSIVE, wrong)
    used = clean(readings)
    points = to_points(used)
    least = MIN_SETTLED if readings.settled else MIN_POINTS
    if (
        len(points.t_s) < least
        or points.span_s <= 0
        or (not readings.settled and len(used.t_s) < MIN_READINGS)
    ):
        what = "points" if readings.settled else "readings of lives that lasted"
        return Judgement(
            readings.signal, INCONCLUSIVE, f"too few {what}: {min(len(used.t_s), len(points.t_s))}"
        )
    mean_rps = points.mean_rps if np.isfinite(points.requests).all() else 0.0
    if margin.per_s is None and mean_rps <= 0:
        return Judgement(
            readings.signal, INCONCLUSIVE, "the margin is per request, and no requests are known"
        )
    margin_per_s = margin.per_s if margin.per_s is not None else (margin.per_request or 0.0) * mean_rps
    floor = PAGE_BYTES * (1 if readings.settled else 2) if readings.signal.endswith("bytes") else 0.5
    case = Case(points, margin_per_s, floor, _little(readings), alpha, bounded, settled=readings.settled)
    trend = case.trend()
    more_s = _more_s(trend, points, margin_per_s) if trend.verdict == INCONCLUSIVE else None
    smallest = find_detectable(case) if detectable else None
    return Judgement(
        signal=readings.signal,
        verdict=trend.verdict,
        reason=reason(
            trend, readings.signal, margin_per_s, mean_rps if margin.per_request is not None else None, more_s
        ),
        per_s=trend.rate,
        per_request=_scaled(trend.rate, 1 / mean_rps) if mean_rps > 0 else None,
        detectable_per_s=smallest,
        detectable_per_request=smallest / mean_rps if smallest is not None and mean_rps > 0 else None,
        oom=oom_window(used, trend.rate, limit_bytes) if limit_bytes and trend.rate.low > 0 else None,
        more_s=more_s,
        steady_from_s=trend.steady_from_s,
    )


def _little(readings: SignalSeries) -> float:
    """Return the growth that says nothing of how it goes on: less than an arena, of what is read under load."""
    if readings.settled:
        return 0.0
    if readings.signal == "live_blocks":
        return ARENA_BYTES / BLOCK_BYTES
    return ARENA_BYTES if readings.signal.endswith("bytes") else 0.0


def _wrong(readings: SignalSeries, margin: Margin) -> str | None:
    """Return what forbids any judgement, in words; None when nothing does."""
    given = margin.per_s if margin.per_s is not None else margin.per_request
    if given is None or not np.isfinite(given) or given <= 0:
        return "the margin is no positive number"
    t_s, life, value = (
        np.asarray(part, dtype=np.float64) for part in (readings.t_s, readings.life, readings.value)
    )
    read = np.isfinite(value) & np.isfinite(t_s) & np.isfinite(life)
    if not read.any():
        return "nothing was read"
    for one in np.unique(life[read]):
        if (np.diff(t_s[read & (life == one)]) < 0).any():
            return "time goes backwards"
    bad = int((np.isfinite(t_s) & ~usable(value) & ~np.isnan(value)).sum())
    if bad > UNUSABLE * int(read.sum()):
        return f"{bad} of its values are negative or absurd"
    return None


def _scaled(rate: Rate, by: float) -> Rate:
    return Rate(rate.value * by, rate.low * by, rate.high * by)


def _more_s(trend: Trend, points: Points, margin_per_s: float) -> float | None:
    """Return how much longer the run should have been: an interval shrinks about as fast as a run grows.

    It has to become as narrow as what lies between the rate and the nearer of what would decide.
    """
    rate = trend.rate
    half = max(rate.high - rate.value, rate.value - rate.low)
    room = max(margin_per_s - rate.value, rate.value - RELEVANT * margin_per_s, 0.1 * margin_per_s)
    if trend.why == "gauge":
        return None
    return max(half / room - 1, 0.5) * points.span_s


def oom_window(readings: SignalSeries, rate: Rate, limit: float) -> Window:
    """Return from when to when the limit may be met, seconds after the last reading.

    The earliest is from the highest level of the last readings at the highest rate, the latest from their lowest at the
    lowest rate; ``rate`` is per second. A limit that is already met gives 0, a rate that may be nothing gives inf.
    """
    last = readings.life == readings.life[np.argmax(readings.t_s)]
    t_s, value = readings.t_s[last], readings.value[last]
    recent = t_s >= t_s[-1] - 0.3 * np.ptp(t_s)
    ahead = value[recent] + rate.value * (t_s[-1] - t_s[recent])
    low, high = np.percentile(ahead, [5, 99])
    earliest = max(limit - float(high), 0.0) / rate.high if rate.high > 0 else np.inf
    latest = max(limit - float(low), 0.0) / rate.low if rate.low > 0 else np.inf
    return Window(float(earliest), float(latest))
