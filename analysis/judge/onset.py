"""Since when one signal grows: the first second at which its growth lies above the noise, with an interval.

A level up to an onset and a straight line from there on, by requests where they are known, is fitted to the points of
the judge, each life with a level of its own. The interval has every onset that fits as well (profile likelihood, an F
test of both the onset and the rate, with as many independent points as the residuals have), widened to whole readings.
Planted onsets with noise of correlation up to 0.5 are said to be later than they are in at most 5% of cases, and so is
a leak from the first reading on; a unit test shows it.

Growth that is no such line, as one that accelerates, begins between the first reading of a life and the first point
from which on that life stays above it by ABOVE_NOISE times the noise between neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import fdtri

from analysis.judge.centred import centred
from analysis.judge.points.binning import bin_series, clean_series
from analysis.judge.types import Numbers, SignalSeries

ERROR: Final = 0.05
"""Chance that the interval does not hold the onset."""
PER_GAP: Final = 8
"""Onsets that are tried between two points."""
NORMAL_MEDIAN: Final = 0.6745
"""Median of the absolute deviations of a normal distribution, in its standard deviations."""
MIN_ONSET_POINTS: Final = 6
"""Points from which on an onset is looked for."""
MOST_CORRELATION: Final = 0.95
"""Correlation of neighbouring residuals that is assumed at most."""
ABOVE_NOISE: Final = 8.0
"""Standard deviations of the noise between neighbouring points above which growth is none of it: 8 are 2 of noise with
a correlation of 0.8 between two points."""
ROUNDING: Final = 1e-12
"""Share of the sum of squares that is rounding."""


@dataclass(frozen=True, slots=True)
class Onset:
    """When a signal begins to grow, ``t_s``; the interval is of 95%."""

    since_s: float
    low_s: float
    high_s: float
    from_the_first: bool
    """Whether it may have grown from the first reading on: ``low_s`` is that."""


def find_onset(readings: SignalSeries) -> Onset | None:
    """Return since when the signal grows; None where that is not clear, as of one that may not grow at all."""
    points = bin_series(clean_series(readings))
    if len(points.t_s) < MIN_ONSET_POINTS:
        return None
    clock = points.requests if np.isfinite(points.requests).all() else points.t_s
    order = np.argsort(points.t_s, kind="stable")
    clock, t_s, value, life = clock[order], points.t_s[order], points.value[order], points.life[order]
    if clock[-1] <= clock[0]:
        return None
    places = np.linspace(0, len(clock) - 1, PER_GAP * (len(clock) - 1) + 1)
    onsets = np.interp(places, np.arange(len(clock)), clock)
    squares, rest = _fits(clock, centred(value, life), onsets, life)
    best = int(squares.argmin())
    free = max(_independent(rest[:, best], life) - len(np.unique(life)) - 2, 1.0)
    bound = squares[best] * (1 + 2 * float(fdtri(2, free, 1 - ERROR)) / free) + ROUNDING * squares[-1]
    fitting = np.flatnonzero(squares <= bound)
    if fitting[-1] == len(onsets) - 1:  # an onset at the last reading: no such line, or no growth at all
        return _first_above(t_s, value, life)
    low, high = int(np.floor(places[fitting[0]])), int(np.ceil(places[fitting[-1]]))
    since_s = float(np.interp(places[best], np.arange(len(t_s)), t_s))
    return Onset(since_s, float(t_s[low]), float(t_s[high]), from_the_first=low == 0)


def _first_above(t_s: Numbers, value: Numbers, life: Numbers) -> Onset | None:
    """Return the onset of the first life that stays above the noise: between its first reading and that point."""
    parts = [value[life == one] for one in np.unique(life)]
    second = np.concatenate([np.diff(part, n=2) for part in parts])
    if not len(second):
        return None
    noise = float(np.median(np.abs(second))) / NORMAL_MEDIAN / np.sqrt(6)
    for one, part in zip(np.unique(life), parts, strict=True):
        above = part > part[0] + ABOVE_NOISE * noise
        stays = np.flatnonzero(~above)[-1] + 1
        if stays < len(part):
            times = t_s[life == one]
            return Onset(
                float(times[stays]), float(times[0]), float(times[stays]), from_the_first=one == life[0]
            )
    return None


def _fits(clock: Numbers, value: Numbers, onsets: Numbers, life: Numbers) -> tuple[Numbers, Numbers]:
    """Return the sum of squares that each onset leaves, and what it leaves, shape (points, onsets)."""
    grown = centred(np.maximum(clock[:, None], onsets) - clock[0], life)
    length = np.sum(grown**2, axis=0)
    rate = np.maximum(value @ grown / np.where(length > 0, length, 1.0), 0.0)
    rest = value[:, None] - grown * rate
    return np.sum(rest**2, axis=0), rest


def _independent(rest: Numbers, life: Numbers) -> float:
    """Return how many independent points residuals are worth; their correlation is corrected for its bias (Kendall)."""
    total = float(np.sum(rest**2))
    together = float(np.sum((rest[1:] * rest[:-1])[np.diff(life) == 0]))
    found = (together / total if total > 0 else 0.0) * (1 + 4 / len(rest)) + 1 / len(rest)
    correlation = min(max(found, 0.0), MOST_CORRELATION)
    return len(rest) * (1 - correlation) / (1 + correlation)
