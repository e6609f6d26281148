"""The least evidence on which an arm is judged, which a plan states beforehand, and how far apart its readings are."""

from __future__ import annotations

import math
from typing import Final

MIN_READINGS_UNDER_LOAD: Final = 12
"""Readings of a signal under load from which on it is judged."""
MIN_QUIESCE_POINTS: Final = 6
"""Quiesce points from which on a signal is judged."""
FAILED_AT_MOST: Final = 0.05
"""Greatest share of the requests sent that may fail: with more, the load may never have reached the code under test,
and that of a replay is not that of the run."""
UNSPACED_S: Final = 8 * 3600.0
"""Load that is read as often as any, seconds: a row per second is 288 to each bin of the judge."""
MOST_SPACING: Final = 10
"""Greatest factor by which the readings of a longer load are further apart."""
HISTOGRAM_S: Final = 10
"""Length of an interval of the histogram log of a short load, seconds."""


def spacing(load_s: float) -> int:
    """Return how many times as far apart as in a short load a planned load of ``load_s`` seconds is read.

    Rows, censuses and intervals of latencies are then about as many as of UNSPACED_S, and evenly spaced: readings that
    depended on what happens would bias a rate.
    """
    return min(max(1, math.ceil(load_s / UNSPACED_S)), MOST_SPACING)
