"""Other explanations of growth: a cache that is still filling, by its gauge, and memory the allocators retain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from analysis.judge.sen_slope import sen_slope
from analysis.recording.accounting import OWN, POOLS_SEEN, PYTHON_FREE
from analysis.recording.gauges import PREFIX
from analysis.recording.model import Arm, Phase, within
from analysis.verdict.signals import limited_memory
from analysis.verdict.validity import ALIVE_AT_LEAST
from soak.contract import RUNGS

GAUGE_TAIL_SHARE: Final = 0.3
"""Share of the readings, at their end, over which a gauge must keep its level to have stopped."""
GAUGE_LEVEL_SHARE: Final = 0.01
"""Share of its highest value by which a gauge may move and still keep its level."""
MIN_GAUGE_READINGS: Final = 10
"""Least number of readings of a gauge in one life."""
EDGE: Final = 0.05
"""Share of the load whose median, at its start and its end, is the level there."""
LAST_READINGS: Final = 2.0
"""Usual distances of two readings before the end of the load in which there is one, where EDGE has none."""
CENSUS_WITHIN: Final = "5s"
"""Time before a row in which the census of the row saw the pools; where rows are further apart, since the last one."""
MIN_CENSUSES: Final = 3
"""Least number of censuses under load that confirm free memory."""
CENSUSES_OVER: Final = 0.5
"""Least share of the load that these must cover."""
MOST_CENSUSES: Final = 400
"""Censuses of a life that are looked at, evenly spaced; their trend takes the time of their number squared."""


def bounded(arm: Arm, load: Phase) -> bool | None:
    """Return True when every gauge that grew has stopped at a bound, False when one still grows, else None."""
    rows = within(arm.samples, load.start_s, load.end_s)
    gauges = [column for column in rows.columns if column.startswith(PREFIX)]
    found = [_stopped(rows[["life", gauge]].dropna(subset=gauge), gauge) for gauge in gauges]
    known = [stopped for stopped in found if stopped is not None]
    return all(known) if known else None


def _stopped(rows: pd.DataFrame, gauge: str) -> bool | None:
    """Return the answer of the life with the most readings; None of a gauge that swings or is zero."""
    values = max((column for _, column in rows.groupby("life")[gauge]), key=len, default=None)
    if values is None or len(values) < MIN_GAUGE_READINGS or values.max() <= 0:
        return None
    tail = values.iloc[int(len(values) * (1 - GAUGE_TAIL_SHARE)) :]
    if tail.max() - tail.min() <= GAUGE_LEVEL_SHARE * values.max():
        return True
    never_falls = bool(values.is_monotonic_increasing)
    return False if never_falls and tail.iloc[-1] > tail.iloc[0] else None


@dataclass(frozen=True, slots=True)
class ReportedFree:
    """What an arm's own memory and its allocators' free memory gained over the load, bytes, and what confirms it.

    Free memory is the target's own word: it is not counted as in use, so a target that reports too much hides a leak.
    """

    own: float = 0.0
    """Gain of own memory, which is read from outside."""
    malloc: float = 0.0
    """Gain of malloc's free memory, as it reports."""
    trimmed: float | None = None
    """What malloc gave back when trimmed in the quiesce ladder; None where the ladder was not read."""
    python: float = 0.0
    """Gain of the free memory of Python's allocator, as it reports."""
    unseen: float | None = None
    """Gain of what of it censuses did not see; None where there were too few."""
    share: float = 1.0
    """Part of the load in which they were gained."""

    @property
    def malloc_unconfirmed(self) -> float:
        """Gain of malloc's free memory that nothing but its own account has."""
        return max(0.0, self.malloc - max(0.0, self.trimmed or 0.0))

    @property
    def python_unconfirmed(self) -> float:
        """The same of Python's allocator; without a census as far as own memory gained it."""
        if self.unseen is None:
            return max(0.0, min(self.python, self.own))
        return max(0.0, self.unseen)

    @property
    def unconfirmed(self) -> float:
        """Free memory that the arm gained by its own account alone."""
        return self.malloc_unconfirmed + self.python_unconfirmed


def reported_free(arm: Arm, load: Phase) -> ReportedFree:
    """Return what the arm reports as free under this load, and what of it is confirmed.

    Of several lives it is that of the longest, or of a process that is there throughout where more of that is
    unconfirmed: what one life gained is gone with it.
    """
    rungs = arm.ladder.set_index("rung")[OWN].reindex(list(RUNGS))
    trimmed = float(rungs["collected"] - rungs["trimmed"])
    given_back = trimmed if math.isfinite(trimmed) else None
    rows = within(arm.samples, load.start_s, load.end_s)
    lives = [life for _, life in rows.groupby("life")]
    if len(lives) < 2:
        return _reported(rows, given_back, 1.0)
    load_s = load.end_s - load.start_s
    processes = (
        [] if arm.by_process.empty else _of_processes(within(arm.by_process, load.start_s, load.end_s))
    )
    throughout = [process for process in processes if _span_s(process) >= ALIVE_AT_LEAST * load_s]
    found = [
        _reported(one, given_back, _span_s(one) / load_s) for one in (max(lives, key=_span_s), *throughout)
    ]
    return max(found, key=lambda one: one.unconfirmed / max(one.share, 1e-9))


def _of_processes(rows: pd.DataFrame) -> list[pd.DataFrame]:
    rows = rows.assign(**{OWN: rows["anon_bytes"] + rows["shmem_bytes"]})
    return [process for _, process in rows.groupby("life")]


def _span_s(rows: pd.DataFrame) -> float:
    return float(rows["t_s"].iloc[-1] - rows["t_s"].iloc[0])


def _reported(rows: pd.DataFrame, trimmed: float | None, share: float) -> ReportedFree:
    return ReportedFree(
        own=_grown(rows[OWN]),
        malloc=_grown(rows["malloc_free_bytes"]),
        trimmed=trimmed,
        python=_grown(rows[PYTHON_FREE]),
        unseen=_unseen(rows),
        share=share,
    )


def _unseen(rows: pd.DataFrame) -> float | None:
    """Return by how much more free memory Python's allocator reports in the end than censuses saw, than at the start.

    It is the trend of the difference (Sen 1968) over the time of the rows; None for too few censuses.
    """
    reported = pd.Series(
        rows[PYTHON_FREE].to_numpy(), index=pd.to_timedelta(rows["t_s"].to_numpy(), unit="s")
    )
    least = np.fmin(reported.rolling(CENSUS_WITHIN).min().to_numpy(), reported.shift().to_numpy())
    more = least - rows[POOLS_SEEN].to_numpy()
    known = np.flatnonzero(np.isfinite(more))
    if len(known) < MIN_CENSUSES:
        return None
    known = known[:: -(-len(known) // MOST_CENSUSES)]
    t_s = rows["t_s"].to_numpy()
    whole_s = float(t_s[-1] - t_s[0])
    if t_s[known[-1]] - t_s[known[0]] < CENSUSES_OVER * whole_s:
        return None
    return sen_slope(more[known], t_s[known]) * whole_s


def _grown(free: pd.Series[float]) -> float:
    """Return by how much it is more at the end than at the start; 0 where it was not read."""
    free = free.dropna()
    edge = max(1, int(EDGE * len(free)))
    return float(free.tail(edge).median() - free.head(edge).median()) if len(free) else 0.0


def counted_often(arm: Arm, load: Phase) -> float:
    """Return by how much shared memory grew in the sum over the processes that map it beyond the one with the most.

    Where they map the same, it is there once. 0 where one process is alive at a time, and where the limit's charge, in
    which each page is once, counts the shared memory.
    """
    if arm.by_process.empty or arm.samples["cgroup_shmem_bytes"].notna().any():
        return 0.0
    mapped = within(arm.by_process, load.start_s, load.end_s).groupby("t_s")["shmem_bytes"]
    return max(0.0, _grown(mapped.sum() - mapped.max()))


def end_memory(arm: Arm, load: Phase) -> float | None:
    """Return what the memory limit limits, bytes, at the end of the load; None when it was not read."""
    name = limited_memory(arm)
    alive = [life.number for life in arm.lives if life.start_s <= load.end_s <= life.end_s]
    rows = within(arm.samples, load.start_s, load.end_s).dropna(subset=name)
    apart_s = float(np.median(np.diff(rows["t_s"]))) if len(rows) > 1 else 0.0
    since_s = load.end_s - max(EDGE * (load.end_s - load.start_s), 5.0, LAST_READINGS * apart_s)
    rows = rows[rows["t_s"] >= since_s]
    rows = rows[rows["life"].isin(alive)] if alive else rows
    levels = rows.groupby("life")[name].median()
    return float(levels.sum()) if len(levels) else None
