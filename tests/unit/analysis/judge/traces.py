"""SignalSeries with a planted truth."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.judge.types import Margin, Numbers, SignalSeries

MIB = float(1 << 20)
MARGIN_PER_S = MIB / 3600
MARGIN = Margin(per_s=MARGIN_PER_S)
HOUR_S = 3600.0


def clock(hours: float = 4.0, tick_s: float = 10.0) -> Numbers:
    """Return the times of a run, seconds."""
    return np.arange(0.0, hours * HOUR_S, tick_s)


def noise(t_s: Numbers, seed: int, deviation_mib: float = 0.3, keep: float = 0.9) -> Numbers:
    """Return AR(1) noise in bytes."""
    shocks = np.random.default_rng(seed).normal(0, deviation_mib * MIB * np.sqrt(1 - keep**2), len(t_s))
    series = np.zeros(len(t_s))
    for k in range(1, len(t_s)):
        series[k] = keep * series[k - 1] + shocks[k]
    return series


def readings(
    t_s: Numbers,
    value: Numbers,
    *,
    life: Numbers | None = None,
    requests: Numbers | None = None,
    signal: str = "uss_bytes",
    settled: bool = False,
    quantum: float = 0.0,
) -> SignalSeries:
    """Return readings of one life and of unknown requests, unless they are given."""
    return SignalSeries(
        signal,
        t_s,
        value,
        np.ones(len(t_s)) if life is None else life,
        np.full(len(t_s), np.nan) if requests is None else requests,
        settled=settled,
        quantum=quantum,
    )


def points(
    count: int,
    per_request: float,
    seed: int,
    *,
    noise_bytes: float = 5e3,
    fill_bytes: float = 0.0,
    full_at: float = 0.4,
) -> SignalSeries:
    """Return quiesce points of live bytes, one each 15 s at 150 requests/s; the first is still warming up."""
    chance = np.random.default_rng(seed)
    requests = np.cumsum(chance.poisson(150 * 15, count)).astype(float)
    value = 45e6 + per_request * requests + chance.normal(0, noise_bytes, count)
    value += fill_bytes * np.minimum(requests / requests[-1] / full_at, 1.0)
    value[0] -= 2e6
    return readings(
        np.arange(count, dtype=np.float64) * 15.0, value, requests=requests, signal="live_bytes", settled=True
    )


def frame(t_s: Numbers, rss: Numbers, **columns: Numbers) -> pd.DataFrame:
    """Return a recording from elsewhere with the margin of these tests."""
    made = pd.DataFrame({"time_s": t_s, "rss_bytes": rss, **columns})
    made.attrs["margin_bytes_per_s"] = MARGIN_PER_S
    return made
