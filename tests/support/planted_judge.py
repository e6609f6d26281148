"""A judge whose answers can be reckoned by hand: a line through the load, and a fixed share of it for the interval."""

from __future__ import annotations

import numpy as np

from analysis.judge.types import (
    INCONCLUSIVE,
    LEAK,
    NO_LEAK,
    Judgement,
    Margin,
    Numbers,
    Rate,
    SignalSeries,
    Verdict,
    Window,
)

HALF: float = 0.1
"""Half of the interval, of the margin."""


def planted_judge(
    readings: SignalSeries,
    margin: Margin,
    *,
    limit_bytes: float | None = None,
    alpha: float = 0.025,  # noqa: ARG001 - as the real judge has it
    bound_error: float = 0.05,  # noqa: ARG001
    bounded: bool | None = None,  # noqa: ARG001
    detectable: bool = True,
) -> Judgement:
    """Return LEAK for a slope above the margin, NO LEAK for one below, of the readings of the first life."""
    first = readings.life == (readings.life[0] if len(readings.life) else 0)
    per_s = _rate(readings.t_s[first], readings.value[first], margin.per_s)
    per_request = _rate(readings.requests[first], readings.value[first], margin.per_request)
    rate, least = (per_s, margin.per_s) if margin.per_request is None else (per_request, margin.per_request)
    verdict: Verdict = INCONCLUSIVE
    reason = "requests are not known"
    if rate is not None and least is not None:
        verdict, reason = (LEAK, "it grows") if rate.value > least else (NO_LEAK, "it holds its level")
    oom = None
    if verdict == LEAK and limit_bytes is not None and per_s is not None and per_s.value > 0:
        left_s = (limit_bytes - float(readings.value[-1])) / per_s.value
        oom = Window(0.9 * left_s, 1.1 * left_s)
    return Judgement(
        readings.signal,
        verdict,
        reason,
        per_s,
        per_request,
        detectable_per_s=margin.per_s / 2 if detectable and margin.per_s else None,
        detectable_per_request=margin.per_request / 2 if detectable and margin.per_request else None,
        oom=oom,
        more_s=3600.0 if verdict == INCONCLUSIVE else None,
    )


def _rate(clock: Numbers, value: Numbers, margin: float | None) -> Rate | None:
    good = np.isfinite(clock) & np.isfinite(value)
    if good.sum() < 2 or np.ptp(clock[good]) == 0:
        return None
    slope = round(float(np.polyfit(clock[good], value[good], 1)[0]), 6) + 0.0
    half = HALF * (margin or abs(slope))
    return Rate(slope, slope - half, slope + half)
