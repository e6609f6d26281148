"""Since when a reading no longer changes, as one that nobody takes any more: a script or exporter that repeats it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

MIN_FROZEN: Final = 100
"""Samples from which on a value that no longer changes may be no measurement."""
MIN_FROZEN_SHARE: Final = 0.05
"""Share of the window above which it hides what leaked meanwhile."""
FROZEN_TIMES: Final = 10
"""Times any earlier stretch without a change above which its end is no such stretch."""


def frozen_since(t_s: Numbers, values: Numbers) -> float | None:
    """Return the seconds from which on a value is identical to the end; None where it is not frozen.

    ``t_s`` and ``values`` have shape (n,), in the order of reading; a NaN was not read and counts as no sample. The
    value is frozen where that is more than MIN_FROZEN_SHARE of the window, in MIN_FROZEN samples or more, and more
    than FROZEN_TIMES the samples of any constant stretch before. One that is constant throughout, in as many samples,
    is frozen from its start.
    """
    read = np.isfinite(values) & np.isfinite(t_s)
    t_s, values = t_s[read], values[read]
    begins = (
        np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
        if len(values)
        else np.zeros(0, int)
    )
    if not len(begins):
        return None
    last = int(begins[-1])
    samples = len(values) - last
    before = int(np.diff(begins).max(initial=0))
    is_long = t_s[-1] - t_s[last] > MIN_FROZEN_SHARE * (t_s[-1] - t_s[0])
    if samples < MIN_FROZEN or not is_long or samples <= FROZEN_TIMES * before:
        return None
    return float(t_s[last])
