"""Change points: with which run a figure went to another level.

Binary segmentation (Vostrikova 1981) with a permutation test for each split, as in E-divisive means (Matteson and James
2014). The statistic of a split is the weighted sum of squares between the two sides; it is maximal at the split that is
tested. Weights are 1 / (s_i^2 + tau^2): s_i is the error of run i by its interval, tau^2 the spread between runs beyond
these (DerSimonian and Laird 1986). Where no run differs from another, pairs of figure and error are exchangeable, so
the test is exact whatever their distribution is; weights only decide how much it finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from analysis.judge.types import Numbers

FALSE_ALARM: Final = 0.01
"""Chance that a figure which never changed, its runs independent of each other, is given a change."""
LEAST_RUNS: Final = 10
"""Runs below which no change is searched for: of fewer, no order is so rare that FALSE_ALARM allows it."""
LEAST_EACH: Final = 3
"""Runs on each side of a change: a single one may be an outlier."""
PERMUTATIONS: Final = 19_999
"""Random orders that the order found is compared with; the error of a p of FALSE_ALARM is then 0.0007."""
LEAST_ERROR: Final = 0.1
"""Least error of a run, as a share of the median of all: none is trusted without bounds."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of level."""

    at: int
    """Position of the first reading after it."""
    before: float
    """Weighted mean since the change before it, or since the first reading."""
    after: float
    """Weighted mean up to the next change, or up to the last reading."""
    p: float
    """Share of random orders with a change as large as this one."""


def change_points(
    values: Numbers,
    errors: Numbers,
    *,
    least: float = 0.0,
    false_alarm: float = FALSE_ALARM,
    permutations: int = PERMUTATIONS,
    seed: int = 1,
) -> tuple[Change, ...]:
    """Return the changes of ``values``, in their order; ``errors`` are standard errors, 0 where none is known.

    Both are finite and in the order of the runs. A change by less than ``least`` is none. Every stretch between two
    changes that has LEAST_RUNS is searched again. The same values have the same changes: the random orders depend on
    ``seed`` alone.
    """
    random = np.random.default_rng(seed)
    places: dict[int, float] = {}
    stretches = [(0, len(values))]
    while stretches:
        start, end = stretches.pop()
        found = _largest_change(values[start:end], errors[start:end], permutations, random)
        if found is None or found[1] > false_alarm:
            continue
        middle = start + found[0]
        before, after = (_level(values, errors, *side) for side in ((start, middle), (middle, end)))
        if abs(after - before) >= least:
            places[middle] = found[1]
            stretches += [(start, middle), (middle, end)]
    edges = [0, *sorted(places), len(values)]
    levels = [_level(values, errors, start, end) for start, end in pairwise(edges)] if places else []
    return tuple(Change(at, levels[n], levels[n + 1], places[at]) for n, at in enumerate(sorted(places)))


def _largest_change(
    values: Numbers, errors: Numbers, permutations: int, random: np.random.Generator
) -> tuple[int, float] | None:
    """Return where the largest change is, and its p; None for too few readings or equal ones."""
    count = len(values)
    if count < LEAST_RUNS or not np.ptp(values):
        return None
    weights = _weights(values, errors)
    centred = values - np.average(values, weights=weights)
    centred /= np.abs(centred).max()
    orders = random.permuted(np.tile(np.arange(count), (permutations, 1)), axis=1)
    observed = _between(centred, weights)
    largest = float(observed.max())
    others = _between(centred[orders], weights[orders]).max(axis=-1)
    # an order that differs only within the sides has the same statistic, up to the rounding of its sums
    as_large = int((others >= largest * (1 - 1e-9)).sum())
    return LEAST_EACH + int(observed.argmax()), (1 + as_large) / (1 + permutations)


def _between(values: Numbers, weights: Numbers) -> Numbers:
    """Return the sum of squares between the two sides of each split; the last axis of ``values`` is the order."""
    weight = np.cumsum(weights, axis=-1)
    total = np.cumsum(weights * values, axis=-1)
    whole_weight, whole = weight[..., -1:], total[..., -1:]
    weight, total = weight[..., LEAST_EACH - 1 : -LEAST_EACH], total[..., LEAST_EACH - 1 : -LEAST_EACH]
    distance = total - whole * weight / whole_weight
    between: Numbers = distance**2 * whole_weight / (weight * (whole_weight - weight))
    return between


def _level(values: Numbers, errors: Numbers, start: int, end: int) -> float:
    return float(np.average(values[start:end], weights=_weights(values[start:end], errors[start:end])))


def _weights(values: Numbers, errors: Numbers) -> Numbers:
    """Return the weight of each reading; they do not depend on the order of the readings."""
    median = float(np.median(errors))
    if not median:
        return np.ones(len(values))
    variances = np.maximum(errors, LEAST_ERROR * median) ** 2
    precise = 1 / variances
    spread = float(np.sum(precise * (values - np.average(values, weights=precise)) ** 2))
    scale = float(precise.sum() - (precise**2).sum() / precise.sum())
    beyond = max(0.0, (spread - (len(values) - 1)) / scale) if scale > 0 else 0.0
    weights: Numbers = median**2 / (variances + beyond)
    return weights
