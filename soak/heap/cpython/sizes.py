"""Shallow sizes and lengths of objects in a chunk of memory, as ``sys.getsizeof`` and ``len`` give them.

Where a dict's table of keys lies in another chunk its head is read, for long dicts always, for others as long as the
budget lasts. A table that is not read is taken to be as small as the dict's length allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from soak.heap.cpython import layout
from soak.heap.cpython.chunks import Chunk
from soak.heap.cpython.layout import Layout
from soak.heap.cpython.memory import Memory, Words
from soak.heap.cpython.type_table import Indices, Integers, Shape

CONTAINER_SHAPES = frozenset({Shape.LIST, Shape.DICT, Shape.ODICT, Shape.SET, Shape.DEQUE})
_MOST = np.uint64(1 << 40)
"""Largest plausible length or size; anything above is garbage."""
_STR_ONLY = 1 << 8
"""Distance, in a list of tables of keys by the logarithm of their slots, of those with entries without a hash."""
_FEWEST_LOG2, _MOST_LOG2 = 3, 40
"""Logarithm of the slots of the smallest table of its own that a dict has; of more than any has."""
_USABLE = 2 * (np.int64(1) << np.arange(_MOST_LOG2)) // 3
"""Entries that fit into a table, by the logarithm of its slots."""


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
    where: Indices
    """Where each object begins, in words."""
    types: Indices

    def word(self, offset: int) -> Words:
        """Return the word ``offset`` bytes into each object."""
        return self.chunk.words[offset // 8 :].take(self.where)

    def number(self, offset: int) -> Integers:
        """Return the same as numbers; 0 for what cannot be a length."""
        return sane(self.word(offset))


def sane(words: Words) -> Integers:
    """Return words as lengths; 0 for garbage."""
    garbage = words >= _MOST
    if garbage.any():
        words = np.where(garbage, np.uint64(0), words)
    return words.view(np.int64)


def lengths(shape: int, found: ShapedObjects) -> Integers:
    """Return the length of each container."""
    return found.number(layout.SET_USED if shape == Shape.SET else layout.SIZE)


def extra_bytes(  # noqa: PLR0911 - a line per shape
    shape: int, found: ShapedObjects, item_bytes: Integers, python: Layout, far: FarKeys, containers_over: int
) -> Integers:
    """Return the bytes of each object beyond what every instance of its type has."""
    match shape:
        case Shape.VARIABLE:
            return _times(found.number(layout.SIZE), item_bytes.take(found.types))
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
    return _times(digits, item_bytes.take(found.types))


def _str_bytes(found: ShapedObjects, python: Layout) -> Integers:
    """Return what a str has beyond ``str.__basicsize__``, which is that of a str that is not compact."""
    heads, kinds = _str_states(python)
    states = (found.word(layout.STR_STATE) & np.uint64(0xFF)).view(np.int64)
    sizes: Integers = (found.number(layout.SIZE) + 1) * kinds.take(states) + heads.take(states)
    return sizes


@cache
def _str_states(python: Layout) -> tuple[Integers, Integers]:
    """Return, by the first byte of a str's state, the bytes of its head beyond those, and of a character."""
    states = np.arange(1 << 8)
    head = np.where(states & layout.STR_ASCII, python.str_bytes, python.compact_str_bytes)
    return (
        np.where(states & layout.STR_COMPACT, head - (python.compact_str_bytes + 8), 0),
        states >> layout.STR_KIND_SHIFT & layout.STR_KIND_MASK,
    )


def _dict_bytes(
    found: ShapedObjects, python: Layout, far: FarKeys, containers_over: int, *, ordered: bool
) -> Integers:
    used = found.number(layout.SIZE)
    heads, known = _key_heads(found, used > containers_over, far)
    tables = _key_tables(heads, python)
    sizes = _table_bytes(python).take(tables)
    known &= sizes >= 0
    if not known.all():
        unknown = (~known).nonzero()[0]
        fewest = np.searchsorted(_USABLE, used[unknown]).clip(_FEWEST_LOG2, _MOST_LOG2 - 1)
        tables[unknown] = fewest + (_STR_ONLY if python.log2_keys else 0)
        sizes[unknown] = np.where(used[unknown], _table_bytes(python).take(tables[unknown]), 0)
    # a dict that shares its keys has values only; since 3.11 these are the instance's
    shared = found.word(layout.MA_VALUES) != 0
    if shared.any():
        usable = 0 if python.managed_dict else _USABLE.take(tables[shared] % _STR_ONLY)
        sizes[shared] = 8 * usable
    if ordered:
        slots = np.int64(1) << (tables % _STR_ONLY)
        sizes += layout.ODICT_FAST_BYTES * slots + layout.ODICT_NODE_BYTES * used
    return sizes


def _key_tables(heads: Words, python: Layout) -> Indices:
    """Return the logarithm of the slots of each dict's keys, and _STR_ONLY more where an entry has no hash."""
    if python.log2_keys:
        tables = heads & np.uint64(0xFF)
        tables[(heads & np.uint64(0xFF0000)) != 0] += np.uint64(_STR_ONLY)
        return tables.view(np.int64)
    slots = sane(heads)
    return np.where(slots > 0, np.log2(np.maximum(slots, 1)), _MOST_LOG2).astype(np.intp)


@cache
def _table_bytes(python: Layout) -> Integers:
    """Return the bytes of each sort of table as ``_key_tables`` has them.

    0 is that of the table that all empty dicts share, a negative number is none.
    """
    logarithm = np.arange(2 * _STR_ONLY) % _STR_ONLY
    slots = np.int64(1) << np.minimum(logarithm, _MOST_LOG2)
    index = np.where(slots < 1 << 8, 1, np.where(slots < 1 << 16, 2, np.where(slots < 1 << 32, 4, 8)))
    entry = np.repeat((24, 16), _STR_ONLY)
    size = python.keys_bytes + slots * index + 2 * slots // 3 * entry
    return np.where(logarithm == 0, 0, np.where(logarithm < _MOST_LOG2, size, -1))


def _type_bytes(found: ShapedObjects, python: Layout, far: FarKeys) -> Integers:
    """Return the bytes of the keys that a type keeps for its instances' dicts (Objects/typeobject.c: type_sizeof)."""
    types = np.uint64(found.chunk.address) + found.where.astype(np.uint64) * np.uint64(8)
    heads = far.words(far.words(types, python.ht_cached_keys), layout.DK_SIZE)
    return np.where(heads == 0, 0, np.maximum(_table_bytes(python).take(_key_tables(heads, python)), 0))


def _frame_bytes(found: ShapedObjects, python: Layout, memory: Memory) -> Integers:
    """Return the bytes of the variables and the stack of each generator's frame (Objects/genobject.c)."""
    codes, which = np.unique(found.word(python.gen_code) & ~np.uint64(7), return_inverse=True)
    rows = memory.read_each(codes + np.uint64(python.co_stacksize), 12).view(np.uint32).reshape(-1, 3)
    frames: Integers = 8 * (rows[:, 0].astype(np.int64) + rows[:, 2])
    return frames[which]


def _key_heads(
    found: ShapedObjects, long: npt.NDArray[np.bool_], far: FarKeys
) -> tuple[Words, npt.NDArray[np.bool_]]:
    """Return the word at DK_SIZE of each dict's keys, and whether it is known."""
    keys = found.word(layout.MA_KEYS)
    offsets = keys - np.uint64(found.chunk.address)
    known = offsets < np.uint64(8 * found.chunk.searched)
    offsets >>= np.uint64(3)
    heads = found.chunk.words[layout.DK_SIZE // 8 :].take(offsets.view(np.int64), mode="clip")
    if not known.all():
        apart = (~known).nonzero()[0]
        if len(apart) > far.budget:
            apart = (long & ~known).nonzero()[0]
        heads[apart] = far.heads(keys[apart])
        known[apart] = heads[apart] != 0
    return heads, known
