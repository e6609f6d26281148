"""The lower envelope of a sawtooth: the level after each collection, which only what is retained can raise."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.judge.points.last_cycle import rise_beyond_cycles
from analysis.judge.points.outliers import robust_sigma
from analysis.judge.types import Numbers, SignalSeries

MIN_CYCLES: Final = 5
"""Cycles of a life from which on their minima are used; with fewer the sawtooth stays in the series, as noise."""
MIN_FALL_SHARE: Final = 0.35
"""Depth of a fall that may end a cycle, as a share of the 5-to-95% spread of the readings around their moving mean."""
MIN_UPPER_HALF_SHARE: Final = 0.1
"""Share of a cycle's time that it spends in its upper half, at the least; usual is a half. A shorter rise is a spike,
which no collection ends."""
MAX_GAP_SHARE: Final = 0.25
"""Share of a life without the end of a cycle, at the most; the envelope is not known over a longer gap."""
MAX_ROUNDS: Final = 2
"""Envelopes of envelopes: small collections ride on the cycles of large ones."""


def lower_envelope(series: SignalSeries) -> tuple[SignalSeries, float]:
    """Return the minimum of each cycle where every life is a sawtooth, else the series as it is.

    With it, how far the last life rises behind its last minimum beyond what its cycles do.
    """
    rise = 0.0
    for _ in range(MAX_ROUNDS):
        lives = [np.flatnonzero(series.life == life) for life in np.unique(series.life)]
        found = [_cycle_minima(series.value, series.requests, mine) for mine in lives]
        minima = [part for part in found if part is not None]
        if not lives or len(minima) < len(lives):
            break
        last = lives[-1]
        rise = max(
            rise,
            rise_beyond_cycles(
                series.value[last],
                series.t_s[last],
                series.requests[last],
                np.searchsorted(last, minima[-1]),
            ),
        )
        series = series.at(np.concatenate(minima))
    return series, rise


def _cycle_minima(
    value: Numbers, requests: Numbers, mine: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp] | None:
    """Return the places of the minima of one life's cycles; None where the life is no sawtooth."""
    own = value[mine]
    if len(own) < 6 * MIN_CYCLES:
        return None
    smooth = own.copy()
    smooth[1:-1] = np.median(np.lib.stride_tricks.sliding_window_view(own, 3), axis=1)
    steps = np.diff(smooth)
    noise = float(robust_sigma(steps - np.median(steps)))
    # A cycle's height: the spread around the moving mean.
    width = max(5, len(own) // 12) | 1
    summed = np.cumsum(np.pad(smooth - smooth[0], (width // 2 + 1, width // 2), mode="edge"))
    moving_mean = smooth[0] + (summed[width:] - summed[:-width]) / width
    spread = float(np.subtract(*np.percentile(smooth - moving_mean, [95, 5])))
    # A fall may take two or three readings.
    over_three = smooth[3:] - smooth[:-3]
    falling = np.flatnonzero(over_three < -max(MIN_FALL_SHARE * spread, 8 * noise))
    if spread <= 0 or len(falling) == 0:
        return None
    falls = np.split(falling, np.flatnonzero(np.diff(falling) > 3) + 1)
    crests, bottoms = [int(fall[0]) for fall in falls], [int(fall[-1]) + 3 for fall in falls]
    if _count_cycles(smooth, crests, bottoms) < MIN_CYCLES or float((steps > 0).mean()) < 0.5:
        return None
    minima = set()
    for start, end in zip(bottoms, [*bottoms[1:], len(own)], strict=True):
        after = slice(start - 1, min(end, start + max(4, (end - start) // 8)))
        minima.add(start - 1 + int(np.argsort(own[after], kind="stable")[0]))
    kept = np.array(sorted(minima))
    return np.asarray(mine[kept]) if _covers_life(kept, own, requests[mine]) else None


def _covers_life(minima: npt.NDArray[np.intp], own: Numbers, requests: Numbers) -> bool:
    """Return whether no gap between the minima of a life, or from them to its ends, is too long.

    Measured in requests where they are known: without load nothing needs collecting. A gap in which most readings are
    below the envelope is not covered in any case.
    """
    ends = np.array([0, *minima, len(own) - 1])
    long = np.diff(ends) > MAX_GAP_SHARE * (len(own) - 1)
    if np.isfinite(requests).all() and np.ptp(requests) > 0:
        idle = np.diff(requests[ends]) <= MAX_GAP_SHARE * np.ptp(requests)
        dips = [_dips(own, *ends[gap : gap + 2]) for gap in np.flatnonzero(long)]
        return bool(idle.all()) and not any(dips)
    return not bool(long.any())


def _dips(own: Numbers, start: int, end: int) -> bool:
    """Return whether most readings between two are below both."""
    return bool(np.median(own[start : end + 1]) < min(own[start], own[end]))


def _count_cycles(smooth: Numbers, crests: list[int], bottoms: list[int]) -> int:
    """Return how many of the falls from these crests to these bottoms end a cycle rather than a spike."""
    cycles, since = 0, 0
    for crest, bottom in zip(crests, bottoms, strict=True):
        halfway = float(smooth[crest : bottom + 1].max() + smooth[bottom]) / 2
        cycles += float((smooth[since : crest + 1] > halfway).mean()) >= MIN_UPPER_HALF_SHARE
        since = bottom
    return cycles
