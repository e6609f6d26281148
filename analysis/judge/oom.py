"""When a leak meets the memory limit."""

from __future__ import annotations

import numpy as np

from analysis.judge.model import Rate, Readings, Window


def oom_window(readings: Readings, rate: Rate, limit: float) -> Window:
    """Return from when to when the limit may be met, seconds after the last reading.

    The earliest is from the highest level of the last readings at the highest rate, the latest from their lowest at the
    lowest rate; ``rate`` is per second. A limit that is already met gives 0, a rate that may be nothing gives inf.
    """
    last = readings.life == readings.life[np.argmax(readings.t_s)]
    t_s, value = readings.t_s[last], readings.value[last]
    recent = t_s >= t_s[-1] - 0.3 * np.ptp(t_s)
    ahead = value[recent] + rate.value * (t_s[-1] - t_s[recent])
    low, high = np.percentile(ahead, [5, 99])
    earliest = max(limit - float(high), 0.0) / rate.high if rate.high > 0 else np.inf
    latest = max(limit - float(low), 0.0) / rate.low if rate.low > 0 else np.inf
    return Window(float(earliest), float(latest))
