"""A census: objects by type, long containers, and what it cost; saved as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from soak.heap.errors import HeapError
from soak.regular_files import read_regular

FORMAT: Final = "soak heap census"
FORMAT_VERSION: Final = 1
"""History: 1, the first."""
MOST_SECONDS: Final = 1e12
"""Largest time that is read, seconds."""
MOST_BYTES: Final = 1 << 28
"""Size of the largest census that is read, bytes."""


@dataclass(frozen=True, slots=True)
class TypeCount:
    """The instances of one type; of subclasses it has none. Types of the same name are one."""

    name: str
    objects: int
    bytes: int
    """Shallow size, as ``sys.getsizeof``, attributes' values included."""


@dataclass(frozen=True, slots=True)
class Container:
    """A list, dict, frozendict, set, deque or OrderedDict, subclasses included."""

    address: int
    type: str
    length: int


@dataclass(frozen=True, slots=True)
class HeapSuspect:
    """A container at an address whose length grows, or with address 0 a type whose objects do."""

    address: int
    type: str
    length: int


@dataclass(frozen=True, slots=True)
class CollectorStatistics:
    """What the cyclic collector of a process has done since it started."""

    full_collections: int
    collected: int
    """Objects that it freed, in all generations."""
    uncollectable: int
    """Objects that it could not free."""


@dataclass(frozen=True, slots=True)
class Census:
    """All objects of a process at about one moment; types by falling bytes, containers by falling length."""

    pid: int
    started_ticks: int
    """When the process started, clock ticks since boot: with ``pid`` it identifies the process."""
    python: str
    """Major and minor version of the target."""
    wall_time: str
    """When it was taken, UTC, ISO 8601."""
    monotonic_s: float
    """When it was taken, on the monotonic clock of this boot, seconds."""
    types: tuple[TypeCount, ...]
    containers: tuple[Container, ...]
    containers_over: int
    """Containers longer than this are listed, the longest first, at most ``scan.MOST_CONTAINERS``."""
    total_objects: int
    total_bytes: int
    cost_s: float
    """Wall time it took, seconds."""
    cpu_s: float
    read_bytes: int
    checked_by: str
    """What the reading was checked against: a sibling process, or the layout alone."""
    pool_free_bytes: int | None = None
    """Free bytes in pymalloc's pools that were ever touched; None in a census saved before they were counted."""
    release: str | None = None
    """Version of the target with its micro version; None before 3.13, where it is not read."""
    incremental_collector: bool = False
    """Whether that version frees reference cycles incrementally, so later."""
    collector: CollectorStatistics | None = None
    """Totals of its cyclic collector; None before 3.15, where they are not read from outside."""

    def to_json(self) -> str:
        """Return it as a line of JSON."""
        return json.dumps({"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)})


def load_census(path: Path) -> Census:
    """Read a census that was saved; raises HeapError, which names the file, when it is none."""
    try:
        read = json.loads(read_regular(path, MOST_BYTES, follow=True))
        if not isinstance(read, dict) or read.pop("format", None) != FORMAT:
            raise HeapError(f"{path} is no census; make one with: soak heap PID --save {path}")
        if (version := read.pop("format_version", None)) != FORMAT_VERSION:
            raise HeapError(f"{path} has format version {version}; this program reads {FORMAT_VERSION}.")
        return _census(read)
    except OSError as error:
        raise HeapError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise HeapError(f"{path} is damaged; make it again with: soak heap PID --save {path}") from None


def _census(read: Mapping[str, Any]) -> Census:
    types = tuple(
        TypeCount(_text(entry["name"]), _count(entry["objects"]), _count(entry["bytes"]))
        for entry in read["types"]
    )
    containers = tuple(
        Container(_count(entry["address"]), _text(entry["type"]), _count(entry["length"]))
        for entry in read["containers"]
    )
    return Census(
        pid=_count(read["pid"]),
        started_ticks=_count(read["started_ticks"]),
        python=_text(read["python"]),
        wall_time=_text(read["wall_time"]),
        monotonic_s=_finite(read["monotonic_s"]),
        types=types,
        containers=containers,
        containers_over=_count(read["containers_over"]),
        total_objects=_count(read["total_objects"]),
        total_bytes=_count(read["total_bytes"]),
        cost_s=_finite(read["cost_s"]),
        cpu_s=_finite(read["cpu_s"]),
        read_bytes=_count(read["read_bytes"]),
        checked_by=_text(read["checked_by"]),
        pool_free_bytes=None if read.get("pool_free_bytes") is None else _count(read["pool_free_bytes"]),
        release=None if read.get("release") is None else _text(read["release"]),
        incremental_collector=read.get("incremental_collector") is True,
        collector=None if read.get("collector") is None else _collector(read["collector"]),
    )


def _collector(read: Mapping[str, Any]) -> CollectorStatistics:
    return CollectorStatistics(
        _count(read["full_collections"]), _count(read["collected"]), _count(read["uncollectable"])
    )


def _text(value: object) -> str:
    """Return what may be printed; ValueError for what would command the terminal."""
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("not text")
    return value


def _count(value: object) -> int:
    """Return a number of objects or bytes, or an address; ValueError for what is none."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**64:
        raise ValueError("no number")
    return value


def _finite(value: object) -> float:
    if not isinstance(value, int | float) or not abs(value) <= MOST_SECONDS:
        raise ValueError("no number")
    return float(value)
