"""The heap files of an arm: objects by type, containers that grew, what retains them, and tasks that are stuck."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

import pandas as pd

from analysis.recording.as_written import TextKind
from analysis.recording.csv_table import CsvTable, Rows, read_table
from soak.contract import CENSUS, CONTAINERS, HOLDERS, STUCK

TYPE_NUMBERS: Final = ("t_s", "life", "objects", "bytes")
TYPE_TEXTS: Final = ("rung", "by", "type")
COUNTED_BY_PROBE: Final = "probe"
"""Value of the column ``by``, in recordings of schema 1, of rows that the probe counted; they are not read."""
CONTAINER_NUMBERS: Final = ("t_s", "life", "length")
CONTAINER_TEXTS: Final = ("rung", "address", "type")
HOLDER_NUMBERS: Final = ("t_s", "life", "length", "retained_bytes", "retained_whole")
HOLDER_TEXTS: Final = ("rung", "address", "type", "holder", "entries")
STUCK_NUMBERS: Final = ("t_s", "life", "stuck", "pending")
STUCK_TEXTS: Final = ("coroutine", "waits_at", "source", "waits_in", "created", "refused")

TYPE_ROWS: Final = Rows(("t_s", "life", "rung", "by", "type"))
CONTAINER_ROWS: Final = Rows(("t_s", "life", "rung", "address", "type"))
HOLDER_ROWS: Final = Rows(("t_s", "life", "rung", "address", "type"), slack_s=30.0)
"""A search that began earlier may be answered later; the longest takes less than its slack."""
STUCK_ROWS: Final = Rows(("t_s", "life", "coroutine", "waits_at", "waits_in", "created"))


@dataclass(frozen=True, slots=True)
class HeapFiles:
    """The rows of census.csv, containers.csv, holders.csv and stuck.csv; none where a file is missing.

    Damaged rows are left out: a missing name changes no verdict.
    """

    types: pd.DataFrame = field(default_factory=pd.DataFrame)
    containers: pd.DataFrame = field(default_factory=pd.DataFrame)
    holders: pd.DataFrame = field(default_factory=pd.DataFrame)
    stuck: pd.DataFrame = field(default_factory=pd.DataFrame)
    gaps: tuple[str, ...] = ()
    """Sentences on what is damaged, or is not as a run writes it."""

    @property
    def recorded(self) -> bool:
        """Whether there was any census from outside."""
        return len(self.types) > 0 or len(self.containers) > 0


def read_heap_files(arm_dir: Path) -> HeapFiles:
    """Read the heap files of an arm. Raises nothing."""
    census = _read(arm_dir / CENSUS, TYPE_NUMBERS, TYPE_TEXTS, TYPE_ROWS, "category")
    containers = _read(arm_dir / CONTAINERS, CONTAINER_NUMBERS, CONTAINER_TEXTS, CONTAINER_ROWS, "category")
    holders = _read(arm_dir / HOLDERS, HOLDER_NUMBERS, HOLDER_TEXTS, HOLDER_ROWS)
    stuck = _read(arm_dir / STUCK, STUCK_NUMBERS, STUCK_TEXTS, STUCK_ROWS)
    found = census.frame
    if (found["by"] == COUNTED_BY_PROBE).any():
        found = found[found["by"] != COUNTED_BY_PROBE]
    return HeapFiles(
        types=found.dropna(subset=["life", "objects"]),
        containers=containers.frame.dropna(subset=["life", "length"]),
        holders=holders.frame.dropna(subset="life"),
        stuck=stuck.frame.dropna(subset="life"),
        gaps=tuple(chain.from_iterable(table.gaps for table in (census, containers, holders, stuck))),
    )


def _read(
    path: Path, numbers: tuple[str, ...], texts: tuple[str, ...], rows: Rows, text_kind: TextKind = "str"
) -> CsvTable:
    """Read one file, which is there only where it was made; its columns were added over time."""
    optional = frozenset((*numbers[1:], *texts))
    return read_table(
        path,
        numbers,
        texts,
        optional=optional,
        rows=rows,
        arm=path.parent.name,
        required=False,
        text_kind=text_kind,
    )
