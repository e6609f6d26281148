"""The minimum detectable leak: the smallest that, added to these very readings, is called a leak."""

from __future__ import annotations

from typing import Final

from analysis.judge.decide import Case, Trend
from analysis.judge.model import LEAK

CALLS: Final = 6
MOST: Final = 1e4
"""Of the margin; a leak above this is not looked for."""


def detectable(case: Case, trend: Trend, alpha: float, bounded: bool | None) -> float | None:
    """Return the smallest rate per second that is found when added, to within a tenth; None when none is."""
    t_s = case.points.t_s - case.points.t_s.min()
    bare = case.points.value - trend.rate.value * t_s

    def found(rate: float) -> bool:
        return case.decide(bare + rate * t_s, alpha, bounded).verdict == LEAK

    # The leak shifts the interval as it is, so what its ends lack is nearly the answer.
    from analysis.judge.decide import CLEARLY, RELEVANT
    half = trend.rate.value - trend.rate.low
    low = max(CLEARLY * case.margin + half, RELEVANT * case.margin)
    high = low * 1.02
    for _ in range(CALLS):
        if found(high):
            break
        low, high = high, high * 1.6
    else:
        return None
    return float(high * 1.25)
