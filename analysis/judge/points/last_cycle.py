"""The end of a sawtooth: what rises behind its last minimum, which its lower envelope does not have."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.judge.points.outliers import robust_sigma
from analysis.judge.types import Numbers

OVERDUE: Final = 1.5
"""Length of a cycle that is not over, as a multiple of the longest before it, from which on it is none any more."""
HIGHER: Final = 1.25
"""Height of a cycle that is not over, as a multiple of the highest before it, up to which it may be one."""
NOISES: Final = 3.0
"""Robust standard deviations of the steps between readings that are no rise."""
END_SHARE: Final = 1 / 3
"""Share of a part's readings, at either of its ends, whose median is its level there."""


def rise_beyond_cycles(
    value: Numbers, t_s: Numbers, requests: Numbers, minima: npt.NDArray[np.intp]
) -> float:
    """Return how far a sawtooth rises behind its last minimum beyond what its cycles do; 0 where it does not.

    Readings of one life, and the places of its minima. What is higher than any cycle is none, nor is what still rises
    when its collection is overdue: by requests, or by time where they are not known. While little is asked for and
    nothing is collected, it may rise by what the requests explain.
    """
    last, steps = int(minima[-1]), np.diff(value)
    heights = np.maximum.reduceat(value, minima)[:-1] - value[minima[:-1]]
    behind = value[last:] - value[last]
    count = max(1, round(END_SHARE * len(behind)))
    rises = [float(np.median(behind[-count:])) - HIGHER * float(heights.max())]
    known = bool(np.isfinite(requests).all()) and np.ptp(requests) > 0
    served = requests if known else t_s
    rises.append(_rise(behind[_overdue(served, minima)]))
    if known:
        late = _overdue(t_s, minima)
        taken = np.diff(requests[minima])
        per_request = float((heights[taken > 0] / taken[taken > 0]).max(initial=0.0))
        asked = float(np.ptp(requests[last:][late])) if late.any() else 0.0
        rises.append(_rise(behind[late]) - per_request * asked)
    noise = NOISES * float(robust_sigma(steps - np.median(steps)))
    return max(0.0, max(rises) - noise)


def _overdue(clock: Numbers, minima: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Return which readings from the last minimum on are later after it than any minimum was after the one before."""
    behind = clock[minima[-1] :]
    return np.asarray(behind - behind[0] > OVERDUE * float(np.diff(clock[minima]).max()))


def _rise(part: Numbers) -> float:
    """Return by how much a part rises from its beginning to its end."""
    count = max(1, round(END_SHARE * len(part)))
    return float(np.median(part[-count:]) - np.median(part[:count])) if len(part) > 1 else 0.0
