"""Change points: with which run a figure went to another level, and with which it came back.

Circular binary segmentation (Olshen, Venkatraman, Lucito and Wigler 2004): of each stretch the part is sought that
differs most from the rest, with a permutation test. A part at an end is one change, one in the middle two. From
LEAST_FOR_BOTH runs on these are two tests, each at half the chance: of the many parts in the middle one is as different
by chance much sooner. The statistic is the weighted sum of squares between the part and the rest; it is maximal at the
part that is tested. Weights are 1 / (s_i^2 + tau^2): s_i is the error of run i by its interval, tau^2 the spread
between runs beyond these (DerSimonian and Laird 1986). Where no run differs from another, pairs of figure and error are
exchangeable, so the test is exact whatever their distribution is; weights only decide how much it finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.judge.types import Numbers

FALSE_ALARM: Final = 0.01
"""Chance that a figure which never changed, its runs independent of each other, is given a change."""
LEAST_RUNS: Final = 10
"""Runs below which no change is searched for: of fewer, no order is so rare that FALSE_ALARM allows it."""
LEAST_FOR_BOTH: Final = 15
"""Runs from which on a part in the middle is searched for, too: of fewer, none is so rare that half of FALSE_ALARM
allows it, and half would be too little for three runs at the end."""
LEAST_EACH: Final = 3
"""Runs on each side of a change: a single one may be an outlier."""
PERMUTATIONS: Final = 19_999
"""Random orders that the order found is compared with; the error of a p of FALSE_ALARM is then 0.0007."""
ORDERS_AT_ONCE: Final = 500
"""Random orders that are compared together: their sums take some MB."""
MOST_EDGES: Final = 100
"""Places where a part may begin or end in the test, at most; what was found is then placed to the run."""
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
    """Share of random orders in which a part differs from the rest as much as here."""


def change_points(
    values: Numbers,
    errors: Numbers,
    *,
    least: float = 0.0,
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
        found = _most_different(values[start:end], errors[start:end], permutations, random)
        if found is None:
            continue
        part, p = found
        edges = sorted({start, start + part[0], start + part[1], end})
        levels = [_level(values, errors, *side) for side in pairwise(edges)]
        kept = [
            edge
            for edge, (before, after) in zip(edges[1:-1], pairwise(levels), strict=True)
            if abs(after - before) >= least
        ]
        places |= dict.fromkeys(kept, p)
        if kept:
            stretches += pairwise([start, *kept, end])
    edges = [0, *sorted(places), len(values)]
    levels = [_level(values, errors, start, end) for start, end in pairwise(edges)] if places else []
    return tuple(Change(at, levels[n], levels[n + 1], places[at]) for n, at in enumerate(sorted(places)))


def _most_different(
    values: Numbers, errors: Numbers, permutations: int, random: np.random.Generator
) -> tuple[tuple[int, int], float] | None:
    """Return the part that differs most from the rest, and its p.

    None for too few readings or equal ones, and for a p above FALSE_ALARM.
    """
    count = len(values)
    if count < LEAST_RUNS or not np.ptp(values):
        return None
    weights = _weights(values, errors)
    centred = values - np.average(values, weights=weights)
    centred /= np.abs(centred).max()
    kinds = (False,) if count < LEAST_FOR_BOTH else (False, True)
    found = [
        _tested(centred, weights, FALSE_ALARM / len(kinds), permutations, random, inner=inner)
        for inner in kinds
    ]
    best = max((one for one in found if one is not None), key=lambda one: one[0], default=None)
    return None if best is None else best[1:]


def _tested(
    centred: Numbers,
    weights: Numbers,
    false_alarm: float,
    permutations: int,
    random: np.random.Generator,
    *,
    inner: bool,
) -> tuple[float, tuple[int, int], float] | None:
    """Return the largest statistic of parts at an end, or of ``inner`` ones, with its part and its p.

    None where p is above ``false_alarm``.
    """
    count = len(centred)
    edges = np.unique(np.linspace(0, count, min(count, MOST_EDGES) + 1).round().astype(int))
    observed, _ = _largest(centred[None], weights[None], edges, inner=inner)
    # an order that differs only within the sides has the same statistic, up to the rounding of its sums
    large = observed[0] * (1 - 1e-9)
    as_large = 0
    for done in range(0, permutations, ORDERS_AT_ONCE):
        orders = np.tile(np.arange(count), (min(ORDERS_AT_ONCE, permutations - done), 1))
        orders = random.permuted(orders, axis=1)
        as_large += int((_largest(centred[orders], weights[orders], edges, inner=inner)[0] >= large).sum())
        if 1 + as_large > false_alarm * (1 + permutations):
            return None
    (largest,), (part,) = _largest(centred[None], weights[None], np.arange(count + 1), inner=inner)
    return float(largest), part, (1 + as_large) / (1 + permutations)


def _largest(
    values: Numbers, weights: Numbers, edges: npt.NDArray[np.int64], *, inner: bool
) -> tuple[Numbers, list[tuple[int, int]]]:
    """Return the largest sum of squares between a part and the rest, and the part, of each row of ``values``.

    A part is from one of ``edges`` to another, from the first on or, ``inner``, a later one; it and what is before and
    behind it have LEAST_EACH.
    """
    rows, count = values.shape
    weight, total = (np.zeros((rows, count + 1)) for _ in range(2))
    np.cumsum(weights, axis=1, out=weight[:, 1:])
    np.cumsum(weights * values, axis=1, out=total[:, 1:])
    whole_weight, whole = weight[:, -1:], total[:, -1:]
    largest, parts = np.zeros(rows), np.zeros((rows, 2), np.int64)
    for start in edges[(edges >= LEAST_EACH) & (edges <= count - 2 * LEAST_EACH)] if inner else edges[:1]:
        ends = edges[(edges >= start + LEAST_EACH) & (edges <= count - LEAST_EACH)]
        if not len(ends):
            continue
        inside = weight[:, ends] - weight[:, [start]]
        distance = total[:, ends] - total[:, [start]] - whole * inside / whole_weight
        between = distance**2 * whole_weight / (inside * (whole_weight - inside))
        best = between.argmax(axis=1)
        found = between[np.arange(rows), best]
        better = found > largest
        largest[better] = found[better]
        parts[better, 0], parts[better, 1] = start, ends[best[better]]
    return largest, [(int(one[0]), int(one[1])) for one in parts]


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
