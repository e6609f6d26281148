"""What retains a container that grows: the probe's answer, joined by address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from analysis.growth.classify import parse_entries
from analysis.growth.trends import ContainerGrowth
from analysis.recording.model import Phase

ENDS: Final = r"task |thread (?!MainThread: )"
"""How a path begins that starts at a local variable of a task or of a thread other than the main one."""


@dataclass(frozen=True, slots=True)
class HolderAnswer:
    """The probe's answer about a container, or about a type."""

    holder: str
    """The path of references; empty where none was found."""
    retained_bytes: float | None
    retained_whole: bool
    """False where ``retained_bytes`` is a lower bound."""
    bytes_each: float | None
    """Retained bytes per item."""
    entries: list[Mapping[str, Any]]
    """A sample of what it contains."""


def holder_of_container(holders: pd.DataFrame, container: ContainerGrowth) -> HolderAnswer | None:
    """Return the newest answer about a container; None where the probe was never asked."""
    if holders.empty:
        return None
    same = holders["address"].map(_number) == _number(container.address)
    rows = holders[same & (holders["type"] == container.type) & (holders["life"] == container.life)]
    return _newest(rows)


def holder_of_type(holders: pd.DataFrame, load: Phase, life: int, name: str) -> HolderAnswer | None:
    """Return the newest answer about a type; None where the probe was not asked since the load began."""
    if holders.empty:
        return None
    rows = holders[(holders["address"] == "") & (holders["type"] == name) & (holders["life"] == life)]
    return _newest(rows[rows["t_s"] >= load.start_s])


def _newest(rows: pd.DataFrame) -> HolderAnswer | None:
    if rows.empty:
        return None
    named, seen = (rows.loc[rows[column] != "", column] for column in ("holder", "entries"))
    read = rows.dropna(subset=["retained_bytes", "length"])
    read = read[read["length"] > 0]
    retained = None if read.empty else float(read.iloc[-1]["retained_bytes"])
    return HolderAnswer(
        holder=_best_name(named),
        retained_bytes=retained,
        retained_whole=bool(len(read) and read.iloc[-1]["retained_whole"] == 1),
        bytes_each=None if retained is None else retained / float(read.iloc[-1]["length"]),
        entries=parse_entries(str(seen.iloc[-1]) if len(seen) else ""),
    )


def _best_name(named: pd.Series[str]) -> str:
    """Return the newest path; one through a local variable that may end soon only where there was no other."""
    lasting = named[~named.str.match(ENDS)]
    newest = (lasting if len(lasting) else named).tail(1)
    return "".join(newest)


def _number(address: str) -> int:
    """Return an address as a number, -1 for none: ``0x7f00`` and ``7f00`` are the same."""
    try:
        return int(address, 16)
    except ValueError:
        return -1
