"""What changed between two censuses, and which containers grow from census to census."""

from __future__ import annotations

from dataclasses import dataclass

from soak.heap.errors import HeapError
from soak.heap.record import Census, Container

GROWING_AFTER = 2
"""A container is a suspect when it was longer than the time before so many times in a row."""


@dataclass(frozen=True, slots=True)
class TypeChange:
    """One type in both censuses: what it has in the later one, and how much more that is."""

    name: str
    objects: int
    bytes: int
    more_objects: int
    more_bytes: int


@dataclass(frozen=True, slots=True)
class Difference:
    """From one census to another; types by falling growth in bytes."""

    types: tuple[TypeChange, ...]
    seconds: float | None
    """Between the two; None when they are of different processes: then there is no rate."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A container that was longer in each census than in the one before."""

    container: Container
    more: int
    """Items since it was first seen."""
    seconds: float
    """Since then."""
    censuses: int
    """In which it had grown."""


def difference(earlier: Census, later: Census) -> Difference:
    """Compare two censuses; raises HeapError when they are of different Pythons or in the wrong order."""
    if earlier.python != later.python:
        raise HeapError(
            f"the censuses are of Python {earlier.python} and {later.python}: their objects differ in size, so they "
            "cannot be compared."
        )
    same = (earlier.pid, earlier.started_ticks) == (later.pid, later.started_ticks)
    if same and later.monotonic_s < earlier.monotonic_s:
        raise HeapError(f"the first census ({earlier.wall_time}) is the later one; swap them.")
    before = {entry.name: entry for entry in earlier.types}
    after = {entry.name: entry for entry in later.types}
    changes = []
    for name in before.keys() | after.keys():
        had, has = before.get(name), after.get(name)
        objects, size = (has.objects, has.bytes) if has else (0, 0)
        changes.append(
            TypeChange(
                name,
                objects,
                size,
                objects - (had.objects if had else 0),
                size - (had.bytes if had else 0),
            )
        )
    changes.sort(key=lambda change: (-change.more_bytes, -change.bytes, change.name))
    return Difference(tuple(changes), later.monotonic_s - earlier.monotonic_s if same else None)


@dataclass(frozen=True, slots=True)
class _Seen:
    first_length: int
    first_s: float
    length: int
    grown: int


class Follower:
    """Follows containers by address from census to census of one process."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, str], _Seen] = {}

    def add(self, census: Census) -> tuple[Growth, ...]:
        """Take in the next census; return the suspects, those with the most new items per second first.

        A container that did not grow is cleared: it starts over.
        """
        now_s = census.monotonic_s
        seen: dict[tuple[int, str], _Seen] = {}
        growing = []
        for container in census.containers:
            key = (container.address, container.type)
            before = self._seen.get(key)
            if before is None or container.length <= before.length:
                seen[key] = _Seen(container.length, now_s, container.length, 0)
                continue
            seen[key] = now = _Seen(before.first_length, before.first_s, container.length, before.grown + 1)
            if now.grown >= GROWING_AFTER:
                growing.append(
                    Growth(container, now.length - now.first_length, now_s - now.first_s, now.grown)
                )
        self._seen = seen
        return tuple(sorted(growing, key=lambda growth: -growth.more / max(growth.seconds, 1e-9)))
