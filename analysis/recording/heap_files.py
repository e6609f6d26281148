"""The heap files of an arm: objects by type, containers that grew, and what retains them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from analysis.recording.csv_table import read_table
from soak.contract import CENSUS, CONTAINERS, HOLDERS

TYPE_NUMBERS: Final = ("t_s", "life", "objects", "bytes")
TYPE_TEXTS: Final = ("rung", "by", "type")
COUNTED_BY_PROBE: Final = "probe"
"""Value of the column ``by``, in recordings of schema 1, of rows that the probe counted; they are not read."""
CONTAINER_NUMBERS: Final = ("t_s", "life", "length")
CONTAINER_TEXTS: Final = ("rung", "address", "type")
HOLDER_NUMBERS: Final = ("t_s", "life", "length", "retained_bytes", "retained_whole")
HOLDER_TEXTS: Final = ("rung", "address", "type", "holder", "entries")


@dataclass(frozen=True, slots=True)
class HeapFiles:
    """The rows of census.csv, containers.csv and holders.csv; none where a file is missing.

    Damaged rows are left out: a missing name changes no verdict.
    """

    types: pd.DataFrame
    containers: pd.DataFrame
    holders: pd.DataFrame

    @property
    def recorded(self) -> bool:
        """Whether there was any census from outside."""
        return len(self.types) > 0 or len(self.containers) > 0


def read_heap_files(arm_dir: Path, *, types: bool = True) -> HeapFiles:
    """Read the three files of an arm; ``types``, which has most rows, only if asked for. Raises nothing."""
    found = read_table(arm_dir / CENSUS, TYPE_NUMBERS, TYPE_TEXTS).frame if types else pd.DataFrame()
    if types:
        found = found[found["by"] != COUNTED_BY_PROBE].dropna(subset=["life", "objects"])
    containers = read_table(arm_dir / CONTAINERS, CONTAINER_NUMBERS, CONTAINER_TEXTS).frame
    holders = read_table(arm_dir / HOLDERS, HOLDER_NUMBERS, HOLDER_TEXTS).frame
    return HeapFiles(
        types=found,
        containers=containers.dropna(subset=["life", "length"]),
        holders=holders.dropna(subset="life"),
    )
