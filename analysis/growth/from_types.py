"""Suspects from types whose objects grow in number without a container that explains them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import pandas as pd

from analysis.growth.classify import (
    CYCLES,
    LOST,
    kind_of_type,
    short,
)
from analysis.growth.holders import held_type
from analysis.growth.suspect import UNKNOWN, Grower, thing
from analysis.growth.trends import GrowingType
from analysis.recording.heap_files import HeapFiles
from analysis.recording.model import Arm, Phase

TOP_LOST: Final = 3
"""Types without a holder that get a line."""
EXPLAINED: Final = 0.5
"""Of a growth in bytes: what explains so much of it is the explanation."""


def explained(
    one: GrowingType, growers: list[Grower], types: pd.DataFrame, total_bytes_per_s: float
) -> GrowingType:
    """Say which grower holds objects of a type: by its own type or its sample of entries, else by most of the bytes."""
    for grower in growers:
        if grower.kind == CYCLES and collected(types, one):
            return replace(one, explained_by=grower.name)
        if one.type == grower.type or short(one.type) in grower.holds.split(", "):
            return replace(one, explained_by=grower.name)
    if sum(grower.bytes_per_s or 0.0 for grower in growers) >= EXPLAINED * total_bytes_per_s > 0:
        return replace(one, explained_by="all of these together")
    return one


def collected(types: pd.DataFrame, one: GrowingType) -> bool:
    """Return whether the ladder's collection freed most of what a type had at its rung ``drained``.

    A type of which it left nothing has no row in the census after it.
    """
    own = types[types["life"] == one.life]
    drained, left = (_objects_at(own[own["rung"] == rung], one.type) for rung in ("drained", "collected"))
    return drained > 0 and left <= (1 - EXPLAINED) * drained


def _objects_at(rows: pd.DataFrame, name: str) -> float:
    """Return the objects of a type in the last of these censuses; NaN where there is none."""
    last = rows[rows["t_s"] == rows["t_s"].max()]
    return math.nan if last.empty else float(last.loc[last["type"] == name, "objects"].sum())


def types_alone(
    arm: Arm, load: Phase, kinds: list[GrowingType], growers: list[Grower], files: HeapFiles
) -> list[Grower]:
    """Return the types that grow steadily and that nothing explains.

    Beside a container whose contents are not known only those are told of which the probe says what they are.
    """
    containers = [one for one in growers if one.address]
    unread = any(one.bytes_per_s is None for one in containers)
    found: list[Grower] = []
    for one in kinds:
        if not one.steady or one.explained_by or len(found) == TOP_LOST:
            continue
        known = held_type(files.holders, load, one.life, one.type)
        holder, entries = (known.holder, known.entries) if known else ("", [])
        kind = kind_of_type(
            one.type,
            holder,
            entries,
            freed=collected(files.types, one),
            containers_grow=bool(containers),
        )
        if unread and kind.name not in {LOST, CYCLES}:
            continue
        nobody = thing(arm, kind.name, holder or f"objects of {short(one.type)}", kind.why, UNKNOWN)
        found.append(
            replace(
                nobody,
                holder=holder,
                type=one.type,
                lives=str(one.life),
                items_per_request=one.objects_per_request,
                bytes_per_request=one.bytes_per_request,
                bytes_per_s=one.bytes_per_s,
            )
        )
    return found
