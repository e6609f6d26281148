"""The minimum detectable leak: the smallest that, added to these very readings, is called a leak."""

from __future__ import annotations

from typing import Final

from analysis.judge.decision import CLEARLY, RELEVANT, Case
from analysis.judge.types import Rate

TRIES: Final = 6
APART: Final = 1.3
"""From one rate tried to the next."""
RESERVE: Final = 1.0
"""Found at the smallest rate means found half of the time; so much of half the interval more, nearly always."""
AT_LEAST: Final = 1.1


def detectable(case: Case) -> float | None:
    """Return the smallest rate per second that would be found; None when none of those tried is.

    The trend that was found is taken out of the points first. A leak shifts every shape's rate alike and leaves their
    weights, so the interval moves with it; what fills up is weighed anew for each rate. Changes the case.
    """
    centre = case.rate.value
    width = Rate(0.0, case.rate.low - centre, case.rate.high - centre)
    # Below the last of these the upper end is under the margin, and what is there is a leak that does not matter.
    needed = (
        CLEARLY * case.margin - width.low,
        RELEVANT * case.margin,
        case.margin - width.high,
        case.least_rate,
    )
    rate = max(needed) * 1.001
    present = centre
    for _ in range(TRIES):
        case.weigher.add_leak((rate - present) / case.unit)
        present = rate
        if case.rises_as_a_whole(rate - centre) and not case.fills():
            # Below the margin it could only be called because it is measured badly; measured better, it is passed.
            return max(rate - RESERVE * width.low, AT_LEAST * rate, case.margin)
        rate *= APART
    return None
