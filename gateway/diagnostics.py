"""The incident's diagnostics: what this process's memory is made of, at one moment."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from dataclasses import dataclass
from typing import Final

import aiohttp
import objgraph  # type: ignore[import-untyped]  # it has no types
import psutil

LARGEST: Final = 5
"""Allocation sites in a snapshot."""

COUNTED: Final = (asyncio.Task, aiohttp.ClientSession, dict)


@dataclass(frozen=True, slots=True)
class AllocationSite:
    """A line of code, and what it allocated that is still alive."""

    file: str
    line: int
    size_bytes: int
    blocks: int


@dataclass(frozen=True, slots=True)
class MemorySnapshot:
    """Memory and objects at one moment. Objects are those the cyclic collector tracks."""

    description: str
    rss_bytes: int
    growth_bytes: int
    """Resident memory gained since the diagnostics were started."""
    largest: tuple[AllocationSite, ...] | None
    """The largest allocation sites, largest first; None when Python does not trace allocations."""
    tasks: int
    client_sessions: int
    dicts: int
    """Flat dicts of plain values are not tracked, and so not counted: a cache of them stays unseen."""

    def text(self) -> str:
        """Return the snapshot as lines of text."""
        if self.largest is None:
            sites = ["  not traced: start Python with -X tracemalloc"]
        else:
            sites = [
                f"  {site.file}:{site.line}: {_megabytes(site.size_bytes)} in {site.blocks} blocks"
                for site in self.largest
            ]
        return "\n".join(
            [
                f"Memory: {self.description}",
                f"RSS: {_megabytes(self.rss_bytes)}, {_megabytes(self.growth_bytes, '+')} since the start",
                "Largest allocations:",
                *sites,
                f"Objects: {self.tasks} Task, {self.client_sessions} ClientSession, {self.dicts} dict",
            ]
        )


class MemoryDiagnostics:
    """Takes snapshots of this process; growth counts from its making."""

    def __init__(self) -> None:
        self._start_bytes = process_memory_bytes()

    def take_snapshot(self, description: str) -> MemorySnapshot:
        """Return memory and objects as they are now.

        It pauses the event loop: by about half a second per million tracked objects, and by more while Python
        traces allocations. Another thread would be no better place: it could come to hold the last reference to
        a transport, and would end it outside of its loop.
        """
        rss_bytes = process_memory_bytes()
        # one list and one pass for all types: objgraph.count makes both anew for each
        counts = objgraph.typestats(gc.get_objects(), filter=lambda thing: type(thing) in COUNTED)
        return MemorySnapshot(
            description,
            rss_bytes,
            rss_bytes - self._start_bytes,
            _largest_sites() if tracemalloc.is_tracing() else None,
            *(counts.get(kind.__name__, 0) for kind in COUNTED),
        )


def process_memory_bytes() -> int:
    """Return the resident memory of this process."""
    return int(psutil.Process().memory_info().rss)


def _largest_sites() -> tuple[AllocationSite, ...]:
    lines = tracemalloc.take_snapshot().statistics("lineno")[:LARGEST]
    return tuple(
        AllocationSite(line.traceback[0].filename, line.traceback[0].lineno, line.size, line.count)
        for line in lines
    )


def _megabytes(size_bytes: int, sign: str = "") -> str:
    return f"{size_bytes / 1e6:{sign}.1f} MB"
