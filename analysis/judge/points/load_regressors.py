"""Load regressors: the request rate, lagged or summed over a time to live, as memory may follow it."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.types import Numbers, SignalSeries

LAGS: Final = (0.0, 0.004, 0.01, 0.02, 0.045)
"""Time constants of the exponential averages of the request rate, in shares of the run; 0 is the rate itself."""
WINDOWS: Final = (0.01, 0.02, 0.05, 0.1, 0.16, 0.25, 0.35)
"""Times for which what a request left may be retained, in shares of the run; requests of an earlier life count for
nothing."""
GRID_POINTS: Final = 2000
"""Equal time steps of the run on which the request rate is averaged."""


def load_regressors(series: SignalSeries, t_s: Numbers, life: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return, for n points at ``t_s``: requests so far, requests per second, and the regressors.

    Shapes (n,), (n,) and (n, LAGS + WINDOWS); regressors have a mean of the order of 1. All are NaN where fewer than
    two request counts are known.
    """
    seen = np.isfinite(series.requests)
    columns = len(LAGS) + len(WINDOWS)
    if seen.sum() < 2 or np.ptp(series.requests[seen]) <= 0 or len(t_s) < 2:
        constant = 0.0 if seen.sum() >= 2 else np.nan
        return (
            np.full(len(t_s), constant),
            np.full(len(t_s), constant),
            np.full((len(t_s), columns), np.nan),
        )
    order = np.flatnonzero(seen)[np.argsort(series.t_s[seen], kind="stable")]
    grid_s = np.linspace(series.t_s[order[0]], series.t_s[order[-1]], GRID_POINTS)
    so_far = np.interp(grid_s, series.t_s[order], np.maximum.accumulate(series.requests[order]))
    span_s, total = grid_s[-1] - grid_s[0], so_far[-1] - so_far[0]
    per_step = np.diff(so_far, prepend=so_far[0] - (so_far[1] - so_far[0])) / total * (GRID_POINTS - 1)
    half_s = 0.5 * float(np.median(np.abs(np.diff(t_s))))

    def bin_mean(column: Numbers) -> Numbers:
        """Average a column of the grid over each point's bin."""
        summed = np.concatenate([[0.0], np.cumsum(column)])
        edges = np.linspace(0, GRID_POINTS, GRID_POINTS + 1)
        low, high = (
            np.clip((t_s + side - grid_s[0]) / span_s, 0, 1) * (GRID_POINTS - 1) for side in (-half_s, half_s)
        )
        high = np.maximum(high + 1, low + 1)
        return np.asarray((np.interp(high, edges, summed) - np.interp(low, edges, summed)) / (high - low))

    requests = np.interp(t_s, grid_s, so_far)
    rate = bin_mean(per_step)
    regressors = [rate]
    for lag in LAGS[1:]:
        kernel = np.exp(-np.arange(int(5 * lag * GRID_POINTS) + 1) / (lag * GRID_POINTS))
        padded = np.concatenate([np.full(len(kernel) - 1, per_step[0]), per_step])
        regressors.append(bin_mean(np.convolve(padded, kernel / kernel.sum(), mode="valid")))
    starts_s = {each: float(series.t_s[series.life == each].min()) for each in np.unique(life)}
    start_s = np.array([starts_s[each] for each in life])
    for window in WINDOWS:
        since_s = np.maximum(t_s - window * span_s, start_s)
        regressors.append((requests - np.interp(since_s, grid_s, so_far)) / total / window)
    return requests, rate * total / span_s, np.stack(regressors, axis=1)
