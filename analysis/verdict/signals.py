"""The signals of an arm that are judged: its readings, and the leak that would matter in each one's unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from analysis.judge.types import ARENA_BYTES, Margin, Numbers, SignalSeries
from analysis.recording.model import LIVE_BYTES, PYTHON_BYTES, Arm, Phase, Recording
from analysis.recording.requests import answered_by

LIVE_BLOCKS: Final = "live_blocks"
RSS: Final = "rss_bytes"
USS: Final = "uss_bytes"
BYTE_SIGNALS: Final = (LIVE_BYTES, "malloc_in_use_bytes", RSS, USS)
BYTES_EACH: Final = {"tasks_alive": 1300.0, "sessions_open": 6200.0, "fds": 3500.0, "threads": 37_000.0}
"""Bytes that one of them costs, for the margin. A pending asyncio.Task with its coroutine and an aiohttp.ClientSession:
as tracemalloc counts them. A file descriptor: one end of an idle TCP connection in the kernel, by ``Slab`` of
/proc/meminfo over 2,000 of them (3.4 to 4.1 kB; a plain file is 0.2 kB). A thread: an idle Python one, by USS (16 kB)
and by ``Slab`` and ``KernelStack`` (21 kB) over 200 of them. Measured on Linux 6.18 with CPython 3.11. A lower bound:
the objects they reference are not included."""
SIGNALS: Final = (LIVE_BYTES, LIVE_BLOCKS, "malloc_in_use_bytes", RSS, USS, *BYTES_EACH)
FROM_OUTSIDE: Final = (RSS, USS)
"""Signals judged by the readings of each second also where there are quiesce points: they are read from outside, and
many noisy readings narrow the interval more than few quiet ones."""
MIN_SIGNAL_POINTS: Final = 6
"""Least number of quiesce points for a signal to be judged by them."""
MIN_SIGNAL_READINGS: Final = 10
"""Least number of readings under load for a signal to be judged."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of an arm, ready to be judged."""

    readings: SignalSeries
    margin: Margin
    """The leak that would matter, in the signal's unit."""


def leak_margin(recording: Recording, arm: Arm) -> Margin:
    """Return the leak that would matter, in bytes.

    Where the profile names a time to OOM, it is what the limit leaves above the arm's highest memory, over that time.
    """
    asked = recording.manifest.margin
    if asked.min_time_to_oom_s is None:
        return Margin(per_s=asked.max_leak_bytes_per_s, per_request=asked.max_leak_bytes_per_request)
    left_bytes = max(1.0, (arm.limit_bytes or 0) - float(arm.samples[RSS].max(skipna=True) or 0))
    return Margin(per_s=left_bytes / asked.min_time_to_oom_s)


def signals(arm: Arm, load: Phase, margin: Margin) -> tuple[Signal, ...]:
    """Return the signals that were read often enough in the load; ``margin`` is in bytes.

    What the probe and the kernel count is taken at quiesce points where there are enough of them. The last point before
    the load is the level that the load starts from.
    """
    seconds = arm.samples[arm.samples["t_s"].between(load.start_s, load.end_s)]
    points = _points(arm, load)
    found = []
    for name in SIGNALS:
        settled = name not in FROM_OUTSIDE and int(points[name].count()) >= MIN_SIGNAL_POINTS
        rows = points if settled else seconds
        if settled or rows[name].count() >= MIN_SIGNAL_READINGS:
            found.append(Signal(_readings(arm, rows, name, settled=settled), _margin(name, margin, rows)))
    return tuple(found)


def in_bytes(signal: str) -> bool:
    """Return whether a signal is counted in bytes."""
    return signal in BYTE_SIGNALS


def _points(arm: Arm, load: Phase) -> pd.DataFrame:
    points = arm.points[arm.points["t_s"] <= load.end_s]
    before = points.loc[points["t_s"] < load.start_s, "t_s"]
    return points[points["t_s"] >= (before.max() if len(before) else load.start_s)]


def _readings(arm: Arm, rows: pd.DataFrame, name: str, *, settled: bool) -> SignalSeries:
    t_s = rows["t_s"].to_numpy(float)
    return SignalSeries(
        signal=name,
        t_s=t_s,
        value=rows[name].to_numpy(float),
        life=rows["life"].to_numpy(float),
        requests=answered_by(arm, t_s),
        settled=settled,
        quantum=ARENA_BYTES if name in FROM_OUTSIDE else 0.0,
    )


def _margin(name: str, margin: Margin, rows: pd.DataFrame) -> Margin:
    each = 1.0 if in_bytes(name) else BYTES_EACH.get(name) or _bytes_per_block(rows)
    return Margin(
        per_s=None if margin.per_s is None else margin.per_s / each,
        per_request=None if margin.per_request is None else margin.per_request / each,
    )


def _bytes_per_block(rows: pd.DataFrame) -> float:
    """Return the mean size of a live block in this run; 64 bytes where the arenas were not read."""
    sizes: Numbers = (rows[PYTHON_BYTES] / rows[LIVE_BLOCKS]).to_numpy(float)
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return float(np.median(sizes)) if len(sizes) else 64.0
