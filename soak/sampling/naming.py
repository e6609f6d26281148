"""When holders are searched for under load, and of which containers: decided from numbers alone.

A search takes memory of the target, which must not look like a leak. So it waits for the drain, unless the target may
be killed before, and it is rehearsed at the end of the warm-up, so that its memory is there when the load begins.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from statistics import linear_regression
from typing import Final

from soak.heap.model import HeapSuspect

FULL_SHARE: Final = 0.8
"""Share of the memory limit from which on holders are searched for under load, however slowly memory grows: what is
left of a limit of 200 MiB holds the largest search, 40 MiB."""
INTERVALS_LEFT: Final = 3
"""Time to the memory limit, in quiesce intervals, from which on holders are searched for under load: two more points
can repeat a search that failed."""
LATEST_SHARE: Final = 0.25
"""Share of the quiesce points of a life, the latest ones, whose rate gives the time to the memory limit."""
MOST_POINTS: Final = 1_024
"""Quiesce points of a life that are kept, the latest ones."""
GROWN: Final = 2
"""Length from which on a container is searched for again, times its length at the last search."""
NOWHERE: Final = HeapSuspect(address=1, type="", length=0)
"""What the rehearsal searches for: nothing is there, so the search goes everywhere and takes all its memory."""


def death_is_near(charges: Sequence[tuple[float, float]], limit_bytes: int | None, interval_s: float) -> bool:
    """Return whether a target may be killed at its memory limit before its drain.

    ``charges`` are ``t_s`` and bytes charged to the limit at the quiesce points of its life so far, ``interval_s``
    apart. Without a limit nothing kills it.
    """
    if limit_bytes is None or not charges:
        return False
    _, newest_bytes = charges[-1]
    if newest_bytes >= FULL_SHARE * limit_bytes:
        return True
    latest = list(charges)[-max(2, math.ceil(LATEST_SHARE * len(charges))) :]
    if len(latest) < 2:
        return False
    rate = linear_regression(*zip(*latest, strict=True)).slope
    return newest_bytes + rate * INTERVALS_LEFT * interval_s >= limit_bytes


class Naming:
    """Decides at the quiesce points of one arm.

    Without a limit the target lives to its drain: nothing is searched for under load, and nothing is rehearsed.
    """

    def __init__(self, limit_bytes: int | None = None, interval_s: float | None = None) -> None:
        self._limit_bytes = limit_bytes
        self._interval_s = interval_s or 0.0
        self._life = 0
        self._charges: deque[tuple[float, float]] = deque(maxlen=MOST_POINTS)
        self._search_from: dict[tuple[int, int, str], int] = {}
        """Length from which on a container is searched for, by pid, address and type."""

    def add_point(self, life: int, t_s: float, charged_bytes: float) -> None:
        """Take the bytes charged to the limit at a quiesce point; a new life of the arm starts over."""
        if self._limit_bytes is None:
            return
        if life != self._life:
            self._life = life
            self._charges.clear()
        self._charges.append((t_s, charged_bytes))

    def choose(
        self, pid: int, suspects: Iterable[HeapSuspect], *, is_rehearsal: bool = False
    ) -> list[HeapSuspect]:
        """Return what to search for in a process at the quiesce point that was added last.

        That is its suspected containers that were not found yet or have grown since, when death is near, and NOWHERE
        at the rehearsal.
        """
        rehearsed = [NOWHERE] if is_rehearsal and self._limit_bytes is not None else []
        if not death_is_near(self._charges, self._limit_bytes, self._interval_s):
            return rehearsed
        return rehearsed + [
            one
            for one in suspects
            if one.address and one.length >= self._search_from.get((pid, one.address, one.type), 0)
        ]

    def answered(self, pid: int, suspect: HeapSuspect, *, found: bool) -> None:
        """Take the answer about one that was searched for: what was not found is searched for at the next point."""
        key = (pid, suspect.address, suspect.type)
        self._search_from[key] = GROWN * suspect.length if found else 0
