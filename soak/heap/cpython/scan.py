"""Counts and sizes the objects of all types in one walk through memory, and notes the long containers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from soak.heap.cpython.chunks import Chunk
from soak.heap.cpython.interpreter import Interpreter
from soak.heap.cpython.memory import Memory
from soak.heap.cpython.objects import ObjectFinder
from soak.heap.cpython.sizes import CONTAINER_SHAPES, FarKeys, ShapedObjects, extra_bytes, lengths
from soak.heap.cpython.type_table import Integers, TypeTable

MOST_CONTAINERS = 10_000
"""Containers of a census that are kept, the longest."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found; ``objects`` and ``size_bytes`` have an entry per type of the table."""

    objects: Integers
    size_bytes: Integers
    containers: tuple[tuple[int, int, int], ...]
    """Address, index of the type, and length of each long container."""


def scan(
    chunks: Iterable[Chunk],
    table: TypeTable,
    interpreter: Interpreter,
    memory: Memory,
    *,
    containers_over: int,
    most_bytes: int,
) -> Scan:
    """Walk through the chunks once; an object that would be larger than ``most_bytes`` is taken to be empty.

    Raises HeapError when the process is gone.
    """
    types = len(table.addresses)
    finder = ObjectFinder(table, interpreter)
    objects = np.zeros(types, np.int64)
    size_bytes = np.zeros(types, np.float64)  # sums of whole numbers below 2**53: exact
    longest: list[tuple[int, int, int]] = []
    far = FarKeys(memory)
    for chunk in chunks:
        where, index = finder.find(chunk)
        counts = np.bincount(index, minlength=types)
        objects += counts
        shapes = table.shapes.take(index)
        for shape in np.bincount(table.shapes, counts)[1:].nonzero()[0] + 1:
            chosen = (shapes == shape).nonzero()[0]
            found = ShapedObjects(chunk, where.take(chosen), index.take(chosen))
            extra = extra_bytes(int(shape), found, table.item_bytes, interpreter.layout, far, containers_over)
            if extra.max() > most_bytes:
                extra[extra > most_bytes] = 0
            only = found.types[0]
            if (found.types == only).all():
                size_bytes[only] += extra.sum()
            else:
                size_bytes += np.bincount(found.types, extra, types)
            if shape in CONTAINER_SHAPES:
                length = lengths(int(shape), found)
                long = ((length > containers_over) & (length <= most_bytes)).nonzero()[0]
                longest += zip(
                    (chunk.address + 8 * found.where[long]).tolist(),
                    found.types[long].tolist(),
                    length[long].tolist(),
                    strict=True,
                )
        if len(longest) > 2 * MOST_CONTAINERS:
            longest = _longest(longest)
    return Scan(objects, size_bytes.astype(np.int64) + objects * table.fixed_bytes, tuple(_longest(longest)))


def _longest(containers: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    return sorted(containers, key=lambda container: -container[2])[:MOST_CONTAINERS]
