"""Takes the census of a live CPython process."""

from __future__ import annotations

import platform
import time
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from soak.heap.cpython import layout, self_check
from soak.heap.cpython.chunks import ChunkReader
from soak.heap.cpython.collector import is_incremental, read_collector
from soak.heap.cpython.debug_offsets import word_at
from soak.heap.cpython.interpreter import Interpreter, find_interpreter
from soak.heap.cpython.memory import Memory, MemoryMapping, ProcessMemory
from soak.heap.cpython.scan import scan
from soak.heap.cpython.type_names import TypeNames
from soak.heap.cpython.type_table import make_table, type_candidates
from soak.heap.errors import HeapError, ProcessGoneError
from soak.heap.model import Census, Container, TypeCount
from soak.process.procfs import started_ticks

CONTAINERS_OVER = 1000
MACHINES = ("x86_64",)
"""Machines on which the layouts of CPython were tested."""
BY_SIBLING = "a sibling process"
BY_LAYOUT = "the size of type objects only"
BY_OFFSETS = "the debug offsets of the process only"
"""The same since CPython 3.13."""


@dataclass(frozen=True, slots=True)
class Heap:
    """What a process holds."""

    types: tuple[TypeCount, ...]
    containers: tuple[Container, ...]
    read_bytes: int
    pool_free_bytes: int = 0
    """Free bytes in pymalloc's pools, as far as these were ever touched."""


def take_census(pid: int, *, containers_over: int = CONTAINERS_OVER, check: bool = True) -> Census:
    """Count all objects of a live process by type and note its containers longer than ``containers_over``.

    The process is neither stopped nor changed. The way it is read is checked first, once per executable, against a
    sibling that holds a known number of objects; ``check=False`` leaves that out.

    Raises HeapError, with the fix, when the machine is not x86-64 and when the process cannot be read or fails the
    check; ProcessGoneError when it ends meanwhile.
    """
    began_s, cpu_s = time.monotonic(), time.process_time()
    machine = platform.machine()
    if machine not in MACHINES:
        raise HeapError(
            f"the census is for x86-64 only, and this is {machine}: its layouts were tested nowhere else."
        )
    with ProcessMemory(pid) as memory:
        ticks = started_ticks(pid)
        if ticks is None:
            raise ProcessGoneError(f"pid {pid} is gone.")
        try:
            interpreter = find_interpreter(pid, memory.maps, memory)
            checked_by = _checked_by(pid, interpreter) if check else BY_LAYOUT
            if checked_by == BY_LAYOUT and interpreter.offsets:
                checked_by = BY_OFFSETS
            heap = read_heap(memory.maps, memory, interpreter, containers_over)
            offsets = interpreter.offsets
            collector = read_collector(offsets, memory) if offsets else None
            _require_same_program(pid, interpreter, memory)
        except HeapError:
            if started_ticks(pid) == ticks:
                raise
    if started_ticks(pid) != ticks:
        raise ProcessGoneError(f"pid {pid} ended while it was read.")
    return Census(
        pid=pid,
        started_ticks=ticks,
        python=interpreter.layout.name,
        wall_time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        monotonic_s=time.monotonic(),
        types=heap.types,
        containers=heap.containers,
        containers_over=containers_over,
        total_objects=sum(entry.objects for entry in heap.types),
        total_bytes=sum(entry.bytes for entry in heap.types),
        cost_s=time.monotonic() - began_s,
        cpu_s=time.process_time() - cpu_s,
        read_bytes=heap.read_bytes,
        checked_by=checked_by,
        pool_free_bytes=heap.pool_free_bytes,
        release=".".join(map(str, offsets.version)) if offsets else None,
        incremental_collector=offsets is not None and is_incremental(offsets.version),
        collector=collector,
    )


def _require_same_program(pid: int, interpreter: Interpreter, memory: ProcessMemory) -> None:
    """Raise HeapError where a process executes another program by now: its pid and its start stay the same."""
    type_type = interpreter.type_type
    if memory.is_replaced() or word_at(type_type + layout.TYPE, memory) != type_type:
        with ProcessMemory(pid):  # raises ProcessGoneError where it has ended
            raise HeapError(f"pid {pid} began another program while it was read: try again.")


def read_heap(
    maps: tuple[MemoryMapping, ...], memory: Memory, interpreter: Interpreter, containers_over: int
) -> Heap:
    """Walk through memory twice: for the types, then for their objects. Raises HeapError."""
    reader = ChunkReader(memory)
    anonymous = [mapping for mapping in maps if mapping.anonymous]
    candidates = type_candidates(
        reader.chunks([*interpreter.modules, *anonymous], small_blocks=False),
        interpreter,
        word_at(interpreter.object_type + layout.TP_ALLOC, memory),
    )
    table = make_table(candidates, interpreter, memory)
    found = scan(
        reader.chunks(anonymous),
        table,
        interpreter,
        memory,
        containers_over=containers_over,
        most_bytes=sum(mapping.end - mapping.start for mapping in anonymous),
    )
    present = np.flatnonzero(found.objects).tolist()
    named = dict(zip(present, TypeNames(memory, interpreter.layout, table).of(present), strict=True))
    objects: defaultdict[str, int] = defaultdict(int)
    size_bytes: defaultdict[str, int] = defaultdict(int)
    for index, name in named.items():
        objects[name] += int(found.objects[index])
        size_bytes[name] += int(found.size_bytes[index])
    types = [TypeCount(name, count, size_bytes[name]) for name, count in objects.items()]
    return Heap(
        tuple(sorted(types, key=lambda entry: (-entry.bytes, entry.name))),
        tuple(Container(address, named[index], length) for address, index, length in found.containers),
        reader.read_bytes,
        reader.pools.free_bytes,
    )


def _checked_by(pid: int, interpreter: Interpreter) -> str:
    """Check against a sibling, once per executable and interpreter; raises HeapError when it fails."""
    try:
        executable = Path(f"/proc/{pid}/exe").stat()
    except OSError:
        raise ProcessGoneError(f"pid {pid} is gone.") from None
    return sibling_check(
        pid, (executable.st_dev, executable.st_ino, executable.st_mtime_ns), interpreter.path
    )


@lru_cache(maxsize=64)
def sibling_check(pid: int, executable: tuple[int, int, int], path: str) -> str:  # noqa: ARG001 - the cache's key
    """Return by what an interpreter was checked: a sibling of the process, or the layout alone; raises HeapError."""
    sibling = self_check.start_sibling(pid)
    if sibling is None:
        return BY_LAYOUT
    with closing(sibling):
        if not sibling.ready():
            return BY_LAYOUT
        try:
            with ProcessMemory(sibling.pid) as memory:
                interpreter = find_interpreter(sibling.pid, memory.maps, memory)
                if interpreter.path != path:
                    return BY_LAYOUT
                heap = read_heap(memory.maps, memory, interpreter, self_check.LENGTHS_OVER)
        except ProcessGoneError:
            return BY_LAYOUT
    self_check.check_census(heap.types, heap.containers)
    return BY_SIBLING
