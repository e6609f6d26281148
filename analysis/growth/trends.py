"""Growth from census to census: of containers by address, of types by their objects."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np
import pandas as pd

from analysis.judge.types import Numbers
from analysis.recording.model import Arm, Phase
from analysis.recording.requests import answered_by
from analysis.slopes import Slope, fit
from soak.contract import POINT, RUNGS

DRAINED: Final = RUNGS[0]
MIN_CENSUSES: Final = 3
"""The fewest censuses in which growth is found."""
LATER_CENSUSES: Final = 5
"""Censuses in the later part of a life's load, at least; it is the second half where that has more."""
STOPPED_AFTER_ITEMS: Final = 5.0
"""Growth has stopped where none was seen while so many items were expected at its rate: the chance of that is below 1%
(a Poisson count of mean 5 is 0 in 0.7%)."""
STEPS: Final = 12
"""The later part is divided into so many steps at most, and into no more than give STOPPED_AFTER_ITEMS to each: a slow
leak adds nothing between two censuses."""


@dataclass(frozen=True, slots=True)
class ContainerGrowth:
    """A container that grew in every step of the later part of a life's load."""

    life: int
    address: str
    """Hexadecimal."""
    type: str
    censuses: int
    """Censuses in the later part."""
    length: int
    """Items in the last census."""
    per_request: Slope | None
    """Items per request; None where the requests were not recorded."""
    per_s: Slope
    """Items per second."""


@dataclass(frozen=True, slots=True)
class TypeGrowth:
    """A type whose bytes grow under load; its fields are those of ``types`` in summary.json."""

    type: str
    life: int
    """The process in which they grow fastest; the figures are of all that are alive together."""
    objects_per_request: float | None
    bytes_per_request: float | None
    bytes_per_request_low: float | None
    bytes_per_request_high: float | None
    bytes_per_s: float
    share: float
    """Share of the growth in bytes of all types that grow."""
    steady: bool
    """Whether its objects grew in every step and did not stop."""
    explained_by: str = ""
    """The name of the suspect that retains such objects; empty where none does."""


def find_container_growth(
    arm: Arm, load: Phase, containers: pd.DataFrame, types: pd.DataFrame
) -> list[ContainerGrowth]:
    """Return the containers that grow, without those whose growth stopped, as a cache does at its bound."""
    found = []
    drained = containers[containers["rung"] == DRAINED] if len(containers) else containers
    last_s = {life: float(rows["t_s"].max()) for life, rows in _lives(types, load)}
    for life, rows in _lives(containers, load):
        # A census in which no container was left ends them all.
        latest_s = max(float(rows["t_s"].max()), last_s.get(life, 0.0))
        moments = rows["t_s"].drop_duplicates()
        for (address, name), own in rows.groupby(["address", "type"], sort=False):
            if float(own["t_s"].max()) < latest_s - 1:
                continue
            one = _steady_growth(arm, own, "length", moments)
            at_end = drained[
                (drained["life"] == life) & (drained["address"] == address) & (drained["type"] == name)
            ]
            if one and not _stopped_during_the_drain(arm, own, at_end, one[0], one[1]):
                per_s, per_request, censuses, length = one
                found.append(
                    ContainerGrowth(life, str(address), str(name), censuses, length, per_request, per_s)
                )
    return found


def find_type_growth(arm: Arm, load: Phase, types: pd.DataFrame) -> list[TypeGrowth]:
    """Return the types whose bytes grow in the processes that are alive together, those with the most growth first.

    These are the life with the most censuses and all that were alive in the middle of them. The slope of each is least
    squares over the later part of its censuses; the lower end of their sum is above zero.
    """
    lives = dict(_lives(types, load))
    if not lives:
        return []
    longest = max(lives, key=lambda life: int(lives[life]["t_s"].nunique()))
    middle_s = lives[longest]["t_s"].drop_duplicates().median()
    alive = {one.number for one in arm.processes if one.start_s <= middle_s <= one.end_s}
    together = sorted(lives.keys() & (alive | {longest}))
    since_s = {life: float(_later(lives[life]["t_s"])[0]) for life in together}
    parts: dict[str, list[tuple[int, pd.DataFrame, _Slopes]]] = {}
    for life in together:
        for name, own in lives[life].groupby("type", sort=False):
            if size := _type_slopes(arm, own, since_s[life], "bytes"):
                parts.setdefault(str(name), []).append((life, own, size))
    found = []
    for name, of_lives in parts.items():
        per_s, per_request = size = reduce(_added, (one for _, _, one in of_lives))
        if _deciding_slope(size).low <= 0:
            continue
        most, rows, _ = max(of_lives, key=lambda one: one[2][0].value)
        counted = (_type_slopes(arm, own, since_s[life], "objects") for life, own, _ in of_lives)
        known = [one for one in counted if one is not None]
        objects = reduce(_added, known) if known else None
        moments = lives[most]["t_s"].drop_duplicates()
        found.append(
            TypeGrowth(
                type=name,
                life=most,
                objects_per_request=objects[1].value if objects and objects[1] else None,
                bytes_per_request=per_request.value if per_request else None,
                bytes_per_request_low=per_request.low if per_request else None,
                bytes_per_request_high=per_request.high if per_request else None,
                bytes_per_s=per_s.value,
                share=0.0,
                steady=_steady_growth(arm, rows, "objects", moments) is not None,
            )
        )
    return sorted(found, key=lambda one: -one.bytes_per_s)


def _type_slopes(arm: Arm, own: pd.DataFrame, since_s: float, column: str) -> _Slopes | None:
    own = own[own["t_s"] >= since_s]
    return _slopes(arm, own.drop_duplicates("t_s", keep="last"), column)


def _added(one: _Slopes, other: _Slopes) -> _Slopes:
    """Return the slopes of two processes together."""
    requests = None if one[1] is None or other[1] is None else _sum(one[1], other[1])
    return _sum(one[0], other[0]), requests


def _sum(one: Slope, other: Slope) -> Slope:
    """Return the sum of two slopes, whose errors are independent."""
    value, half = one.value + other.value, math.hypot(one.half, other.half)
    return Slope(value, value - half, value + half, min(one.r_squared, other.r_squared))


def census_count(load: Phase, files: pd.DataFrame) -> int:
    """Return how many censuses of the load there are, over all lives."""
    return sum(int(rows["t_s"].nunique()) for _, rows in _lives(files, load))


_Slopes = tuple[Slope, Slope | None]


def _lives(rows: pd.DataFrame, load: Phase) -> Iterator[tuple[int, pd.DataFrame]]:
    if rows.empty:
        return
    loaded = rows[rows["t_s"].between(load.start_s, load.end_s) & rows["rung"].isin(["", POINT])]
    for life, own in loaded.groupby("life"):
        yield int(float(str(life))), own


def _later(t_s: pd.Series[float]) -> Numbers:
    """Return the moments of the later part of the censuses."""
    moments: Numbers = np.unique(t_s.to_numpy(float)).astype(np.float64)
    return moments[-max(LATER_CENSUSES, (len(moments) + 1) // 2) :]


def _steady_growth(
    arm: Arm, own: pd.DataFrame, column: str, all_t_s: pd.Series[float]
) -> tuple[Slope, Slope | None, int, int] | None:
    """Return slopes, censuses and last number of what grew in every step of the later part; None for what did not.

    Where the later part is the whole load, only the censuses since the container was first listed count: before that it
    was no longer than then.
    """
    later = _later(all_t_s)
    own = own.drop_duplicates("t_s", keep="last")
    if later[0] == all_t_s.min():
        later = later[later >= own["t_s"].min()]
    before, part = own.loc[own["t_s"] < later[0], column], own[own["t_s"] >= later[0]]
    numbers = part.set_index("t_s")[column].reindex(later).to_numpy(float)
    if len(later) < MIN_CENSUSES or not numbers[-1] > numbers[0] or (before > numbers[0]).any():
        return None
    steps = min(
        STEPS, len(later) - 1, max(MIN_CENSUSES - 1, int((numbers[-1] - numbers[0]) / STOPPED_AFTER_ITEMS))
    )
    numbers = numbers[np.linspace(0, len(later) - 1, steps + 1).round().astype(int)]
    if not np.all(np.diff(numbers) > 0):  # also where one is missing
        return None
    slopes = _slopes(arm, part, column)
    if slopes is None or _deciding_slope(slopes).low <= 0 or _has_stopped(arm, part, column, slopes):
        return None
    return *slopes, len(part), int(numbers[-1])


def _stopped_during_the_drain(
    arm: Arm, own: pd.DataFrame, drained: pd.DataFrame, per_s: Slope, per_request: Slope | None
) -> bool:
    """Return whether a container was no longer after the drain, although requests followed the last census."""
    after = drained[drained["t_s"] > own["t_s"].max()]
    if after.empty or per_request is None:
        return False
    both = pd.concat([own.tail(1), after.head(1)])
    return _has_stopped(arm, both, "length", (per_s, per_request))


def _slopes(arm: Arm, part: pd.DataFrame, column: str) -> _Slopes | None:
    t_s, number = part["t_s"].to_numpy(float), part[column].to_numpy(float)
    per_s = fit(t_s, number, MIN_CENSUSES)
    return None if per_s is None else (per_s, fit(answered_by(arm, t_s), number, MIN_CENSUSES))


def _deciding_slope(slopes: _Slopes) -> Slope:
    """Return the slope that decides: per request where requests are known."""
    return slopes[1] or slopes[0]


def _has_stopped(arm: Arm, part: pd.DataFrame, column: str, slopes: _Slopes) -> bool:
    """Return whether no growth was seen while STOPPED_AFTER_ITEMS were expected at its rate."""
    t_s, number = part["t_s"].to_numpy(float), part[column].to_numpy(float)
    done = answered_by(arm, t_s)
    clock = done if np.isfinite(done).all() else t_s
    grown = np.flatnonzero(np.diff(number) > 0)
    last_growth = int(grown[-1]) + 1 if len(grown) else 0
    return bool(_deciding_slope(slopes).value * (clock[-1] - clock[last_growth]) >= STOPPED_AFTER_ITEMS)
