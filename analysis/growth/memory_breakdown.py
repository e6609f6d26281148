"""Where the memory went from the start to the end of the load: the change of USS, taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from analysis.recording.model import PYTHON_BYTES, Arm, Phase

PARTS: Final = (PYTHON_BYTES, "pymalloc_free_bytes", "malloc_in_use_bytes", "malloc_free_bytes")
"""Columns whose changes, with what none of them explains, add up to the change of USS."""


@dataclass(frozen=True, slots=True)
class MemoryBreakdown:
    """The change of one life's USS over its load, bytes; its fields are the columns of waterfall.csv.

    On Linux the Python allocator maps its arenas itself, so they are no part of malloc's figures, and the parts add up.
    """

    arm: str
    life: int
    settled: bool
    """Both ends are quiesce points."""
    start_s: float
    """``t_s`` of the first reading."""
    end_s: float
    """``t_s`` of the last reading."""
    uss_start_bytes: float
    uss_end_bytes: float
    live_python_bytes: float
    """Change of pymalloc_arena_bytes - pymalloc_free_bytes: Python objects of up to 512 bytes."""
    free_in_pools_bytes: float
    """Change of pymalloc_free_bytes: retained by the Python allocator."""
    native_in_use_bytes: float
    """Change of malloc_in_use_bytes: native memory, and Python objects of more than 512 bytes."""
    free_in_malloc_bytes: float
    """Change of malloc_free_bytes: retained by malloc."""
    unexplained_bytes: float
    """The rest: mapped past malloc, stacks, pages read in; less what the allocators count and is not resident."""

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """The parts by name, which add up to the change of USS."""
        return (
            ("live Python", self.live_python_bytes),
            ("free in pools", self.free_in_pools_bytes),
            ("native in use", self.native_in_use_bytes),
            ("free in malloc", self.free_in_malloc_bytes),
            ("unexplained", self.unexplained_bytes),
        )


def memory_breakdown(arm: Arm, load: Phase) -> MemoryBreakdown | None:
    """Return the change of USS of the life that was read longest under load; None where it was not read twice.

    Quiesce points are preferred: the last before the load is then the start.
    """
    points = _whole(arm.points)
    before = points.loc[points["t_s"] < load.start_s, "t_s"]
    start_s = float(before.max()) if len(before) else load.start_s
    settled = _longest(points[points["t_s"].between(start_s, load.end_s)])
    rows = settled or _longest(_whole(arm.samples[arm.samples["t_s"].between(load.start_s, load.end_s)]))
    if rows is None:
        return None
    first, last = rows
    parts = [float(last[name] - first[name]) for name in PARTS]
    start_bytes, end_bytes = float(first["uss_bytes"]), float(last["uss_bytes"])
    return MemoryBreakdown(
        arm.name,
        int(first["life"]),
        settled is not None,
        float(first["t_s"]),
        float(last["t_s"]),
        start_bytes,
        end_bytes,
        *(*parts, end_bytes - start_bytes - sum(parts)),
    )


def _whole(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.dropna(subset=["uss_bytes", *PARTS])


def _longest(rows: pd.DataFrame) -> tuple[pd.Series[float], pd.Series[float]] | None:
    """Return the first and the last row of the life with the longest stretch; None where none has two."""
    lives = [own for _, own in rows.groupby("life") if len(own) > 1]
    if not lives:
        return None
    own = max(lives, key=lambda one: float(one["t_s"].max() - one["t_s"].min()))
    return own.iloc[0], own.iloc[-1]
