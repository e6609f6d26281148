"""The minimum detectable effect: the smallest leak that, added to these very readings, is called a leak."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from analysis.judge.case import Case
from analysis.judge.decision import MIN_LEAK_SHARE, MIN_LOW_END_SHARE, rises_late_only, saturates

MAX_TRIES: Final = 6
"""Rates that are tried."""
RATE_RATIO: Final = 1.3
"""Ratio of a rate that is tried to the one before."""
POWER_RESERVE: Final = 1.0
"""Lower half of the interval, times this, that is added to the smallest rate called: that one is called half of the
time, one above it by half an interval nearly always."""
MIN_RESERVE_RATIO: Final = 1.1
"""Ratio of the stated rate to the smallest one called, at the least."""


def minimum_detectable_rate(case: Case) -> float | None:
    """Return the smallest leak rate, in the signal's unit per second, that would be called; None if none tried is.

    The trend that was found is taken out of the points first. A leak shifts every model's rate alike and leaves their
    weights, so the interval moves with it; saturation is weighed anew for each rate.
    """
    margin_per_s, found = case.margin_per_s, case.rate.value
    below, above = found - case.rate.low, case.rate.high - found
    # Under the margin less the upper half of the interval it would be passed as a leak that does not matter.
    rate = 1.001 * max(
        MIN_LOW_END_SHARE * margin_per_s + below,
        MIN_LEAK_SHARE * margin_per_s,
        margin_per_s - above,
    )
    present = found
    for _ in range(MAX_TRIES):
        case = replace(case, fitter=case.fitter.with_leak((rate - present) / case.unit_per_s))
        present = rate
        if not rises_late_only(case, rate - found) and not saturates(case):
            # Below the margin it could only be called because it is measured badly; measured better, it is passed.
            return max(rate + POWER_RESERVE * below, MIN_RESERVE_RATIO * rate, margin_per_s)
        rate *= RATE_RATIO
    return None
