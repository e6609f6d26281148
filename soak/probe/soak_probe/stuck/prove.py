"""Answers the op ``stuck``: which pending tasks nothing can wake."""

from __future__ import annotations

import gc
import sys
import time
from _thread import get_ident
from typing import Any, NamedTuple

from ..holders.asyncio_objects import is_done
from ..holders.roots import hidden_names
from ..pause import clock_s
from ..standstill import can_be_alone, count_objects, standstill, undisturbed
from .at_hand import release_at_hand, release_named
from .places import Groups
from .reach import Reach
from .snapshot import TASK, LateError, Snapshot
from .waits import Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_OBJECTS = 3_000_000
"""Objects up to which the target may stand still: for about 8 s."""
BYTES_EACH = 300
"""Memory that the proof takes for each object, bytes: measured 250."""
HOLD_S_EACH = 20e-6
"""Time for which the interpreter is kept, seconds per object: several times what the proof takes."""
SHORTEST_HOLD_S = 1.0
MOST_BUDGET_S = 60.0
ATTEMPTS = 3


class Asked(NamedTuple):
    """A request."""

    budget_s: float
    room_bytes: int | None
    """Memory that may be taken; None: any."""


def parse(request: dict[str, Any]) -> Asked:
    """Return what is asked; raises ValueError with what is wrong with it."""
    budget_s, room_bytes = request.get("budget_s"), request.get("room_bytes")
    if type(budget_s) not in (int, float) or not 0 < budget_s <= MOST_BUDGET_S:  # type: ignore[operator]
        raise ValueError(f"budget_s {budget_s!r} is not a number of seconds up to {MOST_BUDGET_S:.0f}")
    if room_bytes is not None and type(room_bytes) is not int:
        raise ValueError(f"room_bytes {room_bytes!r} is not a number of bytes, or null")
    return Asked(float(budget_s), room_bytes)  # type: ignore[arg-type]


def prove(asked: Asked, hidden: Sequence[Any] = ()) -> dict[str, Any]:
    """Return the pending tasks in ``groups`` by where they wait, each with how many of them are ``stuck``.

    ``refused`` is the reason where there is no proof, else empty. ``hidden`` is what the probe holds itself. The target
    stands still meanwhile.
    """
    by_s = time.monotonic() + asked.budget_s
    objects = count_objects()
    refused = _refusal(objects, asked.room_bytes)
    groups: Groups | None = None
    if not refused:
        closed = {id(thing) for thing in (*hidden_names(), *hidden)}
        hold_s = max(SHORTEST_HOLD_S, min(asked.budget_s, objects * HOLD_S_EACH))
        groups = _attempt(closed, hold_s, by_s)
        refused = "" if groups is not None else "it did not stand still, or was not done in time"
    return {
        "refused": refused,
        "groups": [] if groups is None else groups.described(),
    }


def _refusal(objects: int, room_bytes: int | None) -> str:
    """Return why there can be no proof; empty where there can be."""
    if sys.implementation.name != "cpython" or not can_be_alone():
        return "references are not counted exactly in this Python"
    if objects > MOST_OBJECTS:
        return f"{objects:,} objects, at most {MOST_OBJECTS:,}"
    needed = objects * BYTES_EACH
    if room_bytes is not None and needed > room_bytes:
        return f"{needed:,} bytes are needed, {max(0, room_bytes):,} are left to the memory limit"
    return ""


def _attempt(closed: set[int], hold_s: float, by_s: float) -> Groups | None:
    """Return what is found while nothing else runs; None where the target moved each time, or time was over."""

    def check_time() -> None:
        if clock_s() > by_s:
            raise LateError

    for _ in range(ATTEMPTS):
        with standstill(hold_s):
            try:
                groups, quiet = undisturbed(lambda: _examine(closed, check_time))
            except LateError:
                return None
        if quiet:
            return groups
    return None


def _examine(closed: set[int], check_time: Callable[[], None]) -> Groups:
    """Return the pending tasks in groups; when this returns, nothing of the target is referred to any more."""
    groups = Groups()
    for wait in find_waits(closed, check_time):
        groups.add(wait, stuck=not wait.released)
    return groups


def find_waits(closed: set[int], check_time: Callable[[], None]) -> list[Wait]:
    """Return all pending tasks; those that are not ``released`` are stuck. ``closed`` are addresses of the probe's own.

    Nothing else may run meanwhile. Raises what ``check_time`` raises.
    """
    snapshot = Snapshot(gc.get_objects(), check_time)
    waits = [Wait(task) for task in snapshot.of(TASK) if is_done(task) is False]
    reach = Reach(snapshot, waits, closed, check_time)
    reach.enter(snapshot.roots)
    reach.go()
    release_named(snapshot, reach)
    reach.go()
    while release_at_hand(snapshot, reach, get_ident()):
        reach.go()
    return waits
