"""Which requests memory follows: what is retained, regressed on the requests of each name.

In period i the level rises by the sum over names k of rate_k * requests_ik. The rates are the least squares solution
without an intercept: requests add up to the same number in many loads, so a constant could not be told from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import stdtrit

from analysis.judge.types import Numbers

MIN_PERIODS: Final = 8
"""Least number of periods between points."""
MIN_FREEDOM: Final = 2
"""Least number by which the periods exceed the names: one degree of freedom makes an interval of no use."""
MOST_CONDITION: Final = 30.0
"""Greatest condition number of the requests by name, each scaled to length 1, for levels with noise: the usual bound of
harmful collinearity (Belsley, Kuh, Welsch: Regression Diagnostics, 1980, section 3.2)."""
COUNTED_CONDITION: Final = 1e4
"""The same for levels that are counted without noise. In a constant mix it rises with the root of the requests in a
period, which make such levels no worse: only names in lockstep are to be refused."""
ERROR: Final = 0.05
"""Chance that any of the intervals misses its rate, all names together (Bonferroni)."""
ROUNDING: Final = 1e-9
"""Part of the greatest rate by which every interval is wider: where all is exact, only rounding tells a rate from 0."""


@dataclass(frozen=True, slots=True)
class NameRate:
    """What a request of one name retains, in the unit of the levels, and its interval."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RatesPerName:
    """What a request of each name retains, or why it is not known."""

    rates: tuple[NameRate, ...] = ()
    """In the order of the names; empty where they are not known."""
    why_not: str = ""
    """Why they are not known, a clause; empty where they are."""

    @property
    def retaining(self) -> tuple[NameRate, ...]:
        """Those whose interval lies above 0, the greatest first."""
        return tuple(sorted((one for one in self.rates if one.low > 0), key=lambda one: -one.value))

    @property
    def alone(self) -> str:
        """The name whose requests alone retain: the intervals of all others lie below its own; empty for none."""
        first = next(iter(self.retaining), None)
        if first is None or len(self.retaining) > 1:
            return ""
        return first.name if all(one is first or one.high < first.low for one in self.rates) else ""


def rates_per_name(
    levels: Numbers, requests: Mapping[str, Numbers], most_condition: float = MOST_CONDITION
) -> RatesPerName:
    """Return the rates by ``levels`` at points in order of time and the ``requests`` answered before each, by name.

    A point without a level (NaN) joins the periods around it. A name without a request has no rate.
    """
    good = np.isfinite(levels)
    rise = np.diff(levels[good])
    sent = {name: np.diff(counts[good]) for name, counts in requests.items()}
    sent = {name: counts for name, counts in sent.items() if counts.any()}
    if why_not := _too_few(len(rise), len(sent)):
        return RatesPerName(why_not=why_not)
    design = np.column_stack(list(sent.values())).astype(float)
    length = np.linalg.norm(design, axis=0)
    left, sizes, right = np.linalg.svd(design / length, full_matrices=False)
    if sizes[-1] * most_condition < sizes[0]:
        condition = min(1e9, float(sizes[0] / max(sizes[-1], 1e-300)))
        return RatesPerName(
            why_not=f"requests of all names rise and fall together (condition number {condition:,.0f}, at most "
            f"{most_condition:,.0f})"
        )
    inverse = (right.T / sizes) @ left.T / length[:, None]
    rate = inverse @ rise
    freedom = len(rise) - len(sent)
    variance = float(np.sum((rise - design @ rate) ** 2)) / freedom
    half = stdtrit(freedom, 1 - ERROR / 2 / len(sent)) * np.sqrt(variance * np.sum(inverse**2, axis=1))
    half = half + ROUNDING * np.max(np.abs(rate))
    return RatesPerName(
        tuple(
            NameRate(name, float(value), float(value - each), float(value + each))
            for name, value, each in zip(sent, rate, half, strict=True)
        )
    )


def _too_few(periods: int, names: int) -> str:
    """Return why so many periods decide nothing; empty where they do."""
    if not names:
        return "no requests are known by name"
    needed = max(MIN_PERIODS, names + MIN_FREEDOM)
    return f"{periods} periods, {needed} are needed for {names} names" if periods < needed else ""
