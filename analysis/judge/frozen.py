"""Whether readings froze: a value that repeats to the end, as of what is no longer measured, hides what leaks since."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.types import Numbers, SignalSeries

MIN_SAMPLES: Final = 100
"""Equal readings up to the last one from which on they may be frozen."""
MOST_SHARE: Final = 0.1
"""Share of the time that may be frozen at its end, as it may be unread: a leak is seen before it."""
WARM_UP_SHARE: Final = 0.1
"""Share of the time in which memory may rise in a straight line to where it stays, as one that loads its data does."""
WARM_UP_S: Final = 6 * 3600.0
"""The same, seconds at most."""
STRETCHES: Final = 10
"""Multiple of the longest stretch of equal readings before, above which the last one is of another kind."""


def frozen_since(t_s: Numbers, values: Numbers) -> float | None:
    """Return since when the value is the same up to the end, seconds as in ``t_s``; None where it is not frozen.

    Both have shape (n,), in order of time; what is not finite is no reading. The value is frozen where it repeats for
    more than MOST_SHARE of the time, in MIN_SAMPLES readings or more, and in more than STRETCHES times as many as ever
    before; one that never changed is frozen from its first reading on.
    """
    read = np.isfinite(values)
    t_s, values = t_s[read], values[read]
    begins = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
    counts = np.diff(np.append(begins, len(values)))
    if not len(counts) or counts[-1] < MIN_SAMPLES:
        return None
    since_s, before = float(t_s[begins[-1]]), int(counts[:-1].max(initial=0))
    lasts = t_s[-1] - since_s > MOST_SHARE * (t_s[-1] - t_s[0]) and counts[-1] > STRETCHES * before
    return since_s if lasts or not before else None


def until_frozen(series: SignalSeries) -> SignalSeries | None:
    """Return the readings up to the moment since when they are frozen.

    None where they are not, always were, or froze so early that what came before may be no more than a warm-up.
    """
    order = np.argsort(series.t_s, kind="stable")
    t_s, value = series.t_s[order], series.value[order]
    if (since_s := frozen_since(t_s, value)) is None:
        return None
    read_s = t_s[np.isfinite(value)]
    if since_s - read_s[0] < min(WARM_UP_S, WARM_UP_SHARE * float(read_s[-1] - read_s[0])):
        return None
    return series.at(series.t_s <= since_s)
