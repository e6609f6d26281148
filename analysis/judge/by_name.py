"""The growth of one signal per request of each name: which endpoint it follows.

A regression of what the signal gained between readings on the requests of each name between them. The readings' noise
may be independent from reading to reading, as of a level, or add up, as of a walk: both are fitted, and an interval
holds those of both. It is then wrong in at most 3% of cases with either noise or a mix of them, a unit test shows.

Memory also grows with time, or by code that all requests share. A name is named only where its rate lies above the
lowest of the others, by the interval of the difference: whatever is common to all names then names none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy.special import stdtrit

from analysis.judge.centred import centred
from analysis.judge.types import Numbers, Rate

MIN_PERIODS: Final = 8
"""Number of periods, from reading to reading within a life, from which on the growth is told apart by name."""
MORE_THAN_NAMES: Final = 3
"""Number by which the periods exceed what is fitted, at the least: with fewer the noise is not known."""
COUNTED_PERIODS: Final = 6
"""The same for a value that is counted without noise, as the blocks of a site."""
MAX_CONDITION: Final = 30.0
"""Condition number of the requests by name, columns of length 1, above which names are collinear (Belsley 1991)."""
COUNTED_CONDITION: Final = 1e4
"""The same for a value that is counted without noise, as the blocks of a site. In a constant mix the condition number
rises with the root of the requests in a period, which do such a value no harm: only names in lockstep are refused."""
MIN_SHARE: Final = 0.02
"""Share of the growth over all names that one name has, at the least, to be named."""
ROUNDING: Final = 1e-6
"""Share of a rate by which two of a value without noise may differ."""
ERROR: Final = 0.05
"""Chance that one of the intervals of all names does not hold its rate."""


@dataclass(frozen=True, slots=True)
class GrowthByName:
    """The growth per request of each name, or why it is not known."""

    rates: Mapping[str, Rate] = field(default_factory=dict)
    """By name, the highest first, in the signal's unit; the intervals hold together at 1 - error. Empty: not known."""
    follows: tuple[str, ...] = ()
    """Names that it follows: interval above 0, and that of the difference to the lowest; at least MIN_SHARE of the
    growth. Empty: no name stands out."""
    alike: bool = False
    """Whether it grows per request of every name, by a rate that all intervals hold: common code, or time."""
    reason: str = ""
    """Why it is not known, a clause; empty where it is."""

    @property
    def not_excluded(self) -> tuple[str, ...]:
        """Names that it may follow as well, where it follows some.

        Their intervals reach the lowest rate of those that it follows, or lie above 0: that may be growth of all names.
        """
        least = min((self.rates[name].value for name in self.follows), default=float("inf"))
        return tuple(
            name
            for name, rate in self.rates.items()
            if self.follows and name not in self.follows and (rate.high >= least or rate.low > 0)
        )


def growth_by_name(
    value: Numbers,
    sent: Mapping[str, Numbers],
    life: Numbers | None = None,
    *,
    held: Mapping[str, Numbers] | None = None,
    error: float = ERROR,
    max_condition: float = MAX_CONDITION,
    min_periods: int = MIN_PERIODS,
) -> GrowthByName:
    """Return by how much the signal grows per request of each name.

    ``value`` and each of ``sent``, the requests of a name so far, have one entry per reading, in order of time within
    each life; readings that are missing are left out before. ``life`` numbers the processes, whose levels are
    independent; None for one. ``held`` are the requests of a name of the last moments before each reading, to which a
    part of the value may be proportional that is no growth, such as its connections. ``error`` is the chance for all
    names together; ``max_condition`` is COUNTED_CONDITION, and ``min_periods`` COUNTED_PERIODS, for a value without
    noise.
    """
    names = [name for name, count in sent.items() if len(count) and np.ptp(count) > 0]
    if len(names) < 2:
        return GrowthByName(reason="requests have one name only" if names else "requests have no names")
    of_life = np.zeros(len(value)) if life is None else np.asarray(life, dtype=np.float64)
    same = np.diff(of_life) == 0
    count = np.column_stack([np.asarray(sent[name], dtype=np.float64) for name in names])
    gained, requests = np.diff(value)[same], np.diff(count, axis=0)[same]
    moments = np.column_stack([held[name] for name in names]) if held else np.empty((len(value), 0))
    fitted = len(names) + moments.shape[1]
    periods, needed = len(gained), max(min_periods, fitted + MORE_THAN_NAMES)
    if periods < needed:
        return GrowthByName(reason=f"{periods} periods, {needed} are needed for {len(names)} names")
    condition = float(np.linalg.cond(_unit_columns(requests)))
    if not condition <= max_condition:
        return GrowthByName(
            reason=f"the names are sent in too constant a mix (condition number {min(condition, 1e9):,.0f}, "
            f"{max_condition:,.0f} at most)"
        )
    free, tested = periods - fitted, len(names)
    design = np.hstack([count, moments])
    fits = (
        _fit(np.diff(design, axis=0)[same], gained, free, tested),
        _fit(centred(design, of_life), centred(value, of_life), free, tested),
    )
    quantile = float(stdtrit(free, 1 - error / 2 / tested))
    walk = fits[0].rate
    low = np.min([fit.rate - quantile * fit.error for fit in fits], axis=0)
    high = np.max([fit.rate + quantile * fit.error for fit in fits], axis=0)
    of_pairs = float(stdtrit(free, 1 - error / tested / (tested - 1)))
    above = np.min([fit.above(of_pairs) for fit in fits], axis=0)
    order = np.argsort(-walk, kind="stable")
    rates = {names[k]: Rate(float(walk[k]), float(low[k]), float(high[k])) for k in order}
    part = walk * requests.sum(axis=0)
    total = float(part.clip(0.0).sum())
    grows = (low > 0) & (part >= MIN_SHARE * total)
    stands_out = grows & (above > ROUNDING * float(walk.max()))
    follows = tuple(names[k] for k in order if stands_out[k])
    return GrowthByName(rates, follows, alike=not follows and bool(grows.all()))


def as_in_a_constant_mix(value: Numbers, sent: Mapping[str, Numbers], growth: GrowthByName) -> Numbers:
    """Return the value as it would be had every name been sent in its share of all requests throughout.

    So a leak of one name grows evenly while the mix rotates. Where the growth follows no name, the value is as it was.
    """
    if not growth.follows:
        return value
    steady = np.array(value, dtype=np.float64)
    total = np.sum(list(sent.values()), axis=0)
    span = float(np.ptp(total))
    for name, rate in growth.rates.items():
        share = float(np.ptp(sent[name])) / span
        steady -= rate.value * (sent[name] - sent[name][0] - share * (total - total[0]))
    return steady


@dataclass(frozen=True, slots=True)
class _Fit:
    """Coefficients of a least-squares fit."""

    rate: Numbers
    covariance: Numbers

    @property
    def error(self) -> Numbers:
        """Standard error of each."""
        return np.sqrt(np.diag(self.covariance))

    def above(self, quantile: float) -> Numbers:
        """Return by how much each is above the lowest others at least, 0 or less where it is not shown to be.

        Those are the lowest one, or the mean of the lowest two and so on, which is less noisy.
        """
        order, count = np.argsort(self.rate), len(self.rate)
        found = np.full(count, -np.inf)
        for lowest in range(1, count):
            mean = np.isin(np.arange(count), order[:lowest]) / lowest
            shared = self.covariance @ mean
            variance = np.diag(self.covariance) - 2.0 * shared + mean @ shared
            lower = self.rate - mean @ self.rate - quantile * np.sqrt(variance.clip(0.0))
            lower[order[:lowest]] = -np.inf
            found = np.maximum(found, lower)
        return found


def _fit(design: Numbers, value: Numbers, free: int, kept: int) -> _Fit:
    """Return the first ``kept`` coefficients of a least-squares fit."""
    inverse = np.linalg.pinv(design)
    found = inverse @ value
    variance = float(np.sum((value - design @ found) ** 2)) / free
    return _Fit(found[:kept], variance * inverse[:kept] @ inverse[:kept].T)


def _unit_columns(design: Numbers) -> Numbers:
    length = np.linalg.norm(design, axis=0)
    return np.asarray(design / np.where(length > 0, length, 1.0), dtype=np.float64)
