"""Counts and sizes the objects of all types in one walk through memory, and notes the long containers.

An object is a pair of words at a multiple of 16 bytes: a plausible reference count, then the address of a type. In a
pool of pymalloc it begins where its block does, behind its head; elsewhere it must lie inside no other. In the table of
a dict, the hash of a class comes before its address: in a program of fixed addresses that is as small as a count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from soak.heap.cpython.chunks import Chunk
from soak.heap.cpython.interpreter import Interpreter
from soak.heap.cpython.memory import USER_SPACE_END, Memory, Words
from soak.heap.cpython.pymalloc_pools import NO_POOL, block_places
from soak.heap.cpython.sizes import CONTAINER_SHAPES, FarKeys, ShapedObjects, extra_bytes, lengths
from soak.heap.cpython.type_table import Integers, TypeTable, plausible_refcounts

MOST_CONTAINERS = 10_000
"""Containers of a census that are kept, the longest."""
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""2**64 divided by the golden ratio: Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4)."""

_GC_FLAGS = np.uint64(7)
_FINALIZED = np.uint64(1)
_DEBUG_MARK = np.uint64(0xFDFD_FDFD_FDFD_FD)
"""Bytes that a debugging allocator puts before each block, behind the letter of its kind (Objects/obmalloc.c)."""
_LOWEST = np.uint64(1 << 16)
"""Lowest address of any process: vm.mmap_min_addr."""
_ADDRESSES = np.uint64(USER_SPACE_END) - _LOWEST

_Index = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found; ``objects`` and ``size_bytes`` have an entry per type of the table."""

    objects: Integers
    size_bytes: Integers
    containers: tuple[tuple[int, int, int], ...]
    """Address, index of the type, and length of each long container."""


class AddressIndex:
    """From addresses to indices of an array, at the speed of memory: hash tables with one address per slot.

    What collides in a table goes to the next, of another hash.
    """

    def __init__(self, addresses: Words) -> None:
        self._addresses = np.append(addresses, np.uint64(0))  # of index -1: no object has a type at 0
        bits = min(max(12, (16 * len(addresses)).bit_length()), 22)
        self._shift = np.uint64(64 - bits)
        self._tables: list[tuple[np.uint64, _Index]] = []
        left = np.arange(len(addresses), dtype=np.int32)
        while left.size:
            multiplier = _MULTIPLIER + np.uint64(2 * len(self._tables))
            table = np.full(1 << bits, -1, np.int32)
            slots = self._slots(addresses[left], multiplier)
            table[slots[::-1]] = left[::-1]
            self._tables.append((multiplier, table))
            left = left[table[slots] != left]

    def find(self, words: Words) -> tuple[npt.NDArray[np.intp], _Index]:
        """Return which of the words are among the addresses, in rising order, and the index of each."""
        where = np.empty(0, np.intp)
        found = np.empty(0, np.int32)
        left: npt.NDArray[np.intp] | None = None
        for multiplier, table in self._tables:
            some = words if left is None else words.take(left)
            index = table.take(self._slots(some, multiplier))
            taken = np.flatnonzero(index >= 0)
            index = index.take(taken)
            same = self._addresses.take(index) == some.take(taken)
            places = taken if left is None else left[taken]
            if same.all():
                where, found = (
                    (places, index)
                    if not len(where)
                    else (np.concatenate((where, places)), np.concatenate((found, index)))
                )
                break
            where = np.concatenate((where, places[same]))
            found = np.concatenate((found, index[same]))
            left = places[~same]  # a slot that is empty here is nobody's: what collided found it taken
            if not left.size:
                break
        if len(self._tables) > 1:
            order = np.argsort(where, kind="stable")
            where, found = where[order], found[order]
        return where, found

    def _slots(self, words: Words, multiplier: np.uint64) -> Integers:
        return ((words * multiplier) >> self._shift).view(np.int64)


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
    lookup = AddressIndex(table.addresses)
    objects = np.zeros(types, np.int64)
    size_bytes = np.zeros(types, np.float64)  # sums of whole numbers below 2**53: exact
    longest: list[tuple[int, int, int]] = []
    far = FarKeys(memory)
    lowest, span = table.addresses[0], table.addresses[-1] - table.addresses[0]
    for chunk in chunks:
        pairs = chunk.words[: 2 * chunk.pairs].reshape(-1, 2)
        maybe = plausible_refcounts(pairs[:, 0], interpreter)
        maybe &= (pairs[:, 1] - lowest) <= span
        where = np.flatnonzero(maybe)
        hits, index = lookup.find(chunk.words.take(2 * where + 1))
        where = where.take(hits)
        if interpreter.low[1]:
            hashes = chunk.words.take(2 * where) == chunk.words.take(2 * where + 1) >> np.uint64(4)
            if hashes.any():
                where, index = where[~hashes], index[~hashes]
        real = _objects_among(chunk, where, index, table, lookup)
        if real.size < where.size:
            where, index = where.take(real), index.take(real)
        objects += np.bincount(index, minlength=types)
        shapes = table.shapes.take(index)
        for shape in np.flatnonzero(np.bincount(shapes)[1:]) + 1:
            chosen = np.flatnonzero(shapes == shape)
            found = ShapedObjects(chunk, where.take(chosen), index.take(chosen))
            extra = extra_bytes(int(shape), found, table.item_bytes, interpreter.layout, far, containers_over)
            extra[extra > most_bytes] = 0
            size_bytes += np.bincount(found.types, extra, types)
            if shape in CONTAINER_SHAPES:
                length = lengths(int(shape), found)
                long = np.flatnonzero((length > containers_over) & (length <= most_bytes))
                longest += zip(
                    (chunk.address + 16 * found.pairs[long]).tolist(),
                    found.types[long].tolist(),
                    length[long].tolist(),
                    strict=True,
                )
        if len(longest) > 2 * MOST_CONTAINERS:
            longest = _longest(longest)
    return Scan(objects, size_bytes.astype(np.int64) + objects * table.fixed_bytes, tuple(_longest(longest)))


def _objects_among(
    chunk: Chunk, where: npt.NDArray[np.intp], index: _Index, table: TypeTable, lookup: AddressIndex
) -> npt.NDArray[np.intp]:
    """Return which finds are objects, and not a small number and a reference to a type inside another, living or dead.

    The usual ones: a tuple's length and its first item; the values of an instance whose first attribute is a class.
    """
    places = block_places(chunk.words[: 2 * chunk.pairs], chunk.address).take(where)
    wanted = table.in_block.take(index)
    offsets, heads = places & 255, wanted & 255
    begins = (offsets == heads) & (places >= wanted)
    odd = np.flatnonzero(~begins)
    others = odd[offsets.take(odd) == NO_POOL]
    marked = odd[offsets.take(odd) == heads.take(odd) + 1]
    if marked.size:
        marks = chunk.words.take(2 * (where.take(marked) - offsets.take(marked)) + 1)
        begins[marked] = marks >> np.uint64(8) == _DEBUG_MARK
    begins[others] = True
    collected = np.flatnonzero(begins & (heads > 0))
    begins[collected] = _have_heads(chunk, where.take(collected))
    real = np.flatnonzero(begins)
    # a block holds one object, the first
    first = np.diff(where.take(real) - offsets.take(real), prepend=-NO_POOL - 1) != 0
    if others.size:
        others = np.flatnonzero(offsets.take(real) == NO_POOL)
        apart = real.take(others)
        first[others] = _outside_others(chunk, where.take(apart), index.take(apart), table, lookup)
    return real[np.flatnonzero(first)]


def _have_heads(chunk: Chunk, where: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Return which finds have the collector's head before them, as far as it is in the chunk.

    It is two addresses with flags, or flags alone (Include/internal/pycore_gc.h); in a collection the second is a
    count with flags. A freed block has an address and what was there: flags, or the text of another use.
    """
    following, previous = (chunk.words.take(2 * where - back, mode="clip") for back in (2, 1))
    linked = (
        ((following - _LOWEST) < _ADDRESSES) & (previous > _FINALIZED) & (previous < _LOWEST + _ADDRESSES)
    )
    linked |= (following == 0) & (previous <= _GC_FLAGS)
    linked[where == 0] = True
    return linked


def _outside_others(
    chunk: Chunk, where: npt.NDArray[np.intp], index: _Index, table: TypeTable, lookup: AddressIndex
) -> npt.NDArray[np.bool_]:
    """Return which finds lie inside no other object, where the bounds of blocks are not known."""
    inside = np.zeros(len(where), np.bool_)
    inside[1:] = where[1:] - where[:-1] < table.own_pairs.take(index[:-1])
    # what is no object hides none: in an unbroken row of finds inside their predecessors every second is one
    fake = inside.copy()
    places = np.flatnonzero(inside)
    if places.size:
        starts = np.flatnonzero(np.diff(places, prepend=-2) > 1)
        in_row = np.arange(len(places)) - np.repeat(starts, np.diff(starts, append=len(places)))
        fake[places[in_row % 2 == 1]] = False
    first, second = (chunk.words.take(2 * where - back, mode="clip") for back in (2, 1))
    candidates = np.flatnonzero((first == 0) & (second >= table.addresses[0]) & (where > 0))
    dead, of_type = lookup.find(second.take(candidates))
    fake[candidates.take(dead[table.own_pairs.take(of_type) > 1])] = True
    return ~fake


def _longest(containers: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    return sorted(containers, key=lambda container: -container[2])[:MOST_CONTAINERS]
