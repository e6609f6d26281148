"""The load as memory may follow it: the request rate, a little later, or all requests of the last while."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.types import Numbers, SignalSeries

LAGS: Final = (0.0, 0.004, 0.01, 0.02, 0.045)
"""How much later than the request rate memory may move, in shares of the run: exponential averages."""
WINDOWS: Final = (0.01, 0.02, 0.05, 0.1, 0.16, 0.25, 0.35)
"""For how long what a request left may be held, in shares of the run; none from before the life began."""
GRID: Final = 2000


def load_of(readings: SignalSeries, t_s: Numbers, life: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return, for points at ``t_s``: requests so far, requests per second, and the load by LAGS and WINDOWS.

    All are NaN when fewer than two counts are known. The load has a mean of the order of 1.
    """
    done = readings.requests
    seen = np.isfinite(done)
    columns = len(LAGS) + len(WINDOWS)
    if seen.sum() < 2 or np.ptp(done[seen]) <= 0 or len(t_s) < 2:
        known = 0.0 if seen.sum() >= 2 else np.nan
        return np.full(len(t_s), known), np.full(len(t_s), known), np.full((len(t_s), columns), np.nan)
    order = np.flatnonzero(seen)[np.argsort(readings.t_s[seen], kind="stable")]
    grid_s = np.linspace(readings.t_s[order[0]], readings.t_s[order[-1]], GRID)
    so_far = np.interp(grid_s, readings.t_s[order], np.maximum.accumulate(done[order]))
    span_s, total = grid_s[-1] - grid_s[0], so_far[-1] - so_far[0]
    per_step = np.diff(so_far, prepend=so_far[0] - (so_far[1] - so_far[0])) / total * (GRID - 1)
    half_s = 0.5 * float(np.median(np.abs(np.diff(t_s))))

    def around(column: Numbers) -> Numbers:
        """Average a column of the grid over each point's bin."""
        summed = np.concatenate([[0.0], np.cumsum(column)])
        edges = np.linspace(0, GRID, GRID + 1)
        low, high = (
            np.clip((t_s + side - grid_s[0]) / span_s, 0, 1) * (GRID - 1) for side in (-half_s, half_s)
        )
        high = np.maximum(high + 1, low + 1)
        return np.asarray((np.interp(high, edges, summed) - np.interp(low, edges, summed)) / (high - low))

    requests = np.interp(t_s, grid_s, so_far)
    rate = around(per_step)
    loads = [rate]
    for lag in LAGS[1:]:
        kernel = np.exp(-np.arange(int(5 * lag * GRID) + 1) / (lag * GRID))
        padded = np.concatenate([np.full(len(kernel) - 1, per_step[0]), per_step])
        loads.append(around(np.convolve(padded, kernel / kernel.sum(), mode="valid")))
    starts_s = {each: float(readings.t_s[readings.life == each].min()) for each in np.unique(life)}
    start_s = np.array([starts_s[each] for each in life])
    for window in WINDOWS:
        since_s = np.maximum(t_s - window * span_s, start_s)
        loads.append((requests - np.interp(since_s, grid_s, so_far)) / total / window)
    return requests, rate * total / span_s, np.stack(loads, axis=1)
