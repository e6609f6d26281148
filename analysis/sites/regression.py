"""Which groups of allocations grow with the requests, by how much each.

Bytes and blocks are regressed on the requests answered before each point. A group is a *site* where

- the intervals of bytes and of blocks per request lie above 0, with MAX_ERROR for all groups together (Bonferroni);
- both grew in at least MIN_STEPS of the steps from point to point, and at least MIN_LATE of the growth lies in the
  second half of the requests: a cache that fills up slows down;
- its bytes are at least MIN_PART of the leak; those of all sites of its line of yours, or task, MIN_SHARE
  (``rows.site_rows``).

What grows by more than TURNOVER of what the arm leaks is no part of it: the run is longer than the replay, and there it
came to an end. It is left out where the other sites explain EXPLAINED of the leak, unless its blocks may lie in pages
that were never touched, which the run did not count.

The noise of a level may be independent from point to point, or add up as that of a walk. Both are fitted, and an
interval holds those of both. The largest block of a group, the table of a dict or a list, grows by doublings, which
are no noise: it is left out of the regression, and its mean growth is added.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from analysis.judge.by_name import COUNTED_CONDITION, COUNTED_PERIODS, growth_by_name
from analysis.judge.types import Numbers
from analysis.sites.traces import Group
from soak.contract import MIN_REPLAY_POINTS

MAX_ERROR: Final = 0.05
"""Chance that the interval of any group does not hold its rate."""
MIN_STEPS: Final = 0.75
"""Share of the steps from point to point in which a site grows, at the least."""
MIN_LATE: Final = 0.25
"""Share of a site's growth that lies in the second half of the requests, at the least; of a steady leak it is 0.5."""
MIN_SHARE: Final = 0.02
"""Bytes of all sites of a line of yours, or of a task, as a share of the leak, at the least."""
MIN_PART: Final = 0.002
"""The same of one site."""
MOST_LARGE: Final = 3
"""Blocks of a group that is a few large blocks, at the most."""
MIN_DOUBLINGS: Final = 2
"""Steps in which a group of a few large blocks grew, at the least."""
MOST_FALL: Final = 0.01
"""Bytes that a group of a few large blocks may fall from a point to the next, as a share of its growth."""
TURNOVER: Final = 1.2
"""Share of the leak above which sites retain more than the arm did: containers were emptied later. Up to it the two may
differ, as traced bytes are those asked for, and the run measured memory in use."""
EXPLAINED: Final = 0.5
"""Share of the leak that the other sites explain where a site that grows by more than TURNOVER of it is left out."""
WHOLE_BYTES: Final = 4_096
"""Mean size from which on blocks may lie in pages that were never touched, bytes: the size of a page."""
MOST_OF_OTHERS: Final = 0.1
"""Blocks per request of all other names that a site of one endpoint may have, as a share of those of that name."""
OTHERS: Final = "\n"
"""All other names together; no name of a request."""
COUNTING: Final = 1 / 12
"""Variance that a number of blocks has at the least, that of rounding: small whole numbers lie on a line by chance."""
ROUNDING: Final = 1e-9
"""Part of a rate by which its interval is wider: where all is exact, rounding is all there is."""


@dataclass(frozen=True, slots=True)
class GrowingGroup:
    """A group of allocations that grows, per request."""

    group: Group
    bytes_per_request: float
    low: float | None
    """Lower end of the interval of bytes; None of a few large blocks, which have no interval."""
    high: float | None
    blocks_per_request: float
    """Blocks per request; of a few large blocks their number."""
    endpoint: str = ""
    """The name of the requests that alone it follows; empty: of none, or not known."""


@dataclass(frozen=True, slots=True)
class _Fit:
    """Rates of all groups and the half widths of their intervals."""

    rate: Numbers
    low: Numbers
    high: Numbers


def find_sites(
    groups: Sequence[Group],
    requests: Numbers,
    by_name: Mapping[str, Numbers],
    leak: float | None,
    most: float | None = None,
) -> tuple[GrowingGroup, ...]:
    """Return the sites, those with the most bytes first.

    ``requests`` are those answered before each point, ``by_name`` the same by name of the request; ``leak`` is what the
    arm leaks, bytes per request, None where it is not known: then the growth of all groups stands for it. ``most`` is
    the upper end of its interval. There are none from fewer than MIN_REPLAY_POINTS points.
    """
    used = _used(requests)
    if not groups or used.sum() < MIN_REPLAY_POINTS:
        return ()
    x = requests[used]
    if (np.diff(x) <= 0).any():
        return ()
    size, blocks, largest = (
        np.array([getattr(group, name) for group in groups])[:, used]
        for name in ("bytes", "blocks", "largest")
    )
    table = (largest[:, -1] - largest[:, 0]) / (x[-1] - x[0])
    tests = max(1, int(np.sum(np.ptp(size, axis=1) > 0)))
    steady, count = _fit(size - largest, x, tests), _fit(blocks, x, tests, COUNTING)
    rate = steady.rate + table
    least = MIN_PART * (leak if leak and leak > 0 else max(0.0, float(rate[rate > 0].sum())))
    late = _late_share(size, x, x[0])
    grows = (_steps(size) >= MIN_STEPS) & (_steps(blocks) >= MIN_STEPS) & (late >= MIN_LATE)
    sites = grows & (steady.low > 0) & (count.low > 0) & (rate >= least)
    whole = (size[:, -1] - size[:, 0]) / (x[-1] - x[0])
    large = _large_blocks(groups, size, blocks, largest)
    few = (large <= MOST_LARGE) & (blocks.min(axis=1) >= 1)
    few &= _late_share(size, x, 0.0) >= MIN_LATE  # what doubles does so once from half of all requests on
    few &= (np.diff(size) >= -MOST_FALL * np.abs(size[:, -1:] - size[:, :1])).all(axis=1)
    few &= ((np.diff(size) > 0).sum(axis=1) >= MIN_DOUBLINGS) & (whole >= least) & (whole > 0)
    names = {name: np.asarray(counts[used], dtype=np.float64) for name, counts in by_name.items()}
    found = [
        GrowingGroup(
            groups[one],
            float(rate[one]),
            float(steady.low[one] + table[one]),
            float(steady.high[one] + table[one]),
            float(count.rate[one]),
            _endpoint(blocks[one], names),
        )
        for one in np.flatnonzero(sites).tolist()
    ]
    found += [
        GrowingGroup(groups[one], float(whole[one]), None, None, float(large[one]))
        for one in np.flatnonzero(few & ~sites).tolist()
    ]
    return tuple(sorted(_parts(found, leak, most), key=lambda site: -site.bytes_per_request))


def _parts(sites: list[GrowingGroup], leak: float | None, most: float | None) -> list[GrowingGroup]:
    """Return the sites that may be a part of the leak; all of them where those alone do not explain EXPLAINED of it."""
    if leak is None or most is None:
        return sites
    parts = [
        site for site in sites if _mean_block(site) >= WHOLE_BYTES or (site.low or 0.0) <= TURNOVER * most
    ]
    return parts if sum(site.bytes_per_request for site in parts) >= EXPLAINED * leak > 0 else sites


def _mean_block(site: GrowingGroup) -> float:
    """Return the mean size of the blocks that a site keeps, bytes."""
    return math.inf if site.low is None else site.bytes_per_request / site.blocks_per_request


def _used(requests: Numbers) -> npt.NDArray[np.bool_]:
    """Return which points are used: of those without a request before them none, where enough others are left."""
    loaded = requests > 0
    return loaded if loaded.sum() >= MIN_REPLAY_POINTS else requests >= 0


def _large_blocks(groups: Sequence[Group], size: Numbers, blocks: Numbers, largest: Numbers) -> Numbers:
    """Return of how many large blocks each group is: of all its blocks, or as many of the largest as hold its bytes.

    The latter where a native function is known: the arena of an extension doubles, its first small blocks stay.
    """
    native = np.array([bool(group.function) for group in groups])
    whole = np.ceil(size[:, -1] / np.maximum(1.0, largest[:, -1]))
    most: Numbers = blocks.max(axis=1)
    return np.where(native, np.minimum(whole, most), most)


def _fit(level: Numbers, x: Numbers, tests: int, least: float = 0.0) -> _Fit:
    """Return the rate of each row of ``level`` over ``x``, with an interval that holds those of both kinds of noise.

    ``least`` is the variance that a level has at the least.
    """
    freedom = len(x) - 2
    quantile = float(stdtrit(freedom, 1 - MAX_ERROR / 2 / tests))
    from_mean = x - x.mean()
    squares = float(np.sum(from_mean**2))
    rate = level @ from_mean / squares
    residual = level - level.mean(axis=1, keepdims=True) - rate[:, None] * from_mean
    half = quantile * np.sqrt((np.sum(residual**2, axis=1) / freedom + least) / squares)
    step, gained = np.diff(x), np.diff(level, axis=1)
    walk = gained.sum(axis=1) / step.sum()
    spread = np.sum((gained - walk[:, None] * step) ** 2 / step, axis=1) / (len(step) - 1)
    walk_half = quantile * np.sqrt(spread / step.sum() + 2 * least / step.sum() ** 2)
    rounding = ROUNDING * np.abs(rate)
    return _Fit(
        rate,
        np.minimum(rate - half, walk - walk_half) - rounding,
        np.maximum(rate + half, walk + walk_half) + rounding,
    )


def _steps(level: Numbers) -> Numbers:
    """Return the share of the steps in which each row grew."""
    return np.asarray((np.diff(level, axis=1) > 0).mean(axis=1), dtype=np.float64)


def _late_share(level: Numbers, x: Numbers, start: float) -> Numbers:
    """Return the part of each row's growth that lies in the second half from ``start`` to the end of ``x``.

    It is 0 of a row that does not grow.
    """
    middle = np.array([np.interp((start + x[-1]) / 2, x, row) for row in level])
    growth = level[:, -1] - level[:, 0]
    return np.where(growth > 0, (level[:, -1] - middle) / np.where(growth > 0, growth, 1.0), 0.0)


def _endpoint(blocks: Numbers, by_name: Mapping[str, Numbers]) -> str:
    """Return the name of the requests that alone the blocks follow; empty: of none alone, or not known.

    Each name is told from the requests of all others together, which takes few periods, however many names there are.
    """
    total = np.sum(list(by_name.values()), axis=0) if by_name else blocks
    alone = []
    for name, counts in by_name.items():
        found = growth_by_name(
            blocks,
            {name: counts, OTHERS: total - counts},
            error=MAX_ERROR / len(by_name),
            max_condition=COUNTED_CONDITION,
            min_periods=COUNTED_PERIODS,
        )
        if name in found.follows and found.rates[OTHERS].high <= MOST_OF_OTHERS * found.rates[name].low:
            alone.append(name)
    return alone[0] if len(alone) == 1 else ""
