"""Shallow sizes and lengths of objects in a chunk of memory, as ``sys.getsizeof`` and ``len`` give them.

Where a dict's table of keys lies in another chunk its head is read, for long dicts always, for others as long as the
budget lasts. A table that is not read is taken to be as small as the dict's length allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from soak.heap.cpython import layout
from soak.heap.cpython.chunks import Chunk
from soak.heap.cpython.layout import Layout
from soak.heap.cpython.memory import Memory, Words
from soak.heap.cpython.type_table import Integers, Shape

CONTAINER_SHAPES = frozenset({Shape.LIST, Shape.DICT, Shape.ODICT, Shape.SET, Shape.DEQUE})
_MOST = np.uint64(1 << 40)
"""Largest plausible length or size; anything above is garbage."""


@dataclass(slots=True)
class FarKeys:
    """Reads heads of key tables that lie elsewhere, ``budget`` at most."""

    memory: Memory
    budget: int = 200_000

    def heads(self, addresses: Words) -> Words:
        """Return the word at DK_SIZE of each."""
        self.budget -= len(addresses)
        return self.words(addresses, layout.DK_SIZE)

    def words(self, addresses: Words, offset: int) -> Words:
        """Return the word ``offset`` bytes into each."""
        return self.memory.read_each(addresses + np.uint64(offset), 8).view(np.uint64).reshape(-1)


@dataclass(frozen=True, slots=True)
class ShapedObjects:
    """Objects of one shape in a chunk."""

    chunk: Chunk
    pairs: npt.NDArray[np.intp]
    """Where each object begins, in pairs of words."""
    types: npt.NDArray[np.int32]

    def word(self, offset: int) -> Words:
        """Return the word ``offset`` bytes into each object."""
        return self.chunk.words.take(2 * self.pairs + offset // 8)

    def number(self, offset: int) -> Integers:
        """Return the same as numbers; 0 for what cannot be a length."""
        return sane(self.word(offset))


def sane(words: Words) -> Integers:
    """Return words as lengths; 0 for garbage."""
    return np.where(words < _MOST, words, np.uint64(0)).astype(np.int64)


def lengths(shape: int, found: ShapedObjects) -> Integers:
    """Return the length of each container."""
    return found.number(layout.SET_USED if shape == Shape.SET else layout.SIZE)


def extra_bytes(  # noqa: PLR0911 - a line per shape
    shape: int, found: ShapedObjects, item_bytes: Integers, python: Layout, far: FarKeys, containers_over: int
) -> Integers:
    """Return the bytes of each object beyond what every instance of its type has."""
    match shape:
        case Shape.VARIABLE:
            return _times(found.number(layout.SIZE), item_bytes[found.types])
        case Shape.INT:
            return _int_bytes(found, item_bytes, python)
        case Shape.STR:
            return _str_bytes(found, python)
        case Shape.LIST:
            return _times(found.number(layout.LIST_ALLOCATED), 8)
        case Shape.DICT | Shape.ODICT:
            return _dict_bytes(found, python, far, containers_over, ordered=shape == Shape.ODICT)
        case Shape.SET:
            slots = found.number(layout.SET_MASK) + 1
            return _times(np.where(slots > layout.SET_SMALL_SLOTS, slots, 0), layout.SET_ENTRY_BYTES)
        case Shape.DEQUE:
            last = found.number(layout.DEQUE_LEFT_INDEX) + found.number(layout.SIZE) - 1
            return _times(np.maximum(last, 0) // layout.DEQUE_BLOCK_ITEMS + 1, layout.DEQUE_BLOCK_BYTES)
        case Shape.TYPE:
            return _type_bytes(found, python, far)
        case Shape.GENERATOR:
            return _frame_bytes(found, python, far.memory)
        case _:
            return found.number(layout.BYTEARRAY_ALLOC)


def _times(counts: Integers, each: Integers | int) -> Integers:
    product: Integers = counts * each
    return product


def _int_bytes(found: ShapedObjects, item_bytes: Integers, python: Layout) -> Integers:
    size = found.word(layout.SIZE)
    # before 3.12 a negative number has a negative size
    digits = sane(size >> np.uint64(3) if python.tagged_int else np.minimum(size, np.uint64(0) - size))
    return _times(digits, item_bytes[found.types])


def _str_bytes(found: ShapedObjects, python: Layout) -> Integers:
    """Return what a str has beyond ``str.__basicsize__``, which is that of a str that is not compact."""
    state = found.word(layout.STR_STATE)
    kind = ((state >> np.uint64(layout.STR_KIND_SHIFT)) & np.uint64(layout.STR_KIND_MASK)).astype(np.int64)
    ascii_only = (state & np.uint64(layout.STR_ASCII)) != 0
    compact = (state & np.uint64(layout.STR_COMPACT)) != 0
    characters = (found.number(layout.SIZE) + 1) * kind
    head = np.where(ascii_only, python.str_bytes, python.compact_str_bytes) - (python.compact_str_bytes + 8)
    size: Integers = np.where(compact, head, 0) + characters
    return size


def _dict_bytes(
    found: ShapedObjects, python: Layout, far: FarKeys, containers_over: int, *, ordered: bool
) -> Integers:
    used = found.number(layout.SIZE)
    heads, known = _key_heads(found, used > containers_over, far)
    sizes, entry = _slots_and_entry(heads, python)
    known &= sizes > 0
    slots = np.where(known, sizes, 0)
    unknown = np.flatnonzero(~known)
    slots[unknown] = _slots_for(used[unknown])
    entry[unknown] = 16 if python.log2_keys else 24
    usable = 2 * slots // 3
    table = _table_bytes(slots, entry, python)
    # a dict that shares its keys has values only; since 3.11 these are the instance's
    shared = found.word(layout.MA_VALUES) != 0
    size = np.where(shared, 0 if python.managed_dict else 8 * usable, table)
    size = np.where(
        (known & (slots == 1)) | (~known & (used == 0)), 0, size
    )  # the keys all empty dicts share
    if ordered:
        size += layout.ODICT_FAST_BYTES * slots + layout.ODICT_NODE_BYTES * used
    return size


def _slots_and_entry(heads: Words, python: Layout) -> tuple[Integers, Integers]:
    """Return the number of slots of each dict's keys, 0 for garbage, and the bytes of an entry."""
    if not python.log2_keys:
        return sane(heads), np.full(len(heads), 24)
    log2_slots = (heads & np.uint64(0xFF)).astype(np.int64)
    slots = np.where(log2_slots < 40, np.int64(1) << np.minimum(log2_slots, 40), 0)
    return slots, np.where(heads & np.uint64(0xFF0000) == 0, 24, 16)


def _table_bytes(slots: Integers, entry: Integers, python: Layout) -> Integers:
    index = np.where(slots < 1 << 8, 1, np.where(slots < 1 << 16, 2, np.where(slots < 1 << 32, 4, 8)))
    size: Integers = python.keys_bytes + slots * index + 2 * slots // 3 * entry
    return size


def _type_bytes(found: ShapedObjects, python: Layout, far: FarKeys) -> Integers:
    """Return the bytes of the keys that a type keeps for its instances' dicts (Objects/typeobject.c: type_sizeof)."""
    types = np.uint64(found.chunk.address) + found.pairs.astype(np.uint64) * np.uint64(16)
    heads = far.words(far.words(types, python.ht_cached_keys), layout.DK_SIZE)
    slots, entry = _slots_and_entry(heads, python)
    return np.where(heads == 0, 0, _table_bytes(slots, entry, python))


def _frame_bytes(found: ShapedObjects, python: Layout, memory: Memory) -> Integers:
    """Return the bytes of the variables and the stack of each generator's frame (Objects/genobject.c)."""
    codes, which = np.unique(found.word(python.gen_code) & ~np.uint64(7), return_inverse=True)
    rows = memory.read_each(codes + np.uint64(python.co_stacksize), 12).view(np.uint32).reshape(-1, 3)
    return _times((rows[:, 0].astype(np.int64) + rows[:, 2])[which], 8)


def _slots_for(used: Integers) -> Integers:
    """Return the fewest slots that ``used`` entries fit into: a power of two, two thirds of which are usable."""
    fewest = np.maximum(8, (used * 3 + 1) // 2)
    return np.int64(1) << np.ceil(np.log2(fewest)).astype(np.int64)


def _key_heads(
    found: ShapedObjects, long: npt.NDArray[np.bool_], far: FarKeys
) -> tuple[Words, npt.NDArray[np.bool_]]:
    """Return the word at DK_SIZE of each dict's keys, and whether it is known."""
    keys = found.word(layout.MA_KEYS)
    offsets = keys - np.uint64(found.chunk.address)
    known = offsets < np.uint64(16 * found.chunk.pairs)
    heads = found.chunk.words.take(
        np.where(known, offsets // np.uint64(8), 0).view(np.int64) + layout.DK_SIZE // 8
    )
    apart = np.flatnonzero(~known)
    if len(apart) > far.budget:
        apart = np.flatnonzero(long & ~known)
    if apart.size:
        heads[apart] = far.heads(keys[apart])
        known[apart] = heads[apart] != 0
    return heads, known
