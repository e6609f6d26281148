"""The readings of one signal, cleaned and binned to at most a hundred points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.judge.points.load_regressors import load_regressors
from analysis.judge.points.outliers import cut_off_at_end, replace_outliers
from analysis.judge.points.sawtooth import lower_envelope
from analysis.judge.types import Numbers, SignalSeries

MAX_BINS: Final = 100
"""Bins of one signal over all its lives: more add nothing for a noisy trace, and the time of a fit is cubic in them."""
MIN_POINTS_PER_LIFE: Final = 3
"""Points of a life from which on it counts: fewer hold no slope beside the life's own level."""
MAX_PLAUSIBLE: Final = 2.0**50
"""Value, in the signal's unit, from which on a reading is implausible; of bytes a pebibyte."""
BIN_QUANTILE: Final = 0.15
"""Quantile of a bin's readings that stands for the bin: memory has peaks and hardly ever holes."""
OUTLIER_WIDTHS: Final = (5, 11)
"""Points around an outlier by which it is found, first the one width, then the other; at quiesce points only the
first."""


@dataclass(frozen=True, slots=True)
class Points:
    """The observations of the models, shape (n,) each but the regressors: life after life, each in order of time."""

    t_s: Numbers
    """Mean time of the bin's readings, seconds since the run's start."""
    age_s: Numbers
    """Seconds since the life's first reading."""
    value: Numbers
    """Low quantile of the bin's readings, in the signal's unit."""
    life: Numbers
    """Number of the process between two restarts."""
    requests: Numbers
    """Requests answered since the start; NaN everywhere when that is not known for all of them."""
    rate_rps: Numbers
    """Requests per second around the point; NaN likewise."""
    load_regressors: Numbers
    """Shape (n, LAGS + WINDOWS), see ``load_regressors.py``; NaN likewise."""

    mean_rps: float
    """Requests per second over all readings; NaN when not known."""
    left_out: float = 0.0
    """Share of the readings that are in no point, as their life has fewer than ``MIN_POINTS_PER_LIFE``."""
    cut_off: float = 0.0
    """How far the last point was pulled down as an outlier of which nobody has seen whether it comes back."""
    rise_at_end: float = 0.0
    """How far a sawtooth rose after its last minimum, beyond what its cycles rise: no point shows it."""

    @property
    def span_s(self) -> float:
        """Seconds from the first point to the last."""
        return float(np.ptp(self.t_s)) if len(self.t_s) else 0.0


def is_plausible(value: Numbers) -> npt.NDArray[np.bool_]:
    """Return which values memory, or a count, can have."""
    with np.errstate(invalid="ignore"):
        return np.isfinite(value) & (value >= 0) & (value < MAX_PLAUSIBLE)


def clean_series(series: SignalSeries) -> SignalSeries:
    """Return the plausible readings in order of time within each life; a repeated row counts once."""
    series = replace(
        series,
        t_s=np.asarray(series.t_s, dtype=np.float64),
        value=np.asarray(series.value, dtype=np.float64),
        life=np.asarray(series.life, dtype=np.float64),
        requests=np.asarray(series.requests, dtype=np.float64),
    )
    series = series.at(np.isfinite(series.t_s) & np.isfinite(series.life) & is_plausible(series.value))
    later, next_life = np.diff(series.t_s), np.diff(series.life)
    if not ((next_life > 0) | ((next_life == 0) & (later >= 0))).all():
        series = series.at(np.lexsort((series.t_s, series.life)))
        later, next_life = np.diff(series.t_s), np.diff(series.life)
    first = np.ones(len(series.t_s), dtype=bool)
    first[1:] = (later > 0) | (next_life != 0)
    return series.at(first)


def bin_series(series: SignalSeries) -> Points:
    """Return the points of a clean series: low quantiles of bins of equal width, over the lower envelope of a sawtooth.

    At most ``MAX_BINS`` quiesce points are points themselves. Outliers are replaced; lives with fewer than
    ``MIN_POINTS_PER_LIFE`` points are left out.
    """
    mean_rps = _mean_rps(series)
    rise_at_end = 0.0
    if not series.settled:
        series, rise_at_end = lower_envelope(series)
    t_s, life = series.t_s, series.life
    if len(t_s) == 0:
        return Points(t_s, t_s, t_s, t_s, t_s, t_s, np.empty((0, 0)), mean_rps)
    lives, number = np.unique(life, return_inverse=True)
    starts_s = np.array([t_s[number == k][0] for k in range(len(lives))])
    lengths_s = np.array([np.ptp(t_s[number == k]) for k in range(len(lives))])
    if series.settled and len(t_s) <= MAX_BINS:
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
    value = np.array([np.quantile(part, BIN_QUANTILE) for part in np.split(series.value, edges[1:])])
    requests, rate_rps, regressors = load_regressors(series, mean_t_s, life[edges])
    points = Points(
        mean_t_s,
        mean_t_s - starts_s[number[edges]],
        value,
        life[edges],
        requests,
        rate_rps,
        regressors,
        mean_rps,
        rise_at_end=rise_at_end,
    )
    return _without_short_lives(_without_outliers(points, settled=series.settled), counts)


def _mean_rps(series: SignalSeries) -> float:
    """Return the requests per second from the first reading to the last; the points begin later and end earlier."""
    seen = np.isfinite(series.requests)
    if seen.sum() < 2:
        return float("nan")
    return float(np.ptp(series.requests[seen]) / max(float(np.ptp(series.t_s[seen])), 1e-9))


def _without_short_lives(points: Points, readings: npt.NDArray[np.int64]) -> Points:
    """Return the points of the lives that count; ``readings`` is the number of readings of each point."""
    _, number, counts = np.unique(points.life, return_inverse=True, return_counts=True)
    kept = counts[number] >= MIN_POINTS_PER_LIFE
    return replace(
        points,
        t_s=points.t_s[kept],
        age_s=points.age_s[kept],
        value=points.value[kept],
        life=points.life[kept],
        requests=points.requests[kept],
        rate_rps=points.rate_rps[kept],
        load_regressors=points.load_regressors[kept],
        left_out=float(readings[~kept].sum() / readings.sum()),
    )


def _without_outliers(points: Points, *, settled: bool) -> Points:
    value = points.value.copy()
    for life in np.unique(points.life):
        mine = points.life == life
        for width in OUTLIER_WIDTHS[:1] if settled else OUTLIER_WIDTHS:
            value[mine] = replace_outliers(value[mine], width)
    last = points.life == points.life[np.argmax(points.t_s)]
    return replace(points, value=value, cut_off=cut_off_at_end(points.value[last], value[last]))
