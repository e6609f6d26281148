"""The signals of an arm that are judged: its memory, whole and in parts, its counts, and the leak that matters in each.

The whole clears an arm, its parts and the counts accuse it; see docs/explanation/how-it-decides.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from analysis.judge.types import ARENA_BYTES, Margin, SignalSeries
from analysis.recording.accounting import CHARGED, HELD, KERNEL, OWN, PARTS, REST_GAIN
from analysis.recording.model import Arm, Phase, Recording, within
from analysis.recording.requests import answered_by
from analysis.verdict.rotation import steadied
from soak.contract.evidence import MIN_QUIESCE_POINTS, MIN_READINGS_UNDER_LOAD

RSS: Final = "rss_bytes"
USS: Final = "uss_bytes"
WITH_FILES: Final = "working_set_bytes"
"""Memory of a container as Prometheus may have it, with file pages that the kernel takes back when it needs them."""
MEMORY_ALONE: Final = (OWN, USS, RSS)
"""Columns that are the whole where its parts were not read: the first that was read often enough. Recordings made
before ``anon_bytes`` was a column have the others."""
BYTES_EACH: Final = {"tasks_alive": 1300.0, "sessions_open": 6200.0, "fds": 3500.0, "threads": 37_000.0}
"""Bytes that one of them costs, for the margin. A pending asyncio.Task with its coroutine and an aiohttp.ClientSession:
as tracemalloc counts them. A file descriptor: one end of an idle TCP connection in the kernel, by ``Slab`` of
/proc/meminfo over 2,000 of them (3.4 to 4.1 kB; a plain file is 0.2 kB). A thread: an idle Python one, by USS (16 kB)
and by ``Slab`` and ``KernelStack`` (21 kB) over 200 of them. Measured on Linux 6.18 with CPython 3.11. A lower bound:
the objects they reference are not included."""
LIMITS: Final = {"fds": "fds_limit", "threads": "threads_limit"}
"""Columns of the limit of a count; tasks and sessions have none but the memory limit."""
POOL: Final = 10.0
"""Growth of a count over the load that does not matter, as pools of connections and of threads fill: the usual size of
one."""
WITHIN_S: Final = 30 * 86400.0
"""Seconds within which a count that leaks is to meet its limit for that to matter, whatever its bytes."""
MIN_PARTS_SHARE: Final = 0.9
"""Least share of the readings of ``own`` at which the parts must have been read, too: else memory is judged alone, as
parts that are missing for a stretch of the load hide what leaked in it."""
MOST_UNREAD_SHARE: Final = 0.1
"""Greatest share of the rows of the load, beyond the usual distance, that may lie between two readings of a signal, or
before the first or behind the last: readings that end early, or pause, cannot show what leaked meanwhile."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of an arm, ready to be judged."""

    readings: SignalSeries
    margin: Margin
    """The leak that would matter, in the signal's unit."""
    limit: float | None = None
    """The value at which its limit is met; None where it has none, or none is known."""
    closed_by_drain: float = 0.0
    """What of a count was gone once the load had ended, such as the connections of its clients: growth of as much may
    be theirs. 0 where the drain was not reached."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an arm is judged by."""

    whole: Signal
    """The memory that clears the arm: what is held, or without parts all of its own."""
    parts: tuple[Signal, ...]
    """The parts of the whole; empty where they were not read."""
    counts: tuple[Signal, ...]
    charged: Signal | None
    """What the memory limit charges; None without a limit, and where the whole is that already."""
    kernel: Signal | None
    """Kernel memory that the limit charges, beside the whole; None where it was not read."""
    reserve_bytes: float
    """Memory that may be free and that nobody can be asked about: what memory that no allocator accounts for gained
    from the start of the process to its highest point under load; a leak is not seen before it has used that up."""

    @property
    def accusers(self) -> tuple[Signal, ...]:
        """The signals that can call a leak; the whole is one of them, for a leak in several parts."""
        return (*self.parts, self.whole, *self.counts)


def leak_margin(recording: Recording, arm: Arm) -> Margin:
    """Return the leak that would matter, in bytes.

    Where the profile names a time to OOM, it is what the limit leaves above the arm's highest memory, over that time.
    """
    asked = recording.manifest.margin
    if asked.min_time_to_oom_s is None:
        return Margin(per_s=asked.max_leak_bytes_per_s, per_request=asked.max_leak_bytes_per_request)
    charged = arm.samples[limited_memory(arm)]
    left_bytes = max(1.0, (arm.limit_bytes or 0) - float(charged.max(skipna=True) or 0))
    return Margin(per_s=left_bytes / asked.min_time_to_oom_s)


def limited_memory(arm: Arm) -> str:
    """Return the column of what the memory limit limits: what it charges; RSS where the file cache in it is not known.

    Older watchdogs, which limited the RSS, left the file cache empty.
    """
    return CHARGED if arm.samples[CHARGED].notna().any() else RSS


def evidence(arm: Arm, load: Phase, margin: Margin, headroom_bytes: float | None) -> Evidence | None:
    """Return what was read often enough in the load; None where no memory was.

    ``margin`` is in bytes; ``headroom_bytes`` is what the memory limit leaves at the end of the load, None without one.
    What the probe and the kernel count is taken at quiesce points where there are enough of them; the last point before
    the load is the level that the load starts from. Memory alone is taken at each tick: many noisy readings narrow the
    interval more than few quiet ones.
    """
    alone = next((rows for name in MEMORY_ALONE if (rows := _rows(arm, load, name, settle=False))), None)
    if alone is None:
        return None
    counts = (_count(arm, load, name, margin, headroom_bytes) for name in BYTES_EACH)
    held = _rows(arm, load, HELD)
    known = tuple(count for count in counts if count is not None)
    if alone.name != OWN or held is None or held.count < MIN_PARTS_SHARE * _due(held.frame):
        return Evidence(_memory(arm, alone, margin, headroom_bytes), (), known, None, None, 0.0)
    parts = (_Rows(name, held.frame, settled=held.settled) for name in PARTS)
    kernel = _rows(arm, load, KERNEL, settle=False)
    limited = None if headroom_bytes is None else _rows(arm, load, limited_memory(arm), settle=False)
    return Evidence(
        whole=_memory(arm, held, margin, headroom_bytes),
        parts=tuple(_memory(arm, part, margin, headroom_bytes) for part in parts),
        counts=known,
        charged=None if limited is None else _memory(arm, limited, margin, headroom_bytes),
        kernel=None if kernel is None else _memory(arm, kernel, margin, headroom_bytes),
        reserve_bytes=float(held.frame[REST_GAIN].max()),
    )


def _due(rows: pd.DataFrame) -> int:
    """Return at how many rows memory in use was to be read: not where the probe answered without its allocators."""
    return int((rows[OWN].notna() & ~(rows["probe_ms"].notna() & rows[HELD].isna())).sum())


def in_bytes(signal: str) -> bool:
    """Return whether a signal is counted in bytes."""
    return signal.endswith("_bytes")


def ticks_of(arm: Arm, load: Phase, settled: Signal) -> Signal | None:
    """Return a signal of quiesce points as its ticks have it; None where too few of them do, as of a count."""
    rows = _rows(arm, load, settled.readings.signal, settle=False)
    return None if rows is None else Signal(_readings(arm, rows), settled.margin, settled.limit)


def points_under_load(arm: Arm, load: Phase) -> pd.DataFrame:
    """Return the quiesce points of the load, and the last one before it: the level that the load starts from."""
    points = arm.points[arm.points["t_s"] <= load.end_s]
    before = points.loc[points["t_s"] < load.start_s, "t_s"]
    return points[points["t_s"] >= (before.max() if len(before) else load.start_s)]


@dataclass(frozen=True, slots=True)
class _Rows:
    """The readings of one column under load."""

    name: str
    frame: pd.DataFrame
    settled: bool
    """Whether they are quiesce points."""

    @property
    def count(self) -> int:
        return int(self.frame[self.name].count())

    @property
    def last(self) -> float:
        return float(self.frame[self.name].dropna().iloc[-1])


def _rows(arm: Arm, load: Phase, name: str, *, settle: bool = True, partial: bool = False) -> _Rows | None:
    """Return the quiesce points where enough of them have the reading, else the ticks; None where too few have.

    They must be of the whole load, unless ``partial``: what only accuses may also be of a part of it.
    """
    seconds = within(arm.samples, load.start_s, load.end_s)
    ticks = _Rows(name, seconds, settled=False)
    found = [ticks] if ticks.count >= MIN_READINGS_UNDER_LOAD else []
    if settle:
        points = _Rows(name, points_under_load(arm, load), settled=True)
        found = [points, *found] if points.count >= MIN_QUIESCE_POINTS else found
    whole = (rows for rows in found if is_of_all(rows.frame, seconds, name))
    return next(whole, found[0] if found and partial else None)


def is_of_all(rows: pd.DataFrame, seconds: pd.DataFrame, name: str) -> bool:
    """Return whether no stretch of the load in which the arm was read, tick by tick, is without readings of a column.

    ``rows`` have it, ``seconds`` are the ticks of the load.
    """
    ticks_s = seconds.loc[seconds[RSS].notna(), "t_s"].to_numpy(float)
    read_s = rows.loc[rows[name].notna(), "t_s"].to_numpy(float)
    apart = np.diff(np.searchsorted(ticks_s, read_s), prepend=0, append=len(ticks_s))
    return bool(apart.max() - np.median(apart) <= MOST_UNREAD_SHARE * len(ticks_s))


def _memory(arm: Arm, rows: _Rows, margin: Margin, headroom_bytes: float | None) -> Signal:
    limit = None if headroom_bytes is None else rows.last + max(0.0, headroom_bytes)
    return Signal(_readings(arm, rows), margin, limit)


def _count(arm: Arm, load: Phase, name: str, margin: Margin, headroom_bytes: float | None) -> Signal | None:
    """Return a count; None where it was hardly read.

    Its margin is the leak in bytes over what one costs, or what meets its own limit in WITHIN_S where that is less; but
    no less than POOL over the load.
    """
    rows = _rows(arm, load, name, partial=True)
    if rows is None:
        return None
    each, limit = BYTES_EACH[name], None
    if name in LIMITS and rows.frame[LIMITS[name]].notna().any():
        limit = _Rows(LIMITS[name], rows.frame, settled=rows.settled).last
    elif headroom_bytes is not None:
        limit = rows.last + max(0.0, headroom_bytes) / each
    load_s = load.end_s - load.start_s
    in_time = math.inf if limit is None else max(limit - rows.last, 0.0) / WITHIN_S * load_s

    def least(leak_bytes: float | None, amount: float) -> float | None:
        """Return the margin per unit of ``amount``, which the load has of seconds or of requests."""
        if leak_bytes is None:
            return None
        return (
            max(min(leak_bytes / each, in_time / amount), POOL / amount) if amount > 0 else leak_bytes / each
        )

    requests = float(np.ptp(answered_by(arm, np.array([load.start_s, load.end_s]))))
    drained = arm.ladder.loc[arm.ladder["rung"] == "drained", name].dropna()
    return Signal(
        _readings(arm, rows),
        Margin(least(margin.per_s, load_s), least(margin.per_request, requests)),
        limit,
        closed_by_drain=max(0.0, rows.last - float(drained.iloc[-1])) if len(drained) else 0.0,
    )


def _readings(arm: Arm, rows: _Rows) -> SignalSeries:
    t_s = rows.frame["t_s"].to_numpy(float)
    readings = SignalSeries(
        signal=rows.name,
        t_s=t_s,
        value=rows.frame[rows.name].to_numpy(float),
        life=rows.frame["life"].to_numpy(float),
        requests=answered_by(arm, t_s),
        settled=rows.settled,
        quantum=ARENA_BYTES if rows.name in (*MEMORY_ALONE, CHARGED) else 0.0,
    )
    return steadied(readings, arm.sent)
