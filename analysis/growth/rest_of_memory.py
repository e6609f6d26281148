"""What growth of the part ``rest`` is: memory that neither Python's allocator nor malloc counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import pandas as pd

from analysis.formatting import format_bytes
from analysis.growth.classify import FILES_ON_TMPFS, FOREIGN, MAPPINGS, THREAD_STACKS, SuspectKind
from analysis.recording.model import Arm, Phase, within

MOST_OF_IT: Final = 0.5
"""Share of the growth of ``rest`` that shared memory grows by where that is what grows."""


@dataclass(frozen=True, slots=True)
class GrowthBeside:
    """What grew under load beside ``rest``, of an arm's longest life."""

    seconds: float
    """Time from the first of its readings to the last."""
    mapped_bytes: float
    """Growth of the resident shared memory that the processes map; nan where it was not read."""
    charged_bytes: float
    """Growth of the shared memory charged to the arm's limit, mapped or not; nan without a cgroup."""
    threads: float
    """Growth of the number of threads."""
    allocator: str
    """The allocator behind malloc; empty where it cannot be asked."""
    foreign: tuple[str, ...]
    """Loaded libraries with an allocator of their own, without ``allocator``."""


def growth_beside(arm: Arm, load: Phase) -> GrowthBeside | None:
    """Return what grew beside ``rest`` from the first to the last reading under load; None without readings."""
    rows = within(arm.samples, load.start_s, load.end_s)
    if rows.empty:
        return None
    own = rows[rows["life"] == rows["life"].mode().iloc[0]]
    allocator = _last_word(own, "allocator")
    foreign = _last_word(own, "foreign_allocators").split()
    return GrowthBeside(
        seconds=float(own["t_s"].iloc[-1] - own["t_s"].iloc[0]),
        mapped_bytes=_growth(own, "shmem_bytes"),
        charged_bytes=_growth(own, "cgroup_shmem_bytes"),
        threads=_growth(own, "threads"),
        allocator=allocator,
        foreign=tuple(name for name in foreign if name != allocator),
    )


def kind_of_rest(rest_bytes: float, beside: GrowthBeside, *, threads_leak: bool) -> SuspectKind:
    """Return the kind of a leak of ``rest``, which grew by ``rest_bytes`` over the same readings.

    ``threads_leak``: the number of threads is a leak, too. What is charged as shared memory and is mapped by no process
    is on tmpfs, in a file or a memfd. What is left is not told apart by any reading: a library that brings an allocator
    is the likelier source than mappings of the program's own.
    """
    mapped, charged = (
        0.0 if math.isnan(grown) else max(0.0, grown) for grown in (beside.mapped_bytes, beside.charged_bytes)
    )
    if charged - mapped >= MOST_OF_IT * rest_bytes:
        return SuspectKind(
            FILES_ON_TMPFS,
            f"shared memory of the limit's charge grew by {format_bytes(charged)}, that of the processes by "
            f"{format_bytes(mapped)}",
        )
    if mapped >= MOST_OF_IT * rest_bytes:
        return SuspectKind(MAPPINGS, f"shared memory that the process maps grew by {format_bytes(mapped)}")
    if threads_leak and beside.threads > 0:
        each = format_bytes(rest_bytes / beside.threads)
        return SuspectKind(THREAD_STACKS, f"threads grow in number, {each} for each")
    if beside.foreign:
        return SuspectKind(
            FOREIGN, f"loaded, with an allocator that cannot be asked: {', '.join(beside.foreign)}"
        )
    if not beside.allocator:
        return SuspectKind(FOREIGN, "the allocator behind malloc cannot be asked")
    return SuspectKind(
        MAPPINGS, f"private memory grows that neither Python's allocator nor {beside.allocator} counts"
    )


def name_of_rest(kind: SuspectKind, beside: GrowthBeside) -> str:
    """Return the libraries whose allocators may have it, else the kind."""
    return ", ".join(beside.foreign) if kind.name == FOREIGN and beside.foreign else kind.name


def _growth(rows: pd.DataFrame, name: str) -> float:
    read = rows[name].dropna() if name in rows else pd.Series(dtype=float)
    return float(read.iloc[-1] - read.iloc[0]) if len(read) > 1 else math.nan


def _last_word(rows: pd.DataFrame, name: str) -> str:
    words = rows.loc[rows[name] != "", name] if name in rows else pd.Series(dtype=str)
    return str(words.iloc[-1]) if len(words) else ""
