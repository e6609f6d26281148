"""Suspects from types whose objects grow in number and that no container explains."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from analysis.growth.classify import (
    CYCLES,
    HOLDING_NOTHING,
    LOST_REFERENCE,
    UNREFERENCED_STATE,
    UNTRACKED_STATE,
    kind_of_type,
    short_type,
)
from analysis.growth.holders import holder_of_type
from analysis.growth.suspect import UNKNOWN_RATES, LeakSuspect, suspect_without_container
from analysis.growth.trends import TypeGrowth
from analysis.recording.heap_files import HeapFiles
from analysis.recording.model import Arm, Phase

MOST_TYPE_SUSPECTS: Final = 3
"""The most types that become suspects."""
EXPLAINED: Final = 0.5
"""The share of a growth that explains all of it."""


def attribute_type(
    one: TypeGrowth, suspects: list[LeakSuspect], files: HeapFiles, load: Phase, total_bytes_per_s: float
) -> TypeGrowth:
    """Return the type with the suspect that explains it: by type or sample of entries, else by most of the bytes.

    Of a type that others have, too, as dict, a suspect that holds little of what grows explains nothing; nor does most
    of the bytes, where the probe found objects of the type to which none refers.
    """
    name = short_type(one.type)
    holding = [other for other in suspects if one.type == other.type or name in other.holds.split(", ")]
    if holding and sum(_share_of(other, one) for other in holding) >= EXPLAINED:
        return replace(one, explained_by=holding[0].name)
    for suspect in suspects:
        if suspect.kind == CYCLES and freed_by_collection(files.types, one):
            return replace(one, explained_by=suspect.name)
    if UNREFERENCED_STATE in _answer(one, files, load)[0]:
        return one
    if sum(suspect.bytes_per_s or 0.0 for suspect in suspects) >= EXPLAINED * total_bytes_per_s > 0:
        return replace(one, explained_by="all of these together")
    return one


def _share_of(suspect: LeakSuspect, one: TypeGrowth) -> float:
    """Return which share of the growth of a type that it holds a suspect may explain: by bytes, or items of that type.

    All of it where its bytes are not known.
    """
    if suspect.bytes_per_s is None:
        return 1.0
    by_bytes = suspect.bytes_per_s / one.bytes_per_s if one.bytes_per_s > 0 else 1.0
    by_items = 0.0
    if one.type != suspect.type and suspect.items_per_request and one.objects_per_request:
        by_items = suspect.items_per_request / one.objects_per_request
    return max(by_bytes, by_items)


def freed_by_collection(types: pd.DataFrame, one: TypeGrowth) -> bool:
    """Return whether the collection of the quiesce ladder freed most objects of a type that were left after the drain.

    A type of which it left nothing has no row in the census after it.
    """
    own = types[types["life"] == one.life]
    drained, left = (_objects_at(own[own["rung"] == rung], one.type) for rung in ("drained", "collected"))
    return drained > 0 and left <= (1 - EXPLAINED) * drained


def _objects_at(rows: pd.DataFrame, name: str) -> float:
    """Return the objects of a type in the last of these censuses; NaN where there is none."""
    last = rows[rows["t_s"] == rows["t_s"].max()]
    return math.nan if last.empty else float(last.loc[last["type"] == name, "objects"].sum())


def type_suspects(
    arm: Arm,
    load: Phase,
    types: list[TypeGrowth],
    suspects: list[LeakSuspect],
    files: HeapFiles,
    of_tasks: str = "",
    *,
    connections_leak: bool = False,
) -> list[LeakSuspect]:
    """Return the types that grow steadily and that no suspect explains, nor holds by the path the probe found.

    Where the contents of a container are not known, they may explain a type, unless the probe has named its kind.
    """
    containers = [one for one in suspects if one.address]
    unread = any(one.bytes_per_s is None for one in containers)
    found: list[LeakSuspect] = []
    for one in types:
        if not one.steady or one.explained_by or len(found) == MOST_TYPE_SUSPECTS:
            continue
        known = holder_of_type(files.holders, load, one.life, one.type)
        holder, entries = (known.holder, known.entries) if known else ("", [])
        if any(holder.startswith((f"{name}[", f"{name}{{")) for one in containers if (name := one.holder)):
            continue
        kind = kind_of_type(
            one.type,
            holder,
            entries,
            freed=freed_by_collection(files.types, one),
            lost="" if containers else _why_lost(one, types, files, load),
            of_tasks=of_tasks,
            connections_leak=connections_leak,
        )
        if unread and kind.name not in {LOST_REFERENCE, CYCLES}:
            continue
        suspect = suspect_without_container(
            arm, kind.name, holder or f"objects of {short_type(one.type)}", kind.why, UNKNOWN_RATES
        )
        found.append(
            replace(
                suspect,
                holder=holder,
                type=one.type,
                lives=str(one.life),
                items_per_request=one.objects_per_request,
                bytes_per_request=one.bytes_per_request,
                bytes_per_s=one.bytes_per_s,
            )
        )
    return found


def _why_lost(one: TypeGrowth, types: list[TypeGrowth], files: HeapFiles, load: Phase) -> str:
    """Return why the references to a type's objects are lost, by the types that grow beside it; a clause.

    Empty where they may not be. Texts and numbers retain nothing, nor does what the collector never lists.
    """
    answers = {of: _answer(of, files, load) for of in types if of.steady}
    may_retain = [
        of
        for of, (states, _) in answers.items()
        if of.type not in {one.type, *HOLDING_NOTHING} and UNTRACKED_STATE not in states
    ]
    if UNTRACKED_STATE in answers[one][0] and not may_retain:
        return "nothing that could retain them does"
    counted_s = files.types.loc[files.types["life"] == one.life, "t_s"].clip(load.start_s, load.end_s)
    grown_bytes = sum(of.bytes_per_s for of in answers) * float(np.ptp(counted_s))
    lost_bytes = max(
        (answers[of][1] for of in may_retain if UNREFERENCED_STATE in answers[of][0]), default=0.0
    )
    if lost_bytes >= EXPLAINED * grown_bytes > 0:
        return "most of what grows is retained by objects to which no object refers"
    return ""


def _answer(of: TypeGrowth, files: HeapFiles, load: Phase) -> tuple[set[str], float]:
    """Return the states that the probe found of a type's objects, and the bytes that they retain; 0 if not known."""
    found = holder_of_type(files.holders, load, of.life, of.type)
    if found is None:
        return set(), 0.0
    return {str(entry.get("state", "")) for entry in found.entries}, found.retained_bytes or 0.0
