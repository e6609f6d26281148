"""Points that stand out from all around them: spikes, which say nothing of what is kept."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.types import Numbers

ABOVE: Final = 3.5
BELOW: Final = 5.0
"""A point so many scaled median deviations above or below its neighbours is taken for a spike."""
AT_END: Final = 1.5
"""The last points have neighbours on one side only: they have to stand out by so much more."""


def without_spikes(value: Numbers, width: int) -> Numbers:
    """Return the points of one life with spikes drawn back to the median of ``width`` (odd) points around each.

    Steps, ramps and waves stay: a spike stands out both from that median and from the middle of the points on either
    side of it, and by more than such points usually do.
    """
    if len(value) < 2 * width + 1:
        return value
    half = width // 2
    windows = np.lib.stride_tricks.sliding_window_view(value, width)
    around = np.median(windows, axis=1)
    # Half way between a point before and one as far behind: on a straight rise the point itself.
    between = np.median((windows[:, :half] + windows[:, :half:-1]) / 2, axis=1)
    own = value[half:-half]
    usual = _scale(own - between)
    high = own - np.maximum(around, between) > ABOVE * usual
    low = own - np.minimum(around, between) < -BELOW * usual
    found = value.copy()
    found[half:-half] = np.where(high | low, around, own)
    # The last points are held against the line through those before, as far as such lines told what came next; one
    # that falls may be the end of a spike.
    middle = np.median(windows[:, :half], axis=1), np.median(windows[:, half + 1 :], axis=1)
    rise = np.maximum(middle[1] - middle[0], 0.0) / (half + 1)
    ahead = around[:-half, None] + rise[:-half, None] * np.arange(half + 1, width)
    came = np.lib.stride_tricks.sliding_window_view(value[width:], half)
    off = came - ahead
    out = off[-1] > AT_END * ABOVE * np.maximum(usual, _scale(off[:-1]))
    found[-half:] = np.where(out, ahead[-1], value[-half:])
    return found


def _scale(apart: Numbers) -> Numbers:
    """Return the standard deviation that these deviations, by column, would have if they were normal."""
    return np.asarray(1.4826 * np.median(np.abs(apart), axis=0))
