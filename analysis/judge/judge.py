"""Judge one signal."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.bins import clean, to_points
from analysis.judge.decide import CLEARLY, RELEVANT, Case
from analysis.judge.detectable import detectable as find_detectable
from analysis.judge.model import INCONCLUSIVE, LEAK, Judgement, Margin, Rate, Readings
from analysis.judge.oom import oom_window

MIN_POINTS: Final = 5
MIN_SETTLED: Final = 5


def judge(
    readings: Readings,
    margin: Margin,
    *,
    limit_bytes: float | None = None,
    alpha: float = 0.05,
    bounded: bool | None = None,
    detectable: bool = True,
) -> Judgement:
    """Return the verdict on one signal."""
    def unknown(reason: str) -> Judgement:
        return Judgement(readings.signal, INCONCLUSIVE, reason)

    used = clean(readings)
    points = to_points(used)
    least = MIN_SETTLED if readings.settled else MIN_POINTS
    if len(points.t_s) < least:
        return unknown(f"too few readings: {len(points.t_s)} points, at least {least} are needed")
    total = float(np.ptp(points.requests)) if np.isfinite(points.requests).all() else 0.0
    mean_rps = total / points.span_s
    if margin.per_s is not None:
        margin_per_s = margin.per_s
    elif margin.per_request is not None and mean_rps > 0:
        margin_per_s = margin.per_request * mean_rps
    else:
        return unknown("a margin per request, but no requests")
    case = Case(points, margin_per_s)
    trend = case.decide(points.value, alpha, bounded)
    rate = trend.rate
    per_request = Rate(*(end / mean_rps for end in (rate.value, rate.low, rate.high))) if mean_rps > 0 else None
    smallest = find_detectable(case, trend, alpha, bounded) if detectable else None
    oom = None
    if limit_bytes is not None and rate.low > 0:
        oom = oom_window(used, rate, limit_bytes)
    more_s = None
    if trend.verdict == INCONCLUSIVE:
        half = max(rate.high - rate.value, rate.value - rate.low)
        room = max(margin_per_s - rate.value, rate.value - max(CLEARLY, RELEVANT) * margin_per_s, 0.1 * margin_per_s)
        more_s = max(half / room - 1, 0.25) * points.span_s
    return Judgement(
        readings.signal, trend.verdict, trend.why, rate, per_request, smallest,
        smallest / mean_rps if smallest is not None and mean_rps > 0 else None,
        oom if trend.verdict == LEAK else None, more_s, trend.steady_from_s,
    )
