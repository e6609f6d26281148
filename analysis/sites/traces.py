"""The points of a pass, read from the files that the target wrote: their content is not trusted.

A file is a list in Python's marshal format, of (domain, bytes, traceback, frames in all). It is bounded before it is
read, memory is bounded while it is, and any other shape is refused.
"""

from __future__ import annotations

import contextlib
import gc
import marshal
import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import psutil

from analysis.judge.types import Numbers
from analysis.sites.naming import Frame, Name, Namer, Traceback
from soak.contract import MOST_PROCESSES, MOST_TRACES, traces_file
from soak.errors import HarnessError
from soak.regular_files import read_regular

MOST_POINT_BYTES: Final = 2 << 30
"""Size of the largest file of traces that is read, bytes: MOST_TRACES of 8 frames take 0.5 GB, of 25 frames 1.5 GB."""
MEMORY_PER_BYTE: Final = 16
"""Memory that reading a file may take beyond what was used before, bytes for each of the file; about 10 are used."""
LEAST_MEMORY_BYTES: Final = 256 << 20
"""Memory that the size of a file of traces explains at least, bytes."""
MOST_OF_AVAILABLE: Final = 0.5
"""Memory that reading all files of a pass may take at most, as a share of what is available before the first."""
MOST_FRAMES: Final = 128
"""Frames of a traceback at most."""
MOST_GROUPS: Final = 50_000
"""Pairs of lines by which traces are grouped at most; a program has some thousands."""
MOST_NAME: Final = 4_096
"""Characters of a file's name at most, as the kernel's."""

Whole = npt.NDArray[np.int64]
Key = tuple[Frame | None, Frame | None, Frame | None]
"""What the allocations of a group have in common."""


@dataclass(frozen=True, slots=True)
class Group:
    """Live allocations with the same name, at each point of a pass."""

    name: Name
    """Its root is that of ``frames``: allocations at one line may be of several tasks."""
    frames: Traceback
    """The traceback with the most bytes at the last point, the innermost frame first."""
    bytes: Numbers
    blocks: Numbers
    largest: Numbers
    """Bytes of the largest block; of several processes, those of each added."""
    function: str = ""
    """The native function that allocates; empty where it is not known."""


@dataclass(frozen=True, slots=True)
class _Point:
    """The traces of one process at one point, by traceback."""

    tracebacks: list[Traceback]
    bytes: Whole
    blocks: Whole
    largest: Whole


class _Groups:
    """Sums by name, filled traceback by traceback."""

    def __init__(self, namer: Namer, points: int) -> None:
        self._namer = namer
        self._points = points
        self._group_of: dict[Traceback, int] = {}
        self._places: dict[Key, int] = {}
        self._names: list[Name] = []
        self._frames: list[Traceback] = []
        self._most: list[int] = []
        self._sums: list[Numbers] = []

    def add(self, place: int, point: _Point) -> None:
        """Add the traces of a process at point ``place``; of the last one, their tracebacks are the groups'."""
        group = np.fromiter(map(self._group, point.tracebacks), np.int64, len(point.tracebacks))
        kept = group >= 0
        sums = np.zeros((3, len(self._names)))
        np.add.at(sums[0], group[kept], point.bytes[kept])
        np.add.at(sums[1], group[kept], point.blocks[kept])
        np.maximum.at(sums[2], group[kept], point.largest[kept])
        for index in np.flatnonzero(sums[1]):
            self._sums[index][:, place] += sums[:, index]
        if place == self._points - 1:
            for index, traceback, size in zip(
                group.tolist(), point.tracebacks, point.bytes.tolist(), strict=True
            ):
                if index >= 0 and size > self._most[index]:
                    self._frames[index], self._most[index] = traceback, size
            self._names = [
                self._namer.name(frames) or name
                for frames, name in zip(self._frames, self._names, strict=True)
            ]

    def groups(self) -> tuple[Group, ...]:
        """Return the groups, those with the most bytes at the end first."""
        made = (
            Group(name, frames, *sums)
            for name, frames, sums in zip(self._names, self._frames, self._sums, strict=True)
        )
        return tuple(sorted(made, key=lambda group: (-group.bytes[-1], group.frames)))

    def _group(self, traceback: Traceback) -> int:
        """Return the number of a traceback's group; -1 for none."""
        found = self._group_of.get(traceback)
        if found is None:
            found = self._group_of[traceback] = self._new(traceback)
        return found

    def _new(self, traceback: Traceback) -> int:
        name = self._namer.name(traceback)
        if name is None or not traceback:
            return -1
        key = group_key(name, traceback[0])
        if key not in self._places:
            if len(self._places) >= MOST_GROUPS:
                raise ValueError(f"more than {MOST_GROUPS:,} pairs of lines allocate")
            self._places[key] = len(self._names)
            self._names.append(name)
            self._frames.append(traceback)
            self._most.append(-1)
            self._sums.append(np.zeros((3, self._points)))
        return self._places[key]


def group_key(name: Name, innermost: Frame) -> Key:
    """Return the lines by which allocations are grouped; without a line of yours or of a package, the innermost one."""
    return name.yours, name.package, None if name.yours or name.package else innermost


def whole_processes(raw: Path, points: Sequence[int]) -> list[int]:
    """Return the processes with a file at every point."""
    return [
        one for one in range(MOST_PROCESSES) if all(traces_file(raw, point, one).exists() for point in points)
    ]


def read_groups(raw: Path, points: Sequence[int], namer: Namer) -> tuple[Group, ...]:
    """Return the live allocations of a Python pass by name, at each of ``points``.

    Only processes with a file at every point count. Raises HarnessError where there is none, or a file is not as the
    probe writes it.
    """
    processes = whole_processes(raw, points)
    if not processes:
        raise HarnessError(f"{raw}: no process of the arm left its traces at every point.")
    groups = _Groups(namer, len(points))
    room = int(MOST_OF_AVAILABLE * psutil.virtual_memory().available)
    end = _address_space() + room
    for place, point in enumerate(points):
        for process in processes:
            path = traces_file(raw, point, process)
            try:
                explained = LEAST_MEMORY_BYTES + MEMORY_PER_BYTE * min(path.stat().st_size, MOST_POINT_BYTES)
                bound = min(_address_space() + explained, end)
                with _bounded_memory(bound):
                    groups.add(place, _read(path))
            except OSError as error:
                raise HarnessError(f"{path.name}: not readable ({error.strerror}).") from None
            except MemoryError:
                why = (
                    "its size explains"
                    if bound < end
                    else f"half of what was available, {room >> 20:,} MiB for all points; free some memory"
                )
                raise HarnessError(f"{path.name}: reading it takes more memory than {why}.") from None
            except (ValueError, OverflowError) as error:
                raise HarnessError(f"{path.name}: not as the probe writes it ({error}).") from None
    return groups.groups()


def _read(path: Path) -> _Point:
    """Return the traces of one file by traceback; raises the errors of a damaged one."""
    traces: Any = _unmarshalled(read_regular(path, MOST_POINT_BYTES))
    if type(traces) is not list or len(traces) > 2 * MOST_TRACES:
        raise ValueError("no list of traces")
    if set(map(type, traces)) - {tuple} or set(map(len, traces)) - {3, 4}:
        raise ValueError("a trace is no tuple of domain, bytes, traceback and frames")
    if set(map(type, map(itemgetter(1), traces))) - {int}:
        raise ValueError("a size is no number")
    sizes = np.fromiter(map(itemgetter(1), traces), np.int64, len(traces))
    found = list(map(itemgetter(2), traces))
    del traces
    if len(sizes) and (sizes.min() < 0 or sizes.max() > 1 << 48):
        raise ValueError("a size is no number of bytes")
    # Traces share their tracebacks: each is one object, however many blocks it allocated.
    identity = np.fromiter(map(id, found), np.int64, len(found))
    _, first, which = np.unique(identity, return_index=True, return_inverse=True)
    tracebacks = [found[place] for place in first.tolist()]
    _check(tracebacks)
    largest = np.zeros(len(first), np.int64)
    np.maximum.at(largest, which, sizes)
    return _Point(
        tracebacks,
        np.bincount(which, sizes, len(first)).astype(np.int64),
        np.bincount(which, minlength=len(first)),
        largest,
    )


def _unmarshalled(content: bytes) -> Any:
    """Return the object in a file; raises ValueError for a damaged one, MemoryError for one that is too large.

    What it holds is used only where its type is exactly that of a trace, and no code in it is ever run.
    """
    try:
        return marshal.loads(content)  # noqa: S302 - nothing of it is trusted
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - of damaged content marshal raises anything, SystemError too
        raise ValueError(f"damaged: {error}") from None


def _check(tracebacks: list[Any]) -> None:
    """Raise ValueError where a traceback is not one of pairs of a file and a line."""
    if set(map(type, tracebacks)) - {tuple} or max(map(len, tracebacks), default=0) > MOST_FRAMES:
        raise ValueError("a traceback is no tuple of frames")
    frames = {id(frame): frame for frame in chain.from_iterable(tracebacks)}
    for frame in frames.values():
        good = type(frame) is tuple and len(frame) == 2 and type(frame[0]) is str and type(frame[1]) is int
        if not good or len(frame[0]) > MOST_NAME or not 0 <= frame[1] < 1 << 31:
            raise ValueError("a frame is no pair of a file and a line")


def _address_space() -> int:
    """Return the address space that this process uses, bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


@contextlib.contextmanager
def _bounded_memory(most: int) -> Iterator[None]:
    """Let allocations fail with MemoryError from an address space of ``most`` bytes on, and collect no cycles.

    Millions of tuples have none.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(
        resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard)
    )
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        if collects:
            gc.enable()
