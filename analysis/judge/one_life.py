"""One life of several by itself: what a release leaks looks like the warm-up of one more process."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.points.binning import Points
from analysis.judge.sen_slope import sen_slope

MIN_POINTS: Final = 5
"""Points of a life from which on it can be judged by itself."""
LONG_SHARE: Final = 0.2
"""Share of the run from which on a life is judged by itself that is not the newest: what it leaked counts, though
another has come since."""
LAST_SHARE: Final = 0.5
"""Last share of a life in which its growth is compared with that of others at the same age."""


def growing_lives(points: Points, margin_per_s: float) -> list[float]:
    """Return the lives that may grow by themselves, the newest first; none of one that is alone.

    The last part of such a life grows by a margin or more, beyond what another gained at that age that has outlived it
    and grows no more: that counts as warm-up.
    """
    lives, counts = np.unique(points.life, return_counts=True)
    enough = [float(life) for life in lives[counts >= MIN_POINTS]]
    if len(lives) == 1 or not enough:
        return []
    ends_s = {float(life): float(points.age_s[points.life == life].max()) for life in lives}
    lasts = {life: _growth(points, life, end_s) for life, end_s in ends_s.items()}
    settled = [life for life, last in lasts.items() if last < margin_per_s]
    newest_first = sorted(enough, key=lambda life: -float(points.t_s[points.life == life].max()))
    found = []
    for life in newest_first:
        if life != newest_first[0] and _length_s(points, life) < LONG_SHARE * points.span_s:
            continue
        warm_up = [
            _growth(points, other, ends_s[life])
            for other in settled
            if other != life and ends_s[other] >= ends_s[life]
        ]
        if lasts[life] - max((0.0, *warm_up)) >= margin_per_s:
            found.append(life)
    return found


def _length_s(points: Points, life: float) -> float:
    return float(np.ptp(points.t_s[points.life == life]))


def _growth(points: Points, life: float, end_s: float) -> float:
    """Return the median slope between the points of a life in the last part before an age."""
    mine = (points.life == life) & (points.age_s >= (1 - LAST_SHARE) * end_s) & (points.age_s <= end_s)
    return sen_slope(points.value[mine], points.age_s[mine])
