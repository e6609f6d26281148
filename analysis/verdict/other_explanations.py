"""Other explanations of growth: a cache that is still filling, by its gauge, and memory the allocators retain."""

from __future__ import annotations

import math
from typing import Final

import pandas as pd

from analysis.recording.accounting import OWN
from analysis.recording.gauges import PREFIX
from analysis.recording.model import Arm, Phase
from analysis.verdict.signals import limited_memory
from soak.contract import RUNGS

GAUGE_TAIL_SHARE: Final = 0.3
"""Share of the readings, at their end, over which a gauge must keep its level to have stopped."""
GAUGE_LEVEL_SHARE: Final = 0.01
"""Share of its highest value by which a gauge may move and still keep its level."""
MIN_GAUGE_READINGS: Final = 10
"""Least number of readings of a gauge in one life."""
EDGE: Final = 0.05
"""Share of the load whose median, at its start and its end, is the level there."""


def bounded(arm: Arm, load: Phase) -> bool | None:
    """Return True when every gauge that grew has stopped at a bound, False when one still grows, else None."""
    rows = arm.samples[arm.samples["t_s"].between(load.start_s, load.end_s)]
    gauges = [column for column in rows.columns if column.startswith(PREFIX)]
    found = [_stopped(rows.dropna(subset=gauge), gauge) for gauge in gauges]
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


def unconfirmed_free(arm: Arm, load: Phase) -> float:
    """Return the free bytes that malloc gained over the load and did not give back when trimmed in the quiesce ladder.

    They are free by the allocator's own account alone. Where the ladder was not read, all of them are.
    """
    rungs = arm.ladder.set_index("rung")[OWN].reindex(list(RUNGS))
    trimmed = float(rungs["collected"] - rungs["trimmed"])
    gained = _grown(_last_life(arm, load)["malloc_free_bytes"])
    return max(0.0, gained - max(0.0, trimmed if math.isfinite(trimmed) else 0.0))


def _grown(free: pd.Series[float]) -> float:
    """Return by how much it is more at the end than at the start; 0 where it was not read."""
    free = free.dropna()
    edge = max(1, int(EDGE * len(free)))
    return float(free.tail(edge).median() - free.head(edge).median()) if len(free) else 0.0


def end_memory(arm: Arm, load: Phase) -> float | None:
    """Return what the memory limit limits, bytes, at the end of the load; None when it was not read."""
    name = limited_memory(arm)
    alive = [life.number for life in arm.lives if life.start_s <= load.end_s <= life.end_s]
    since_s = load.end_s - max(EDGE * (load.end_s - load.start_s), 5.0)
    rows = arm.samples[arm.samples["t_s"].between(since_s, load.end_s)].dropna(subset=name)
    rows = rows[rows["life"].isin(alive)] if alive else rows
    levels = rows.groupby("life")[name].median()
    return float(levels.sum()) if len(levels) else None


def _last_life(arm: Arm, load: Phase) -> pd.DataFrame:
    rows = arm.samples[arm.samples["t_s"].between(load.start_s, load.end_s)]
    return rows[rows["life"].eq(rows["life"].max())]
