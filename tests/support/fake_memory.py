"""A small address space with a CPython in it: ``type``, ``object``, a class, and room for objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from soak.heap.cpython import layout
from soak.heap.cpython.interpreter import Interpreter
from soak.heap.cpython.layout import LAYOUTS
from soak.heap.cpython.memory import PAGE_BYTES, MemoryMapping, Octets, Words

DATA = 0x7F00_0000_0000
HEAP = 0x7F10_0000_0000
HEAP_BYTES = 16 * PAGE_BYTES
_TYPE_STEP = 1024
_NAMES = (b"type", b"object", b"set", b"frozenset", b"collections.OrderedDict", b"bytearray", b"frozendict")
TYPES = {name: DATA + number * _TYPE_STEP for number, name in enumerate(_NAMES)}
"""Addresses of static types."""
ALLOC = 0x7F00_0FFF_0000
SPARE = DATA + len(TYPES) * _TYPE_STEP
"""Of one more type, ``app.Thing``."""
_SHAPED = {
    b"list": (layout.LIST, 40),
    b"dict": (layout.DICT, 48),
    b"str": (layout.UNICODE, 64),
    b"int": (layout.LONG, 24),
    b"collections.deque": (layout.HAVE_GC, 200),
    b"generator": (layout.HAVE_GC, 144),
}
SHAPED = {name: SPARE + number * _TYPE_STEP for number, name in enumerate(_SHAPED, 1)}
_STRINGS = SPARE + (len(_SHAPED) + 1) * _TYPE_STEP


class FakeMemory:
    """Segments of bytes at addresses."""

    def __init__(self, segments: dict[int, bytearray]) -> None:
        self.segments = segments

    def read_into(self, address: int, buffer: Octets) -> int:
        for start, content in self.segments.items():
            if start <= address < start + len(content):
                chunk = np.frombuffer(content, np.uint8)[address - start :][: buffer.nbytes]
                buffer[: len(chunk)] = chunk
                return len(chunk)
        return 0

    def read_each(self, addresses: Sequence[int] | Words, size: int) -> Octets:
        rows = np.zeros((len(addresses), size), np.uint8)
        for row, address in zip(rows, addresses, strict=True):
            if self.read_into(int(address), row) < size:
                row[:] = 0
        return rows

    def resident(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        yield start, end


def put(segment: bytearray, offset: int, *words: int) -> None:
    """Write words of eight bytes."""
    for number, word in enumerate(words):
        begin = offset + 8 * number
        segment[begin : begin + 8] = (word & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "little")


def put_pool(
    segment: bytearray, offset: int, block_bytes: int, *, used: int = 1, after: int = 1 << 14
) -> None:
    """Write the header of a pool of pymalloc: ``used`` blocks are live, none behind ``after`` was ever handed out."""
    index = block_bytes // 16 - 1
    put(segment, offset, used, 0, 0, 0, index << 32, ((1 << 14) - block_bytes) << 32 | after)


def _put_type(data: bytearray, address: int, name: bytes, flags: int, basicsize: int) -> None:
    offset = address - DATA
    strings = _STRINGS - DATA + (address - DATA) // _TYPE_STEP * 64
    data[strings : strings + len(name)] = name
    put(data, offset, 1, TYPES[b"type"], 0, DATA + strings, basicsize, 0)
    put(data, offset + layout.TP_FLAGS, flags | layout.READY)
    put(data, offset + layout.TP_BASE, TYPES[b"object"])
    put(data, offset + layout.TP_ALLOC, ALLOC)


def fake_process(
    version: tuple[int, int] = (3, 12),
) -> tuple[FakeMemory, tuple[MemoryMapping, ...], Interpreter]:
    """Return an empty heap of zeros, its maps, and its interpreter."""
    data = bytearray(4 * PAGE_BYTES)
    python = LAYOUTS[version]
    for name, address in TYPES.items():
        is_type = name == b"type"
        _put_type(
            data,
            address,
            name,
            layout.TYPE_TYPE if is_type else 0,
            python.heap_type_bytes if is_type else 16,
        )
    _put_type(data, SPARE, b"app.Thing", layout.HAVE_GC, 32)
    for name, address in SHAPED.items():
        _put_type(data, address, name, *_SHAPED[name])
    put(data, TYPES[b"set"] - DATA + layout.TP_BASICSIZE, 200)
    maps = (
        MemoryMapping(DATA, DATA + len(data), "rw-p", 0, 7, "/usr/lib/libpython.so"),
        MemoryMapping(HEAP, HEAP + HEAP_BYTES, "rw-p", 0, 0, ""),
    )
    memory = FakeMemory({DATA: data, HEAP: bytearray(HEAP_BYTES)})
    return (
        memory,
        maps,
        Interpreter("/usr/lib/libpython.so", python, TYPES[b"type"], TYPES[b"object"], maps[:1], (0, 0)),
    )
