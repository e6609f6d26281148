"""The newest life: a release that leaks is young, and its growth looks like the warm-up of one more process."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from analysis.judge.points.binning import Points
from analysis.judge.types import Numbers, SignalSeries

MIN_POINTS: Final = 5
"""Points of a life from which on it can be judged by itself."""
LAST_SHARE: Final = 0.5
"""Last share of a life in which its growth is compared with that of others at the same age."""


def newest_life(points: Points) -> float | None:
    """Return the number of the newest life that can be judged by itself; None of one that is alone."""
    lives, counts = np.unique(points.life, return_counts=True)
    enough = lives[counts >= MIN_POINTS]
    if len(lives) == 1 or not len(enough):
        return None
    return float(max(enough, key=lambda life: float(points.t_s[points.life == life].max())))


def outgrows_others(points: Points, newest: float, margin_per_s: float) -> bool:
    """Return whether the last part of a life grows by a margin or more, beyond what another gained at that age.

    That counts as warm-up, which the other life has outlived.
    """
    end_s = float(points.age_s[points.life == newest].max())
    outlived = (
        _growth(points, life, end_s)
        for life in np.unique(points.life)
        if life != newest and points.age_s[points.life == life].max() >= end_s
    )
    return _growth(points, newest, end_s) - max((0.0, *outlived)) >= margin_per_s


def part_of(series: SignalSeries, life: float) -> SignalSeries:
    """Return the readings of one life."""
    mine = series.life == life
    return replace(
        series,
        t_s=series.t_s[mine],
        value=series.value[mine],
        life=series.life[mine],
        requests=series.requests[mine],
    )


def _growth(points: Points, life: float, end_s: float) -> float:
    """Return the median slope between the points of a life in the last part before an age (Theil 1950, Sen 1968)."""
    mine = (points.life == life) & (points.age_s >= (1 - LAST_SHARE) * end_s) & (points.age_s <= end_s)
    return _median_slope(points.age_s[mine], points.value[mine])


def _median_slope(t_s: Numbers, value: Numbers) -> float:
    first, second = np.triu_indices(len(t_s), 1)
    return (
        float(np.median((value[second] - value[first]) / (t_s[second] - t_s[first]))) if len(first) else 0.0
    )
