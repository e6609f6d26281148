"""Who holds a container that grows: the probe's answer, joined by address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.growth.classify import entries_of
from analysis.growth.trends import Growing
from analysis.recording.model import Phase


@dataclass(frozen=True, slots=True)
class Held:
    """What the probe said of a container, or of a type."""

    holder: str
    """The path of references; empty where none was found."""
    retained_bytes: float | None
    retained_whole: bool
    """Else ``retained_bytes`` is less than there is."""
    bytes_each: float | None
    """Retained bytes per item."""
    entries: list[Mapping[str, Any]]


def held(holders: pd.DataFrame, growing: Growing) -> Held | None:
    """Return what the newest answers on a container tell; None where it was never asked."""
    if holders.empty:
        return None
    same = holders["address"].map(_number) == _number(growing.address)
    rows = holders[same & (holders["type"] == growing.type) & (holders["life"] == growing.life)]
    return _newest(rows)


def held_type(holders: pd.DataFrame, load: Phase, life: int, name: str) -> Held | None:
    """Return the newest answer on a type whose objects grow; None where it was not asked since the load began."""
    if holders.empty:
        return None
    rows = holders[(holders["address"] == "") & (holders["type"] == name) & (holders["life"] == life)]
    return _newest(rows[rows["t_s"] >= load.start_s])


def _newest(rows: pd.DataFrame) -> Held | None:
    if rows.empty:
        return None
    named, seen = (rows.loc[rows[column] != "", column] for column in ("holder", "entries"))
    read = rows.dropna(subset=["retained_bytes", "length"])
    read = read[read["length"] > 0]
    retained = None if read.empty else float(read.iloc[-1]["retained_bytes"])
    return Held(
        holder=str(named.iloc[-1]) if len(named) else "",
        retained_bytes=retained,
        retained_whole=bool(len(read) and read.iloc[-1]["retained_whole"] == 1),
        bytes_each=None if retained is None else retained / float(read.iloc[-1]["length"]),
        entries=entries_of(str(seen.iloc[-1]) if len(seen) else ""),
    )


def _number(address: str) -> int:
    """Return an address as a number, -1 for none: ``0x7f00`` and ``7f00`` are the same."""
    try:
        return int(address, 16)
    except ValueError:
        return -1
