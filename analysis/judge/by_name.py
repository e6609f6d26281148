"""The growth of one signal per request of each name: which endpoint it follows.

A regression of what the signal gained between readings on the requests of each name between them. The readings' noise
may be independent from reading to reading, as of a level, or add up, as of a walk: both are fitted, and an interval
holds those of both. It is then wrong in at most 3% of cases with either noise or a mix of them, a unit test shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy.special import stdtrit

from analysis.judge.types import Numbers, Rate

MIN_PERIODS: Final = 8
"""Number of periods, from reading to reading within a life, from which on the growth is told apart by name."""
MORE_THAN_NAMES: Final = 3
"""Number by which the periods exceed the names, at the least: with fewer the noise is not known."""
MAX_CONDITION: Final = 30.0
"""Condition number of the requests by name, columns of length 1, above which names are collinear (Belsley 1991)."""
COUNTED_CONDITION: Final = 1e4
"""The same for a value that is counted without noise, as the blocks of a site. In a constant mix the condition number
rises with the root of the requests in a period, which do such a value no harm: only names in lockstep are refused."""
MIN_SHARE: Final = 0.02
"""Share of the growth over all names that one name has, at the least, to be named."""
ERROR: Final = 0.05
"""Chance that one of the intervals of all names does not hold its rate."""


@dataclass(frozen=True, slots=True)
class GrowthByName:
    """The growth per request of each name, or why it is not known."""

    rates: Mapping[str, Rate] = field(default_factory=dict)
    """By name, the highest first, in the signal's unit; the intervals hold together at 95%. Empty: not known."""
    follows: tuple[str, ...] = ()
    """Names that it follows: interval above 0, at least MIN_SHARE of the growth. Empty: none, or all of them alike."""
    alike: bool = False
    """Whether it grows per request of every name, by a rate that all intervals hold: common code, or time."""
    reason: str = ""
    """Why it is not known, a clause; empty where it is."""


def growth_by_name(
    value: Numbers,
    sent: Mapping[str, Numbers],
    life: Numbers | None = None,
    *,
    error: float = ERROR,
    max_condition: float = MAX_CONDITION,
) -> GrowthByName:
    """Return by how much the signal grows per request of each name.

    ``value`` and each of ``sent``, the requests of a name so far, have one entry per reading, in order of time within
    each life; readings that are missing are left out before. ``life`` numbers the processes, whose levels are
    independent; None for one. ``error`` is the chance for all names together; ``max_condition`` is COUNTED_CONDITION
    for a value without noise.
    """
    names = [name for name, count in sent.items() if len(count) and np.ptp(count) > 0]
    if len(names) < 2:
        return GrowthByName(reason="requests have one name only" if names else "requests have no names")
    of_life = np.zeros(len(value)) if life is None else np.asarray(life, dtype=np.float64)
    same = np.diff(of_life) == 0
    count = np.column_stack([np.asarray(sent[name], dtype=np.float64) for name in names])
    gained, requests = np.diff(value)[same], np.diff(count, axis=0)[same]
    periods, needed = len(gained), max(MIN_PERIODS, len(names) + MORE_THAN_NAMES)
    if periods < needed:
        return GrowthByName(reason=f"{periods} periods, {needed} are needed for {len(names)} names")
    condition = float(np.linalg.cond(_unit_columns(requests)))
    if not condition <= max_condition:
        return GrowthByName(
            reason=f"the names are sent in too constant a mix (condition number {min(condition, 1e9):,.0f}, "
            f"{max_condition:,.0f} at most)"
        )
    freedom = periods - len(names)
    quantile = float(stdtrit(freedom, 1 - error / 2 / len(names)))
    walk, walk_half = _fit(requests, gained, freedom, quantile)
    level, level_half = _fit(_centred(count, of_life), _centred(value, of_life), freedom, quantile)
    low, high = (
        np.minimum(walk - walk_half, level - level_half),
        np.maximum(walk + walk_half, level + level_half),
    )
    order = np.argsort(-walk, kind="stable")
    rates = {names[k]: Rate(float(walk[k]), float(low[k]), float(high[k])) for k in order}
    part = walk * requests.sum(axis=0)
    total = float(part.clip(0.0).sum())
    named = tuple(names[k] for k in order if low[k] > 0 and part[k] >= MIN_SHARE * total)
    alike = len(named) == len(names) and float(low.max()) <= float(high.min())
    return GrowthByName(rates, () if alike else named, alike)


def _fit(design: Numbers, value: Numbers, freedom: int, quantile: float) -> tuple[Numbers, Numbers]:
    """Return the coefficients of a least-squares fit and the half widths of their intervals."""
    inverse = np.linalg.pinv(design)
    found = inverse @ value
    variance = float(np.sum((value - design @ found) ** 2)) / freedom
    return found, quantile * np.sqrt(variance * np.sum(inverse**2, axis=1))


def _unit_columns(design: Numbers) -> Numbers:
    length = np.linalg.norm(design, axis=0)
    return np.asarray(design / np.where(length > 0, length, 1.0), dtype=np.float64)


def _centred(values: Numbers, life: Numbers) -> Numbers:
    """Return the values less the mean of their life."""
    centred = np.array(values, dtype=np.float64)
    for one in np.unique(life):
        centred[life == one] -= centred[life == one].mean(axis=0)
    return centred
