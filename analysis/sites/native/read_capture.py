"""Reads a memray capture, as a program of its own: ``python -I read_capture.py DIRECTORY CAPTURE INSTANT...``.

DIRECTORY has the memray that wrote the capture, or one of its version. A Python runs it that can import that, so it
imports nothing else of ours and works on 3.9 and newer. INSTANT are seconds since the epoch: at each, what was live in
the last snapshot before it counts, nothing where the process had not begun.

It prints a JSON object: ``stacks``, a list of those of Python that changed most from the first instant to the last,
with ``bytes`` and ``blocks`` live at each instant, the bytes of the ``largest``, and ``python`` and ``native`` frames
as [function, file, line], innermost first. Native frames are those below the innermost Python frame, where most was
gained.
On an error it prints one line on standard error and exits with 1.
"""

from __future__ import annotations

import bisect
import functools
import heapq
import importlib
import json
import resource
import sys
from typing import Any

MOST_STACKS = 1000
"""Most stacks that are printed."""
LATEST_S = 0.5
"""Most time from the last snapshot to the last instant, seconds: a few times that between two snapshots."""
MOST_MEMORY_BYTES = 4 << 30
"""Address space of this process at most, bytes: the capture and the libraries with their symbols are mapped."""
MOST_FRAMES = 64
"""Most frames of a stack, from the innermost on."""
OWN_FUNCTIONS = (
    "call_trace",
    "call_trace_protected",
    "call_profile_func",
    "sys_profile_func2",
    "sys_profile_func3",
)
"""Functions of the interpreter that run the hook by which memray follows frames: what they allocate is the hook's."""
ARENA_BYTES = (1 << 20, 1 << 18)
"""Sizes of pymalloc's arenas: since 3.10, before. Their blocks are traced themselves."""
ARENA_FUNCTIONS = ("_PyObject_ArenaMmap", "<unknown>")
"""Innermost native function of an arena's mapping, in an interpreter with and without symbols."""

Amounts = dict[str, list[int]]
"""Numbers at each instant, by their name."""


def read(memray: Any, capture: str, instants_s: list[float]) -> dict[str, Any]:
    """Return what the module's text describes; raises ValueError for a capture that ends before the last instant."""
    with memray.FileReader(capture, max_memory_records=10**9) as reader:
        times_s = [snapshot.time / 1000 for snapshot in reader.get_memory_snapshots()]
        snapshots = [bisect.bisect_right(times_s, instant_s) - 1 for instant_s in instants_s]
        if not times_s or times_s[-1] < instants_s[-1] - LATEST_S:
            raise ValueError("it ends before the last point")
        found: dict[int, list[tuple[Amounts, Any]]] = {}
        for record in reader.get_temporal_allocation_records(merge_threads=True):
            amounts = live(record.intervals, snapshots)
            found.setdefault(record.stack_id, []).append((amounts, record))
        most = heapq.nlargest(MOST_STACKS, filter(changed, found.values()), key=changed)
        stacks = [merged(one, memray) for one in most]
        return {"stacks": [one for one in stacks if one]}


def added(one: list[int], other: list[int]) -> list[int]:
    """Return the sums at each instant."""
    return [left + right for left, right in zip(one, other)]  # noqa: B905 - Python 3.9


def growth(amounts: Amounts) -> int:
    """Return the bytes gained from the first instant to the last."""
    return amounts["bytes"][-1] - amounts["bytes"][0]


def changed(stack: list[tuple[Amounts, Any]]) -> int:
    """Return by how much what one Python stack allocated has changed, bytes.

    It is one of several native stacks: a call is specialised once it was made a few times, and what one way loses
    another gains.
    """
    return abs(sum(growth(amounts) for amounts, _ in stack))


def merged(stack: list[tuple[Amounts, Any]], memray: Any) -> dict[str, Any]:
    """Return what one Python stack allocated, with the native frames of what grew most; empty where all is our own."""
    kept = [one for one in stack if not growth(one[0]) or not is_own(*one, memray)]
    if not kept:
        return {}
    sums = [functools.reduce(added, (amounts[name] for amounts, _ in kept)) for name in ("bytes", "blocks")]
    largest = [max(each) for each in zip(*(amounts["largest"] for amounts, _ in kept))]  # noqa: B905 - Python 3.9
    most = max(kept, key=lambda one: growth(one[0]))[1]
    return {"bytes": sums[0], "blocks": sums[1], "largest": largest, **frames(most)}


def live(intervals: Any, snapshots: list[int]) -> Amounts:
    """Return what is live in each of the snapshots: bytes, blocks, and the bytes of the largest block.

    Blocks of one time are known by their sum: the largest is their mean at the least.
    """
    size, count, largest = ([0] * len(snapshots) for _ in range(3))
    for one in intervals:
        first = bisect.bisect_left(snapshots, one.allocated_before_snapshot)
        freed = one.deallocated_before_snapshot
        end = len(snapshots) if freed is None else bisect.bisect_left(snapshots, freed)
        for index in range(first, end):
            size[index] += one.n_bytes
            count[index] += one.n_allocations
            largest[index] = max(largest[index], one.n_bytes // max(1, one.n_allocations))
    return {"bytes": size, "blocks": count, "largest": largest}


def frames(record: Any) -> dict[str, list[Any]]:
    """Return the Python frames, and the native ones below the innermost of them."""
    python = record.stack_trace(MOST_FRAMES)
    native = record.hybrid_stack_trace(MOST_FRAMES)
    if python and python[0] in native:
        native = native[: native.index(python[0])]
    return {"python": python, "native": native}


def is_own(amounts: Amounts, record: Any, memray: Any) -> bool:
    """Whether memray's hook allocated it, or pymalloc, as an arena."""
    functions = [function for function, _, _ in frames(record)["native"]] or ["<unknown>"]
    if any(function in OWN_FUNCTIONS or function.startswith("memray::") for function in functions):
        return True
    size, count = amounts["bytes"][-1], amounts["blocks"][-1]
    return (
        record.allocator == memray.AllocatorType.MMAP
        and functions[0] in ARENA_FUNCTIONS
        and size in [count * arena for arena in ARENA_BYTES]
    )


def main() -> None:
    """Read what the arguments name."""
    directory, capture, *instants = sys.argv[1:]
    sys.path.insert(0, directory)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    try:
        found = read(importlib.import_module("memray"), capture, [float(instant) for instant in instants])
    except Exception as error:  # noqa: BLE001 - a damaged capture raises anything; the reader's user gets one line
        sys.exit(f"{type(error).__name__}: {error}".replace("\n", " "))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
