"""Resident memory that no object holds: what the allocators keep, and what the limit leaves."""

from __future__ import annotations

import math
from typing import Final

import pandas as pd

from analysis.recording import Arm, Phase
from soak.contract import RUNGS

EDGE: Final = 0.05
"""Of the load, at its start and end: the median there is the level there."""


def held_by_allocator(arm: Arm, load: Phase) -> float:
    """Return the bytes that the allocators gained or gave back without any object living in them.

    That is what ``malloc_trim`` gave back in the quiesce ladder, and what the Python allocator's free blocks and pools
    grew by over the load in the life that saw its end.
    """
    rungs = arm.ladder.set_index("rung")["rss_bytes"].reindex(list(RUNGS))
    trimmed = float(rungs["collected"] - rungs["trimmed"])
    rows = _last_life(arm, load).dropna(subset="pymalloc_free_bytes")
    edge = max(1, int(EDGE * len(rows)))
    free = rows["pymalloc_free_bytes"]
    grown = float(free.tail(edge).median() - free.head(edge).median()) if len(rows) else 0.0
    return sum(max(0.0, size_bytes) for size_bytes in (trimmed, grown) if math.isfinite(size_bytes))


def end_memory(arm: Arm, load: Phase) -> float | None:
    """Return the RSS, bytes, of all processes of the arm at the end of the load; None when it was not read."""
    alive = [life.number for life in arm.lives if life.start_s <= load.end_s <= life.end_s]
    since_s = load.end_s - max(EDGE * (load.end_s - load.start_s), 5.0)
    rows = arm.samples[arm.samples["t_s"].between(since_s, load.end_s)].dropna(subset="rss_bytes")
    rows = rows[rows["life"].isin(alive)] if alive else rows
    levels = rows.groupby("life")["rss_bytes"].median()
    return float(levels.sum()) if len(levels) else None


def _last_life(arm: Arm, load: Phase) -> pd.DataFrame:
    rows = arm.samples[arm.samples["t_s"].between(load.start_s, load.end_s)]
    return rows[rows["life"].eq(rows["life"].max())]
