"""What changed between two censuses."""

from __future__ import annotations

from dataclasses import dataclass

from soak.heap.errors import HeapError
from soak.heap.model import Census


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
    """Time between the two, seconds; None when they are of different processes: then there is no rate."""


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
