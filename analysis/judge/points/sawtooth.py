"""The floors of a sawtooth: what is left after each collection, which is all that a leak can raise."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.judge.types import Numbers, SignalSeries

MIN_CYCLES: Final = 5
"""Fewer floors are no series: the sawtooth stays in, as noise."""
DEEP: Final = 0.35
"""A fall counts when it is this share of the usual spread of the readings around their own running level."""
UPPER: Final = 0.1
"""A cycle is in its upper half for about half of its time, and at least for this share of it. What stands above its
floor for less is a spike, and no collection ends it."""
SILENT: Final = 0.25
"""A sawtooth goes on: where no cycle ends for more than this share of a life, its floors say nothing of that part."""
ROUNDS: Final = 2
"""Small collections ride on the cycles of great ones."""


def floors(readings: SignalSeries) -> SignalSeries:
    """Return the readings at the bottom of each cycle when they are a sawtooth, else the readings as they are."""
    for _ in range(ROUNDS):
        keep = [
            _bottoms(readings.value, readings.requests, np.flatnonzero(readings.life == life))
            for life in np.unique(readings.life)
        ]
        if not keep or any(part is None for part in keep):
            return readings
        index = np.concatenate([part for part in keep if part is not None])
        readings = SignalSeries(
            readings.signal,
            readings.t_s[index],
            readings.value[index],
            readings.life[index],
            readings.requests[index],
        )
    return readings


def _bottoms(value: Numbers, requests: Numbers, mine: npt.NDArray[np.intp]) -> npt.NDArray[np.intp] | None:
    """Return where one life's cycles have their lowest reading; None when it is no sawtooth."""
    own = value[mine]
    if len(own) < 6 * MIN_CYCLES:
        return None
    smooth = own.copy()
    smooth[1:-1] = np.median(np.lib.stride_tricks.sliding_window_view(own, 3), axis=1)
    steps = np.diff(smooth)
    noise = 1.4826 * float(np.median(np.abs(steps - np.median(steps))))
    # A cycle's height: the spread that is left when the slow movement is gone.
    width = max(5, len(own) // 12) | 1
    summed = np.cumsum(np.pad(smooth - smooth[0], (width // 2 + 1, width // 2), mode="edge"))
    slow = smooth[0] + (summed[width:] - summed[:-width]) / width
    spread = float(np.subtract(*np.percentile(smooth - slow, [95, 5])))
    # A fall may take two or three readings.
    falls3 = smooth[3:] - smooth[:-3]
    deep = -max(DEEP * spread, 8 * noise)
    at = np.flatnonzero(falls3 < deep)
    if spread <= 0 or len(at) == 0:
        return None
    groups = np.split(at, np.flatnonzero(np.diff(at) > 3) + 1)
    bottoms = [int(group[-1]) + 3 for group in groups]
    rises = float((steps > 0).mean())
    if _cycles(smooth, [int(group[0]) for group in groups], bottoms) < MIN_CYCLES or rises < 0.5:
        return None
    found = []
    for start, end in zip(bottoms, [*bottoms[1:], len(own)], strict=True):
        after = slice(start - 1, min(end, start + max(4, (end - start) // 8)))
        found.append(start - 1 + int(np.argsort(own[after], kind="stable")[0]))
    kept = np.array(sorted(set(found)))
    return np.asarray(mine[kept]) if _goes_on(kept, own, requests[mine]) else None


def _goes_on(kept: npt.NDArray[np.intp], own: Numbers, requests: Numbers) -> bool:
    """Return whether these readings of a life are nowhere far from each other, nor from its ends.

    In requests, where they are known: what is not loaded needs no collection. Where it goes below the floors all the
    same, they do not tell how.
    """
    ends = np.array([0, *kept, len(own) - 1])
    silent = np.diff(ends) > SILENT * (len(own) - 1)
    if np.isfinite(requests).all() and np.ptp(requests) > 0:
        quiet = np.diff(requests[ends]) <= SILENT * np.ptp(requests)
        dips = [_dips(own, *ends[gap : gap + 2]) for gap in np.flatnonzero(silent)]
        return bool(quiet.all()) and not any(dips)
    return not bool(silent.any())


def _dips(own: Numbers, start: int, end: int) -> bool:
    """Return whether most readings between two are below both."""
    return bool(np.median(own[start : end + 1]) < min(own[start], own[end]))


def _cycles(smooth: Numbers, crests: list[int], bottoms: list[int]) -> int:
    """Return how many of the falls from these crests to these bottoms end a cycle, and no spike."""
    found, since = 0, 0
    for crest, bottom in zip(crests, bottoms, strict=True):
        halfway = float(smooth[crest : bottom + 1].max() + smooth[bottom]) / 2
        found += float((smooth[since : crest + 1] > halfway).mean()) >= UPPER
        since = bottom
    return found
