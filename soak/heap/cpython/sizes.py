"""Shallow sizes and lengths of objects in a piece of memory, as ``sys.getsizeof`` and ``len`` would say.

Where a dict's table of keys lies in another piece its head is read, for long dicts always, for others as long as the
budget lasts. A table that is not read is taken to be as small as the dict's length allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from soak.heap.cpython import layout as at
from soak.heap.cpython.chunks import Piece
from soak.heap.cpython.layout import Layout
from soak.heap.cpython.memory import Memory, Words
from soak.heap.cpython.type_table import Integers, Shape

CONTAINERS = frozenset({Shape.LIST, Shape.DICT, Shape.ODICT, Shape.SET, Shape.DEQUE})
_MOST = np.uint64(1 << 40)
"""A length, or a size, beyond it is garbage."""


@dataclass(slots=True)
class FarKeys:
    """Reads heads of key tables that lie elsewhere, ``budget`` at most."""

    memory: Memory
    budget: int = 200_000

    def heads(self, addresses: Words) -> Words:
        """Return the word at DK_SIZE of each."""
        self.budget -= len(addresses)
        return self.memory.read_each(addresses + np.uint64(at.DK_SIZE), 8).view(np.uint64).reshape(-1)


@dataclass(frozen=True, slots=True)
class Found:
    """Objects of one shape in a piece."""

    piece: Piece
    pairs: npt.NDArray[np.intp]
    """Where each begins, in pairs of words."""
    types: npt.NDArray[np.int32]

    def word(self, offset: int) -> Words:
        """Return the word ``offset`` bytes into each object."""
        return self.piece.words.take(2 * self.pairs + offset // 8)

    def number(self, offset: int) -> Integers:
        """Return the same as numbers; 0 for what cannot be a length."""
        return sane(self.word(offset))


def sane(words: Words) -> Integers:
    """Return words as lengths; 0 for garbage."""
    return np.where(words < _MOST, words, np.uint64(0)).astype(np.int64)


def lengths(shape: int, found: Found) -> Integers:
    """Return the length of each container."""
    return found.number(at.SET_USED if shape == Shape.SET else at.SIZE)


def extra_bytes(  # noqa: PLR0911 - a line per shape
    shape: int, found: Found, item_bytes: Integers, layout: Layout, far: FarKeys, containers_over: int
) -> Integers:
    """Return the bytes of each object beyond what every instance of its type has."""
    match shape:
        case Shape.VARIABLE:
            return _times(found.number(at.SIZE), item_bytes[found.types])
        case Shape.INT:
            return _int_bytes(found, item_bytes, layout)
        case Shape.STR:
            return _str_bytes(found, layout)
        case Shape.LIST:
            return _times(found.number(at.LIST_ALLOCATED), 8)
        case Shape.DICT | Shape.ODICT:
            return _dict_bytes(found, layout, far, containers_over, ordered=shape == Shape.ODICT)
        case Shape.SET:
            slots = found.number(at.SET_MASK) + 1
            return _times(np.where(slots > at.SET_SMALL_SLOTS, slots, 0), at.SET_ENTRY_BYTES)
        case Shape.DEQUE:
            last = found.number(at.DEQUE_LEFT_INDEX) + found.number(at.SIZE) - 1
            return _times(np.maximum(last, 0) // at.DEQUE_BLOCK_ITEMS + 1, at.DEQUE_BLOCK_BYTES)
        case _:
            return found.number(at.BYTEARRAY_ALLOC)


def _times(counts: Integers, each: Integers | int) -> Integers:
    product: Integers = counts * each
    return product


def _int_bytes(found: Found, item_bytes: Integers, layout: Layout) -> Integers:
    size = found.word(at.SIZE)
    # before 3.12 a negative number has a negative size
    digits = sane(size >> np.uint64(3) if layout.tagged_int else np.minimum(size, np.uint64(0) - size))
    return _times(digits, item_bytes[found.types])


def _str_bytes(found: Found, layout: Layout) -> Integers:
    """Return what a str has beyond ``str.__basicsize__``, which is that of a str that is not compact."""
    state = found.word(at.STR_STATE)
    kind = ((state >> np.uint64(at.STR_KIND_SHIFT)) & np.uint64(at.STR_KIND_MASK)).astype(np.int64)
    ascii_only = (state & np.uint64(at.STR_ASCII)) != 0
    compact = (state & np.uint64(at.STR_COMPACT)) != 0
    characters = (found.number(at.SIZE) + 1) * kind
    head = np.where(ascii_only, layout.str_bytes, layout.compact_str_bytes) - (layout.compact_str_bytes + 8)
    size: Integers = np.where(compact, head, 0) + characters
    return size


def _dict_bytes(
    found: Found, layout: Layout, far: FarKeys, containers_over: int, *, ordered: bool
) -> Integers:
    used = found.number(at.SIZE)
    heads, known = _key_heads(found, used > containers_over, far)
    if layout.log2_keys:
        log2_slots = (heads & np.uint64(0xFF)).astype(np.int64)
        known &= log2_slots < 40
        sizes = np.int64(1) << np.minimum(log2_slots, 40)
        entry = np.where(known & (heads & np.uint64(0xFF0000) == 0), 24, 16)
    else:
        sizes = sane(heads)
        known &= sizes > 0
        entry = np.full(len(used), 24)
    slots = np.where(known, sizes, 0)
    unknown = np.flatnonzero(~known)
    slots[unknown] = _slots_for(used[unknown])
    index = np.where(slots < 1 << 8, 1, np.where(slots < 1 << 16, 2, np.where(slots < 1 << 32, 4, 8)))
    usable = 2 * slots // 3
    table = layout.keys_bytes + slots * index + usable * entry
    # a dict that shares its keys has values only; since 3.11 these are the instance's
    shared = found.word(at.MA_VALUES) != 0
    size = np.where(shared, 0 if layout.managed_dict else 8 * usable, table)
    size = np.where(
        (known & (slots == 1)) | (~known & (used == 0)), 0, size
    )  # the keys all empty dicts share
    if ordered:
        size += at.ODICT_FAST_BYTES * slots + at.ODICT_NODE_BYTES * used
    return size


def _slots_for(used: Integers) -> Integers:
    """Return the fewest slots that ``used`` entries fit into: a power of two, two thirds of which are usable."""
    fewest = np.maximum(8, (used * 3 + 1) // 2)
    return np.int64(1) << np.ceil(np.log2(fewest)).astype(np.int64)


def _key_heads(
    found: Found, long: npt.NDArray[np.bool_], far: FarKeys
) -> tuple[Words, npt.NDArray[np.bool_]]:
    """Return the word at DK_SIZE of each dict's keys, and whether it is known."""
    keys = found.word(at.MA_KEYS)
    offsets = keys - np.uint64(found.piece.address)
    known = offsets < np.uint64(16 * found.piece.pairs)
    heads = found.piece.words.take(
        np.where(known, offsets // np.uint64(8), 0).view(np.int64) + at.DK_SIZE // 8
    )
    apart = np.flatnonzero(~known)
    if len(apart) > far.budget:
        apart = np.flatnonzero(long & ~known)
    if apart.size:
        heads[apart] = far.heads(keys[apart])
        known[apart] = heads[apart] != 0
    return heads, known
