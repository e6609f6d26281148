"""What the pauses of quiesce points take back of the memory that grows between them."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import stdtrit

from analysis.judge.types import Numbers, SignalSeries
from analysis.recording.model import Arm, Phase, within
from analysis.recording.requests import answered_by

SETTLED_SHARE: Final = 0.3
"""First share of the time from one point to the next in which what a load holds fills up again."""
LEAST_TICKS: Final = 3
"""Ticks between two points that show how memory grows there, at least."""
LEAST_STRETCHES: Final = 5
"""Stretches between points with so many ticks, at least."""
TAKEN_SHARE: Final = 0.5
"""Share of that growth which falls at the points themselves, from which on the pauses take it back: of a sawtooth that
keeps another time it is by chance there."""
OBJECT_BYTES: Final = 500
"""What an object that the collector frees keeps, bytes, its values included: 100 to 400 of tasks and exceptions."""


def taken_back(arm: Arm, load: Phase, points: SignalSeries, *, per_request: bool) -> float | None:
    """Return what the pauses take back, bytes per request or second; None where they take back no growth.

    Memory grows between two of the quiesce ``points`` of a signal, in all stretches alike, and falls at the points, and
    the objects that the collector frees there are too few to be that: by itself the collector runs, if later.
    """
    name = points.signal
    ticks = within(arm.samples, load.start_s, load.end_s).dropna(subset=name)
    t_s, value = ticks["t_s"].to_numpy(float), ticks[name].to_numpy(float)
    slope, low = _slope_between(arm, t_s, value, points.t_s, per_request=per_request)
    if not low > 0:
        return None
    fallen, freed = 0.0, 0.0
    collected = ticks["gc_collected"].to_numpy(float)
    once = arm.points.drop_duplicates("t_s").set_index("t_s")  # as a damaged file may have a row twice
    at_points = once["gc_collected"].reindex(points.t_s).to_numpy(float)
    amount = 0.0
    for number in range(1, len(points.t_s)):
        since_s, at_s = points.t_s[number - 1], points.t_s[number]
        before = np.flatnonzero((t_s > since_s) & (t_s < at_s))[-2:]
        if not len(before):
            continue
        fallen += float(value[before].max() - points.value[number])
        freed += float(np.nan_to_num(at_points[number] - collected[before[-1]]))
        ends = np.array([since_s, at_s])
        amount += float(np.ptp(answered_by(arm, ends) if per_request else ends))
    if not amount > 0 or fallen < TAKEN_SHARE * slope * amount or freed * OBJECT_BYTES > fallen / 2:
        return None
    return fallen / amount


def _slope_between(
    arm: Arm, t_s: Numbers, value: Numbers, points_s: Numbers, *, per_request: bool
) -> tuple[float, float]:
    """Return the slope that all stretches between two points share, each with a level of its own, and its lower end.

    That is Student's t over the stretches at 95% (cluster-robust: Liang and Zeger 1986). Bytes per request or second;
    NaN where too few stretches have ticks.
    """
    place = np.searchsorted(points_s, t_s) - 1
    inside = (place >= 0) & (place < len(points_s) - 1)
    t_s, value, place = t_s[inside], value[inside], place[inside]
    late = t_s - points_s[place] >= SETTLED_SHARE * np.diff(points_s)[place]
    t_s, value, place = t_s[late], value[late], place[late]
    done = answered_by(arm, t_s) if per_request else t_s
    groups = [place == one for one in np.unique(place) if (place == one).sum() >= LEAST_TICKS]
    centred = [(done[group] - done[group].mean(), value[group] - value[group].mean()) for group in groups]
    whole = sum(float(x @ x) for x, _ in centred)
    if len(groups) < LEAST_STRETCHES or not whole > 0:
        return np.nan, np.nan
    slope = sum(float(x @ y) for x, y in centred) / whole
    scores = np.array([float(x @ (y - slope * x)) for x, y in centred])
    many = len(groups)
    error = float(np.sqrt(many / (many - 1) * (scores @ scores))) / whole
    return slope, slope - float(stdtrit(many - 1, 0.975)) * error
