"""Where the memory went from the start to the end of the load: what the limit charged, part by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from analysis.recording.accounting import FREE, NATIVE, OWN, PYTHON, REST
from analysis.recording.model import Arm, Phase, within

PARTS: Final = (PYTHON, NATIVE, REST, FREE)
"""Columns that add up to an arm's own memory."""
CHARGES: Final = ("cgroup_kernel_bytes", "cgroup_file_bytes")
"""Columns of what the memory limit charges beside it; 0 where they were not read."""


@dataclass(frozen=True, slots=True)
class MemoryBreakdown:
    """The change of one life's memory over its load, bytes; its fields are the columns of waterfall.csv."""

    arm: str
    life: int
    settled: bool
    """Both ends are quiesce points."""
    charged: bool
    """The ends are what the memory limit charged; without one, or where it was not read, the arm's own memory."""
    start_s: float
    """``t_s`` of the first reading."""
    end_s: float
    """``t_s`` of the last reading."""
    start_bytes: float
    end_bytes: float
    python_bytes: float
    """Change of the Python allocator's bytes in use: Python objects of up to 512 bytes."""
    native_bytes: float
    """Change of malloc's bytes in use: native memory, and Python objects of more than 512 bytes."""
    rest_bytes: float
    """Change of memory that no allocator accounts for: other allocators, mappings, stacks, shared memory, tmpfs."""
    free_bytes: float
    """Change of the free memory that the allocators retain."""
    kernel_bytes: float
    """Change of kernel memory; 0 where the ends are the arm's own memory."""
    file_cache_bytes: float
    """Change of the file cache, which is given back under pressure; 0 likewise."""
    shared_bytes: float
    """The rest of the change of the charge: pages that processes share after a fork count in each of them, so it is
    negative as far as these are more; 0 likewise."""

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """The parts by name, which add up to the change; those of the charge only where that was read."""
        own = (
            ("Python", self.python_bytes),
            ("native", self.native_bytes),
            ("rest", self.rest_bytes),
            ("free", self.free_bytes),
        )
        of_limit = (
            ("kernel", self.kernel_bytes),
            ("file cache", self.file_cache_bytes),
            ("shared after fork", self.shared_bytes),
        )
        return (*own, *of_limit) if self.charged else own


def memory_breakdown(arm: Arm, load: Phase) -> MemoryBreakdown | None:
    """Return the change of memory of the life that was read longest under load; None where it was not read twice.

    Quiesce points are preferred: the last before the load is then the start.
    """
    points = _whole(arm.points)
    before = points.loc[points["t_s"] < load.start_s, "t_s"]
    start_s = float(before.max()) if len(before) else load.start_s
    settled = _longest(within(points, start_s, load.end_s))
    rows = settled or _longest(_whole(within(arm.samples, load.start_s, load.end_s)))
    if rows is None:
        return None
    first, last = rows
    charged = bool(pd.notna(first["cgroup_bytes"]) and pd.notna(last["cgroup_bytes"]))
    whole = "cgroup_bytes" if charged else OWN
    parts = [float(last[name] - first[name]) for name in PARTS]
    beside = [_change(first, last, name) if charged else 0.0 for name in CHARGES]
    start_bytes, end_bytes = float(first[whole]), float(last[whole])
    return MemoryBreakdown(
        arm.name,
        int(first["life"]),
        settled is not None,
        charged,
        float(first["t_s"]),
        float(last["t_s"]),
        start_bytes,
        end_bytes,
        *(*parts, *beside, end_bytes - start_bytes - sum(parts) - sum(beside) if charged else 0.0),
    )


def _change(first: pd.Series[float], last: pd.Series[float], name: str) -> float:
    change = float(last[name] - first[name])
    return change if pd.notna(change) else 0.0


def _whole(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.dropna(subset=[OWN, *PARTS])


def _longest(rows: pd.DataFrame) -> tuple[pd.Series[float], pd.Series[float]] | None:
    """Return the first and the last row of the life with the longest stretch; None where none has two."""
    lives = [own for _, own in rows.groupby("life") if len(own) > 1]
    if not lives:
        return None
    own = max(lives, key=lambda one: float(one["t_s"].max() - one["t_s"].min()))
    return own.iloc[0], own.iloc[-1]
