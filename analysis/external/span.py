"""What was read of a file in one line, so that times in another unit than was assumed are seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.external.processes import ProcessReadings, usual_step
from analysis.formatting import format_duration
from analysis.judge.frozen import frozen_since
from analysis.judge.types import SignalSeries


def span_text(processes: Sequence[ProcessReadings]) -> str:
    """Return how many readings of how many processes a file has, over which time and how far apart they usually are.

    Where they end without any change, it says for how long, at most. Without a reading it says so.
    """
    times_s = [one.series.t_s[np.isfinite(one.series.value)] for one in processes]
    count = sum(map(len, times_s))
    if not count:
        return "no readings"
    read_s = np.concatenate(times_s)
    of = "" if len(processes) == 1 else f" of {len(processes)} processes"
    text = f"{count:,} reading{'s' * (count > 1)}{of} over {format_duration(float(np.ptp(read_s)))}"
    steps_s = [step_s for step_s in map(usual_step, times_s) if step_s > 0]
    apart = f", usually {_step(float(np.median(steps_s)))} apart" if steps_s else ""
    same_s = [same_s for one in processes if (same_s := _unchanged_s(one.series)) > 0]
    if not same_s:
        return f"{text}{apart}"
    which = "" if len(processes) == 1 else f"{len(same_s)} of them "
    return f"{text}{apart}; {which}without any change in the last {format_duration(max(same_s))}"


def _unchanged_s(series: SignalSeries) -> float:
    """Return for how long the readings of a process that changed once no longer do, seconds; 0 where they do."""
    order = np.argsort(series.t_s, kind="stable")
    t_s, value = series.t_s[order], series.value[order]
    since_s = frozen_since(t_s, value)
    read_s = t_s[np.isfinite(value)]
    return 0.0 if since_s is None or since_s <= read_s[0] else float(read_s[-1]) - since_s


def _step(step_s: float) -> str:
    """Return a usual step; below 10 s in three figures, as of steps of half a second."""
    return f"{step_s:.3g} s" if step_s < 10 else format_duration(step_s)
