"""Several processes behind one address, by their memory: its samples jump between levels that drift apart."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np

from analysis.judge.types import Numbers

LAST: Final = 8
"""Samples before one among which its process has most likely answered: whose turn it is is left to chance."""
USUAL: Final = 0.9
"""Share of the samples up to which a change is one of many, and not that of a peak or of a process seldom seen."""
MOST_NEAREST_SHARE: Final = 0.07
"""Change since the nearest of the LAST samples, as a share of that since the one before, up to which samples have
levels of their own. One level has 0.2 or more whatever its noise is, a sawtooth 0.1 or more."""
PARTS: Final = 10
"""Parts of a life of which each has a distance between the levels."""
MIN_SAMPLES: Final = 100
"""Samples of a life from which on its levels are looked at."""
MIN_DRIFT: Final = 0.9
"""Rank correlation of that distance with time (Spearman) from which on the levels drift apart; by chance in one of
2,000 lives."""
MIN_GROWTH_SHARE: Final = 1 / 3
"""Growth of that distance, as a share of its largest, from which on it is more than that of a job's memory."""
RANGE: Final = (5.0, 95.0)
"""Percentiles of memory between which the distance is taken."""


def takes_turns(value: Numbers, life: Numbers) -> bool:
    """Return whether samples within a life are those of several processes, of which one grows unlike another.

    ``value`` is memory in bytes and ``life`` the number of its life, both in order of time, of shape (n,); what is not
    finite is no sample. Levels that stay about as far apart as they are hide no leak: a job that comes and goes has
    two. More than about eight processes are not told from noise, as none of the last LAST samples need be of the same.
    """
    read = np.isfinite(value)
    value, life = value[read], life[read]
    lives = (value[life == one] for one in np.unique(life))
    return any(_jumps(each) and _drifts_apart(each) for each in lives if len(each) >= MIN_SAMPLES)


def _jumps(value: Numbers) -> bool:
    """Return whether samples are far from the one before, and near one of the few before that."""
    count = len(value) - LAST
    apart = np.array([np.abs(value[LAST:] - value[LAST - lag :][:count]) for lag in range(1, LAST + 1)])
    nearest, step = (float(np.quantile(those, USUAL)) for those in (apart.min(axis=0), apart[0]))
    return step > 0 and nearest <= MOST_NEAREST_SHARE * step


def _drifts_apart(value: Numbers) -> bool:
    edges = np.linspace(0, len(value), PARTS + 1).astype(int)
    parts = (value[begin:end] for begin, end in pairwise(edges))
    distance = np.array([np.ptp(np.percentile(each, RANGE)) for each in parts])
    # A tie is no drift: it takes the rank against one.
    rank = np.argsort(np.lexsort((-np.arange(PARTS), distance)))
    grown = distance[-1] - distance[0] >= MIN_GROWTH_SHARE * distance.max()
    return bool(grown) and float(np.corrcoef(np.arange(PARTS), rank)[0, 1]) >= MIN_DRIFT
