"""Finds all type objects of a process, and what of each is needed to count and size its instances.

A type is found by one of two marks: its ``ob_type`` is ``type``, or its ``tp_alloc`` is that of ``object``, which every
class statement sets, whatever the metaclass. What is found so is believed only when its fields are those of a type.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from soak.heap.cpython import layout
from soak.heap.cpython.chunks import Chunk
from soak.heap.cpython.interpreter import Interpreter
from soak.heap.cpython.layout import Layout
from soak.heap.cpython.memory import Memory, Octets, Words
from soak.heap.errors import HeapError

MOST_TYPES = 1 << 18
"""Candidates for types that are looked at: a program with more leaks types, and the instances of these show it."""
_MOST_BASICSIZE = 1 << 24
_MOST_ITEMSIZE = 1 << 20
_ALLOC_PAIR = layout.TP_ALLOC // 16
_MOST_VALUES = 1 << 8
_UNUSED_VALUES = 30
"""Usable values of an instance that has none: SHARED_KEYS_MAX_SIZE."""

Integers = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]


class Shape(IntEnum):
    """How the size of an instance, and the length of a container, is found."""

    FIXED = 0
    VARIABLE = 1
    INT = 2
    STR = 3
    LIST = 4
    DICT = 5
    ODICT = 6
    SET = 7
    DEQUE = 8
    BYTEARRAY = 9
    TYPE = 10
    GENERATOR = 11


_NAME_BYTES = 24
"""Bytes of a type's name that are read: the longest of those that are looked for ends within."""
_GENERATORS = (b"generator", b"coroutine", b"async_generator")
"""Types with an item size, but no ``ob_size`` for the number of items (Objects/genobject.c); so have frames."""


@dataclass(frozen=True, slots=True)
class TypeTable:
    """One entry per type, by rising address."""

    addresses: Words
    fixed_bytes: Integers
    """Bytes of every instance: its struct, the collector's head, its attributes' values."""
    item_bytes: Integers
    own_pairs: Integers
    """Pairs of words that nothing else can begin in: the struct, and what is inline behind it."""
    head_pairs: Integers
    """Pairs of words before every instance in its block: the collector's head, and what precedes it; 0 for none."""
    shapes: npt.NDArray[np.uint8]
    heap_types: npt.NDArray[np.bool_]
    """Whether the type was made at run time: its module is in its dict."""
    name_addresses: Words
    dict_addresses: Words


def plausible_refcounts(refcounts: Words, interpreter: Interpreter) -> npt.NDArray[np.bool_]:
    """Return which words may be the reference count of a live object.

    A freed object has 0, or the address of the next free block. Immortal objects (3.12) have 2**32 - 1.
    """
    good = _counts(refcounts, interpreter.layout)
    start, end = interpreter.low
    if end:
        good &= (refcounts - np.uint64(start)) >= np.uint64(end - start)
    return good


def _counts(refcounts: Words, python: Layout) -> npt.NDArray[np.bool_]:
    """Return the same for types, whatever their address: millions of instances are as many references."""
    if python.split_refcount:
        refcounts = refcounts & np.uint64((1 << 48) - 1)
    good: npt.NDArray[np.bool_] = (refcounts - np.uint64(1)) < np.uint64(0xFFFFFFFF)
    return good


def type_candidates(chunks: Iterable[Chunk], interpreter: Interpreter, alloc: int) -> Words:
    """Return the addresses that bear one of the two marks, MOST_TYPES at most, in rising order."""
    found: list[Words] = []
    count = 0
    type_type, generic = np.uint64(interpreter.type_type), np.uint64(alloc)
    for chunk in chunks:
        pairs = chunk.words[: chunk.searched].reshape(-1, 2)
        by_type = np.flatnonzero(pairs[:, 1] == type_type)
        by_alloc = np.flatnonzero(pairs[:, 0] == generic)
        if not (by_type.size or by_alloc.size):
            continue
        by_type = by_type[_counts(pairs[by_type, 0], interpreter.layout)]
        offsets = np.concatenate((by_type, by_alloc - _ALLOC_PAIR)) * 16
        found.append(np.uint64(chunk.address) + offsets.astype(np.uint64))
        count += len(offsets)
        if count >= 2 * MOST_TYPES:
            break
    return np.unique(np.concatenate(found))[:MOST_TYPES] if found else np.empty(0, np.uint64)


def make_table(candidates: Words, interpreter: Interpreter, memory: Memory) -> TypeTable:
    """Return those candidates that are types; raises HeapError when even ``object`` and ``type`` are not."""
    rows = memory.read_each(candidates, layout.TYPE_BYTES)
    keep = _types_among(candidates, rows, interpreter)
    addresses, rows = candidates[keep], rows[keep]
    if not np.isin([interpreter.type_type, interpreter.object_type], addresses).all():
        raise HeapError(
            f"{interpreter.path} has no type objects where a CPython {interpreter.layout.name} "
            "has them; it may be starting or ending: try again."
        )
    flags = _field(rows, layout.TP_FLAGS)
    items = _field(rows, layout.TP_ITEMSIZE).astype(np.int64)
    names = _field(rows, layout.TP_NAME)
    shapes = _shapes(addresses, rows, flags, items, memory.read_each(names, _NAME_BYTES), interpreter)
    items[shapes == Shape.FIXED] = 0
    python = interpreter.layout
    heads = _head_bytes(flags, python)
    basic = _field(rows, layout.TP_BASICSIZE).astype(np.int64)
    values, inline = _attribute_bytes(addresses, flags, python, memory)
    own = basic + inline
    # a compact str, of ASCII, has its head and a byte at least
    own[shapes == Shape.STR] -= python.compact_str_bytes + 8 - python.str_bytes - 1
    return TypeTable(
        addresses,
        basic + heads + values,
        items,
        (own + 15) // 16,
        heads // 16,
        shapes,
        (flags & np.uint64(layout.HEAPTYPE)) != 0,
        names,
        _field(rows, layout.TP_DICT),
    )


def _field(rows: Octets, offset: int) -> Words:
    return np.ascontiguousarray(rows[:, offset : offset + 8]).view(np.uint64).reshape(-1)


def _types_among(addresses: Words, rows: Octets, interpreter: Interpreter) -> npt.NDArray[np.bool_]:
    flags = _field(rows, layout.TP_FLAGS)
    good = _counts(_field(rows, layout.REFCOUNT), interpreter.layout)
    good &= (flags & np.uint64(layout.READY)) != 0
    good &= (_field(rows, layout.TP_BASICSIZE) - np.uint64(16)) < np.uint64(_MOST_BASICSIZE)
    good &= _field(rows, layout.TP_ITEMSIZE) < np.uint64(_MOST_ITEMSIZE)
    good &= _field(rows, layout.TP_NAME) != 0
    kinds = _field(rows, layout.TYPE)
    metatypes = addresses[good & ((flags & np.uint64(layout.TYPE_TYPE)) != 0)]
    good &= np.isin(kinds, metatypes)
    return good & _below(np.array([interpreter.type_type], np.uint64), addresses, np.where(good, kinds, 0))


def _below(roots: Words, addresses: Words, above: Words) -> npt.NDArray[np.bool_]:
    """Return which addresses, in rising order, are roots or have one above them, however far.

    Each round looks twice as far: a chain of a hundred thousand classes, which nobody but an attacker makes, is short.
    """
    count = len(addresses)
    next_up = np.searchsorted(addresses, above)
    next_up[np.append(addresses, 0)[next_up] != above] = count
    next_up = np.append(next_up, count)
    found: npt.NDArray[np.bool_] = np.append(np.isin(addresses, roots), np.False_)
    for _ in range(count.bit_length()):
        found |= found[next_up]
        next_up = next_up[next_up]
    return found[:-1]


def _shapes(
    addresses: Words, rows: Octets, flags: Words, items: Integers, names: Octets, interpreter: Interpreter
) -> npt.NDArray[np.uint8]:
    shapes = np.where(items > 0, np.uint8(Shape.VARIABLE), np.uint8(Shape.FIXED))
    for flag, shape in (
        (layout.LONG, Shape.INT),
        (layout.UNICODE, Shape.STR),
        (layout.LIST, Shape.LIST),
        (layout.DICT, Shape.DICT),
        (layout.TYPE_TYPE, Shape.TYPE),
    ):
        shapes[(flags & np.uint64(flag)) != 0] = shape
    names[np.maximum.accumulate(names == 0, axis=1)] = 0  # what comes after the end is another string's
    texts = names.view(f"S{names.shape[1]}").reshape(-1)
    shapes[texts == b"frame"] = Shape.FIXED
    shapes[np.isin(texts, _GENERATORS)] = Shape.GENERATOR if interpreter.layout.gen_code else Shape.FIXED
    bases = _field(rows, layout.TP_BASE)
    static = (flags & np.uint64(layout.HEAPTYPE)) == 0
    for shape, roots in (
        (Shape.ODICT, static & (texts == b"collections.OrderedDict")),
        (Shape.DICT, static & (texts == b"frozendict")),
        (Shape.SET, static & np.isin(texts, (b"set", b"frozenset"))),
        (Shape.BYTEARRAY, static & (texts == b"bytearray") & (not interpreter.layout.bytearray_holds_bytes)),
        (Shape.DEQUE, texts == b"collections.deque"),
    ):
        shapes[_below(addresses[roots], addresses, bases)] = shape
    return shapes


def _head_bytes(flags: Words, python: Layout) -> Integers:
    """Return what every instance has before it: collector's head and pre-header (pycore_object.h)."""
    heads = np.where(flags & np.uint64(layout.HAVE_GC), layout.GC_HEAD_BYTES, 0)
    if python.managed_dict:
        pre_header = layout.MANAGED_DICT | (layout.MANAGED_WEAKREF if python.version >= (3, 12) else 0)
        heads[(flags & np.uint64(pre_header)) != 0] += layout.PRE_HEADER_BYTES
    return heads


def _attribute_bytes(
    addresses: Words, flags: Words, python: Layout, memory: Memory
) -> tuple[Integers, Integers]:
    """Return what every instance's attribute values take, and of that what is inline behind its struct."""
    fixed, inline = np.zeros((2, len(addresses)), np.int64)
    if python.managed_dict:
        managed = np.flatnonzero(
            (flags & np.uint64(layout.MANAGED_DICT) != 0) & (flags & np.uint64(layout.HEAPTYPE) != 0)
        )
        values = _values_bytes(addresses[managed], flags[managed], python, memory)
        fixed[managed] = values
        if not python.values_prefix:
            inline[managed] = values
    return fixed, inline


def _values_bytes(addresses: Words, flags: Words, python: Layout, memory: Memory) -> Integers:
    """Return what an instance's attributes take, the dict it may get aside (Objects/dictobject.c: new_values)."""
    keys = memory.read_each(addresses + np.uint64(python.ht_cached_keys), 8).view(np.uint64).reshape(-1)
    heads = memory.read_each(keys, layout.DK_HEAD_BYTES)
    usable, entries = _field(heads, python.dk_usable), _field(heads, python.dk_usable + 8)
    values = (usable + entries).astype(np.int64)
    values[(values < 0) | (values > _MOST_VALUES)] = 0
    if python.values_prefix:  # made by object.__new__ only, which takes the usable ones down
        values[(usable == _UNUSED_VALUES) & (entries == 0)] = 0
    if python.values_prefix:
        prefix = values + python.values_prefix
        size = (prefix + 7) // 8 * 8 + 8 * values
    else:
        size = (values + 7) // 8 * 8 + 8 * (values + 1)
        size[(flags & np.uint64(layout.INLINE_VALUES)) == 0] = 0
    size[(keys == 0) | (values == 0)] = 0
    return size
