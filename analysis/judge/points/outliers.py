"""Outliers of a series by the Hampel identifier: spikes, of which nothing is retained."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.types import Numbers

SIGMA_PER_MEDIAN: Final = 1.4826
"""Standard deviation of a normal distribution around 0 in units of the median of its absolute values (Hampel 1974)."""
MAX_SIGMAS_ABOVE: Final = 3.5
"""Robust standard deviations above its neighbours from which on a point is an outlier."""
MAX_SIGMAS_BELOW: Final = 5.0
"""Robust standard deviations below its neighbours from which on a point is an outlier."""
END_FACTOR: Final = 1.5
"""Factor on ``MAX_SIGMAS_ABOVE`` for the last points of a life, which have neighbours on one side only."""
SAME_SPIKE_SHARE: Final = 0.5
"""Share of the height of a spike that another has at least, to be one of its kind."""


def robust_sigma(deviations: Numbers) -> Numbers:
    """Return 1.4826 * median(abs(deviations)) by column: their standard deviation if they are normal (Hampel 1974)."""
    return np.asarray(SIGMA_PER_MEDIAN * np.median(np.abs(deviations), axis=0))


def replace_outliers(value: Numbers, width: int) -> Numbers:
    """Return the points of one life, shape (n,), with outliers replaced by the median of ``width`` (odd) points around.

    A Hampel filter with a second condition, so that steps, ramps and waves stay: an outlier is far from that median and
    from the middle between the points on either side, measured by the robust standard deviation of such distances.
    """
    if len(value) < 2 * width + 1:
        return value
    half = width // 2
    windows = np.lib.stride_tricks.sliding_window_view(value, width)
    around = np.median(windows, axis=1)
    # Half way between a point before and one as far behind: on a straight rise the point itself.
    between = np.median((windows[:, :half] + windows[:, :half:-1]) / 2, axis=1)
    inner = value[half:-half]
    sigma = robust_sigma(inner - between)
    high = inner - np.maximum(around, between) > MAX_SIGMAS_ABOVE * sigma
    low = inner - np.minimum(around, between) < -MAX_SIGMAS_BELOW * sigma
    filtered = value.copy()
    filtered[half:-half] = np.where(high | low, around, inner)
    # The last points are compared with the line through the points before, by the error of such predictions elsewhere.
    # A falling line is taken as level: the fall may be the end of a spike.
    left, right = np.median(windows[:, :half], axis=1), np.median(windows[:, half + 1 :], axis=1)
    rise = np.maximum(right - left, 0.0) / (half + 1)
    predicted = around[:-half, None] + rise[:-half, None] * np.arange(half + 1, width)
    errors = np.lib.stride_tricks.sliding_window_view(value[width:], half) - predicted
    high = errors[-1] > END_FACTOR * MAX_SIGMAS_ABOVE * np.maximum(sigma, robust_sigma(errors[:-1]))
    filtered[-half:] = np.where(high, predicted[-1], value[-half:])
    return filtered


def cut_off_at_end(value: Numbers, filtered: Numbers) -> float:
    """Return how far the last point of one life was pulled down, where no spike before it was like that; else 0.

    Nobody has seen whether it comes back: it may be a spike, or the beginning of what stays. One that is half as high
    or more, as long and came back shows that the service has such spikes.
    """
    cut = value - filtered
    if cut[-1] <= 0:
        return 0.0
    edges = np.flatnonzero(np.diff(cut > 0, prepend=False, append=False))
    *before, last = zip(edges[::2], edges[1::2], strict=True)
    height, length = float(cut[last[0] :].max()), last[1] - last[0]
    alike = (
        end - start >= length and float(cut[start:end].max()) >= SAME_SPIKE_SHARE * height
        for start, end in before
    )
    return 0.0 if any(alike) else float(cut[-1])
