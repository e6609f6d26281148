"""Where CPython keeps what, per version: offsets and sizes in bytes on 64-bit Linux, from its own headers.

What is the same in 3.10 to 3.15 are constants (Include/cpython/object.h, listobject.h, setobject.h, dictobject.h,
bytearrayobject.h, unicodeobject.h; Modules/_collectionsmodule.c). What differs is a row of ``LAYOUTS``; only the
release build with the GIL is described.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# PyObject
REFCOUNT: Final = 0
TYPE: Final = 8
SIZE: Final = 16
"""``ob_size`` of PyVarObject; ``length`` of str, ``ma_used`` of dict, ``lv_tag`` of int since 3.12."""
GC_HEAD_BYTES: Final = 16
PRE_HEADER_BYTES: Final = 16

# PyTypeObject
TP_NAME: Final = 24
TP_BASICSIZE: Final = 32
TP_ITEMSIZE: Final = 40
TP_FLAGS: Final = 168
TP_BASE: Final = 256
TP_DICT: Final = 264
TP_ALLOC: Final = 304
TYPE_BYTES: Final = 312
"""Bytes of a type object that are read."""

# tp_flags (Include/object.h)
INLINE_VALUES: Final = 1 << 2
MANAGED_WEAKREF: Final = 1 << 3
MANAGED_DICT: Final = 1 << 4
HEAPTYPE: Final = 1 << 9
READY: Final = 1 << 12
HAVE_GC: Final = 1 << 14
LONG: Final = 1 << 24
LIST: Final = 1 << 25
UNICODE: Final = 1 << 28
DICT: Final = 1 << 29
TYPE_TYPE: Final = 1 << 31

# str: bits of ``state`` at STR_STATE
STR_STATE: Final = 32
STR_KIND_SHIFT: Final = 2
STR_KIND_MASK: Final = 7
STR_COMPACT: Final = 1 << 5
STR_ASCII: Final = 1 << 6

# dict and its keys
MA_KEYS: Final = 32
MA_VALUES: Final = 40
DK_SIZE: Final = 8
"""3.10: the number of slots, eight bytes; since 3.11 a byte each: the logarithms of slots and index bytes, the kind."""
DK_HEAD_BYTES: Final = 40
"""Bytes of a dict's keys that are read; dk_usable and dk_nentries are in them."""

LIST_ALLOCATED: Final = 32
SET_USED: Final = 24
SET_MASK: Final = 32
SET_SMALL_SLOTS: Final = 8
"""Most slots of a set whose table is inside it."""
SET_ENTRY_BYTES: Final = 16
DEQUE_LEFT_INDEX: Final = 40
DEQUE_BLOCK_ITEMS: Final = 64
DEQUE_BLOCK_BYTES: Final = 528
ODICT_FAST_BYTES: Final = 8
ODICT_NODE_BYTES: Final = 32
BYTEARRAY_ALLOC: Final = 24
FIELDS_BYTES: Final = 80
"""Bytes of an object within which all its fields lie that are read."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What differs between versions."""

    version: tuple[int, int]
    heap_type_bytes: int
    """``sizeof(PyHeapTypeObject)``, which is also ``type.__basicsize__``; it differs between all layouts."""
    ht_qualname: int
    ht_cached_keys: int
    str_bytes: int
    """``sizeof(PyASCIIObject)``."""
    compact_str_bytes: int
    """``sizeof(PyCompactUnicodeObject)``."""
    keys_bytes: int
    """Size of a dict's keys without index and entries."""
    dk_usable: int
    gen_code: int = 72
    """Where a generator has its code object, in its frame since 3.12; 0: the frame is an object of its own."""
    co_stacksize: int = 64
    """Of a code object: 32 bits; eight bytes on is ``co_nlocalsplus``."""
    log2_keys: bool = True
    """Since 3.11: the keys hold the logarithm of their size, and whether they are all str."""
    tagged_int: bool = True
    """Since 3.12: an int's size is in ``lv_tag``, shifted by three."""
    managed_dict: bool = True
    """Since 3.11: instances have their attributes' values beside them, or (INLINE_VALUES, 3.13) behind them."""
    values_prefix: int = 0
    """3.11 and 3.12: bytes of the values' prefix beside one per value."""
    split_refcount: bool = False
    """Since 3.14 the upper 16 bits beside the reference count are flags."""
    bytearray_holds_bytes: bool = False
    """Since 3.15 the buffer of a bytearray is an object of type bytes, counted as one: ``sys.getsizeof`` adds it."""

    @property
    def name(self) -> str:
        """Its version as a word: ``3.14``."""
        return ".".join(map(str, self.version))


LAYOUTS: Final[Mapping[tuple[int, int], Layout]] = {
    layout.version: layout
    for layout in (
        Layout(
            (3, 10), 888, 864, 872, 48, 72, 40, 24, 0, log2_keys=False, tagged_int=False, managed_dict=False
        ),
        Layout((3, 11), 904, 864, 872, 48, 72, 32, 16, 16, 68, tagged_int=False, values_prefix=2),
        Layout((3, 12), 920, 872, 880, 40, 56, 32, 16, values_prefix=2),
        Layout((3, 13), 928, 872, 880, 40, 56, 32, 16),
        Layout((3, 14), 936, 872, 880, 40, 56, 32, 16, split_refcount=True),
        Layout((3, 15), 944, 880, 888, 40, 56, 32, 16, split_refcount=True, bytearray_holds_bytes=True),
    )
}

SUPPORTED: Final = (
    f"CPython {LAYOUTS[min(LAYOUTS)].name} to {LAYOUTS[max(LAYOUTS)].name}, release builds with the GIL"
)
"""The Pythons whose heap can be read, for messages."""


def debug_offsets_of(python: Layout) -> Mapping[str, int]:
    """Return those of ``_Py_DebugOffsets`` that a census relies on, as the layout has them; see DebugOffsets."""
    return {
        "pyobject.size": 16,
        "pyobject.ob_type": TYPE,
        "type_object.tp_name": TP_NAME,
        "type_object.tp_basicsize": TP_BASICSIZE,
        "type_object.tp_flags": TP_FLAGS,
        "heap_type_object.size": python.heap_type_bytes,
        "heap_type_object.ht_cached_keys": python.ht_cached_keys,
        "tuple_object.ob_size": SIZE,
        "list_object.ob_size": SIZE,
        "list_object.ob_item": LIST_ALLOCATED - 8,
        "list_object.size": LIST_ALLOCATED + 8,
        "set_object.used": SET_USED,
        "set_object.mask": SET_MASK,
        "dict_object.ma_keys": MA_KEYS,
        "dict_object.ma_values": MA_VALUES,
        "long_object.lv_tag": SIZE,
        "bytes_object.ob_size": SIZE,
        "unicode_object.length": SIZE,
        "unicode_object.state": STR_STATE,
        "unicode_object.asciiobject_size": python.str_bytes,
        "unicode_object.compactunicodeobject_size": python.compact_str_bytes,
        "gen_object.gi_iframe": python.gen_code,
    }
