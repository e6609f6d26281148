"""Readings of one signal, cleaned and condensed to at most a few hundred points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.judge.points.load_regressors import load_of
from analysis.judge.points.outliers import without_spikes
from analysis.judge.points.sawtooth import floors
from analysis.judge.types import Numbers, SignalSeries

MAX_BINS: Final = 100
"""Of one signal: a noisy trace says no more with more of them, and the time of a judgement grows with their cube."""
MIN_BINS: Final = 3
"""Of one life: fewer say nothing of a slope beside its own level."""
ABSURD: Final = 2.0**50
"""Bytes: a pebibyte."""
LOW: Final = 0.15
"""Which quantile of its readings stands for a bin: memory has peaks, and hardly ever holes."""


@dataclass(frozen=True, slots=True)
class Points:
    """What the trend is fitted to: one point a bin, life after life, in order of time within each."""

    t_s: Numbers
    """Mean time of the bin's readings."""
    age_s: Numbers
    """Seconds since the life's first reading."""
    value: Numbers
    """Low quantile of the bin's readings, in the signal's unit."""
    life: Numbers
    requests: Numbers
    """Requests answered since the start; NaN everywhere when that is not known for all of them."""
    rate_rps: Numbers
    """Requests per second around the point; NaN likewise."""
    loads: Numbers
    """Shape (n, LAGS + WINDOWS): the load as memory may follow it; see ``load.py``."""

    mean_rps: float
    """Requests per second over all readings; NaN when not known."""

    @property
    def span_s(self) -> float:
        """From the first point to the last, seconds."""
        return float(np.ptp(self.t_s)) if len(self.t_s) else 0.0


def usable(value: Numbers) -> npt.NDArray[np.bool_]:
    """Return which values memory, or a count, can have."""
    with np.errstate(invalid="ignore"):
        return np.isfinite(value) & (value >= 0) & (value < ABSURD)


def clean(readings: SignalSeries) -> SignalSeries:
    """Return the readings that can be used: read, finite, not negative, in order of time within each life.

    Repeated rows are taken once.
    """
    t_s, value, life, requests = (
        np.asarray(column, dtype=np.float64)
        for column in (readings.t_s, readings.value, readings.life, readings.requests)
    )
    good = np.isfinite(t_s) & np.isfinite(life) & usable(value)
    order = np.lexsort((t_s[good], life[good]))
    t_s, value, life, requests = (column[good][order] for column in (t_s, value, life, requests))
    first = np.ones(len(t_s), dtype=bool)
    first[1:] = (np.diff(t_s) > 0) | (np.diff(life) != 0)
    return SignalSeries(
        readings.signal, t_s[first], value[first], life[first], requests[first], settled=readings.settled
    )


def to_points(readings: SignalSeries) -> Points:
    """Return the points of cleaned readings: low quantiles of bins of equal width, or of the floors of a sawtooth."""
    mean_rps = _mean_rps(readings)
    if not readings.settled:
        readings = floors(readings)
    t_s, life = readings.t_s, readings.life
    if len(t_s) == 0:
        return Points(t_s, t_s, t_s, t_s, t_s, t_s, np.empty((0, 0)), mean_rps)
    lives, number = np.unique(life, return_inverse=True)
    starts_s = np.array([t_s[number == k][0] for k in range(len(lives))])
    lengths_s = np.array([np.ptp(t_s[number == k]) for k in range(len(lives))])
    if readings.settled and len(t_s) <= MAX_BINS:
        key = np.arange(len(t_s))
    else:
        width_s = max(float(lengths_s.sum()) / MAX_BINS, 1e-9)
        whole = np.maximum(np.floor(lengths_s[number] / width_s + 0.5), 1)
        within = np.minimum(
            (t_s - starts_s[number]) * whole // np.maximum(lengths_s[number], 1e-9), whole - 1
        )
        key = np.unique(number * (MAX_BINS + 2.0) + within, return_inverse=True)[1]
    edges = np.flatnonzero(np.diff(key, prepend=-1))
    counts = np.diff(np.append(edges, len(key)))
    mean_t_s = np.add.reduceat(t_s, edges) / counts
    value = np.array([np.quantile(part, LOW) for part in np.split(readings.value, edges[1:])])
    requests, rate, loads = load_of(readings, mean_t_s, life[edges])
    points = Points(
        mean_t_s, mean_t_s - starts_s[number[edges]], value, life[edges], requests, rate, loads, mean_rps
    )
    return _without_short_lives(_without_spikes(points, settled=readings.settled))


def _mean_rps(readings: SignalSeries) -> float:
    """Return the requests per second from the first reading to the last; the points begin later and end earlier."""
    seen = np.isfinite(readings.requests)
    if seen.sum() < 2:
        return float("nan")
    return float(np.ptp(readings.requests[seen]) / max(float(np.ptp(readings.t_s[seen])), 1e-9))


def _without_short_lives(points: Points) -> Points:
    _, number, counts = np.unique(points.life, return_inverse=True, return_counts=True)
    return take(points, counts[number] >= MIN_BINS)


def take(points: Points, keep: npt.NDArray[np.bool_]) -> Points:
    """Return the points for which ``keep`` is true."""
    return Points(
        points.t_s[keep],
        points.age_s[keep],
        points.value[keep],
        points.life[keep],
        points.requests[keep],
        points.rate_rps[keep],
        points.loads[keep],
        points.mean_rps,
    )


def _without_spikes(points: Points, *, settled: bool) -> Points:
    value = points.value.copy()
    for life in np.unique(points.life):
        mine = points.life == life
        for width in (5,) if settled else (5, 11):
            value[mine] = without_spikes(value[mine], width)
    return replace(points, value=value)
