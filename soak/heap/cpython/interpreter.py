"""Finds CPython in a process: which file holds it, its version, and where its own types are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Final

from soak.heap.cpython import program
from soak.heap.cpython.debug_offsets import DebugOffsets, find_debug_offsets, interpreters, word_at
from soak.heap.cpython.layout import LAYOUTS, SUPPORTED, TP_BASE, TP_BASICSIZE, Layout, debug_offsets_of
from soak.heap.cpython.memory import USER_SPACE_END, Memory, MemoryMapping
from soak.heap.errors import HeapError

_TYPE: Final = "PyType_Type"
_VERSION: Final = "Py_Version"
"""Symbol of PY_VERSION_HEX, exported since 3.11."""
_OF_DEBUG_BUILD: Final = "_Py_NegativeRefcount"
"""Symbol that only debug builds have."""
_WITH_OFFSETS: Final = (3, 13)
"""Version since which CPython has debug offsets."""
_SYMBOLS: Final = (_TYPE, _VERSION, _OF_DEBUG_BUILD)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The CPython of a process."""

    path: str
    """Path of the file that holds it, in the process's mount namespace."""
    layout: Layout
    type_type: int
    """Address of ``type``."""
    object_type: int
    """Address of ``object``, the base of ``type``."""
    modules: tuple[MemoryMapping, ...]
    """Writable mappings of the executable and of libraries: they hold the static types."""
    low: tuple[int, int]
    """Begin and end of addresses so small that they could pass for a reference count; (0, 0) for none."""
    offsets: DebugOffsets | None = None
    """What the process has of itself; None before 3.13."""


def find_interpreter(pid: int, maps: Sequence[MemoryMapping], memory: Memory) -> Interpreter:
    """Return the CPython of a process; raises HeapError when it has none, or one that is not supported.

    Since 3.13 the process has its version, build and offsets in memory, which lead to ``type``; before, symbols do.
    """
    offsets = find_debug_offsets(pid, maps, memory)
    if offsets is not None:
        found = _interpreter(pid, offsets.path, maps, memory, *_by_offsets(pid, offsets, memory))
        return replace(found, offsets=offsets)
    for path in program.candidates(pid, maps):
        symbols = program.symbols(pid, path, _SYMBOLS)
        if _TYPE in symbols:
            return _interpreter(pid, path, maps, memory, *_by_symbols(pid, path, maps, memory, symbols))
    name = PurePath(program.executable(pid) or "?").name
    raise HeapError(
        f"pid {pid} ({name}) shows no CPython: neither the executable nor a libpython has the symbol {_TYPE}, nor the "
        f"debug offsets that CPython has since 3.13. Supported are {SUPPORTED}; before 3.13 with dynamic symbols."
    )


def _by_offsets(pid: int, offsets: DebugOffsets, memory: Memory) -> tuple[Layout, int]:
    """Return layout and address of ``type``; raises HeapError where the layout is not the process's own."""
    version, path = offsets.version, offsets.path
    if offsets.free_threaded:
        build = f"a free-threaded build of CPython {version[0]}.{version[1]}"
        raise HeapError(f"pid {pid} runs {build} ({path}); supported are {SUPPORTED}.")
    layout = _layout(pid, path, version[:2])
    _refuse_debug_build(pid, path, _symbols_if_readable(pid, path))
    for name, expected in debug_offsets_of(layout).items():
        stated = offsets.offsets.get(name, expected)
        if stated != expected:
            raise HeapError(
                f"pid {pid}: {path} calls itself {layout.name}, but its debug offsets have {name} = {stated} where "
                f"{layout.name} has {expected}: a patched or special build. Supported are {SUPPORTED}."
            )
    ob_type = offsets["pyobject.ob_type"]
    for state in interpreters(offsets, memory):
        attributes = word_at(state + offsets["interpreter_state.sysdict"], memory)
        dict_type = word_at(attributes + ob_type, memory) if attributes else 0
        type_type = word_at(dict_type + ob_type, memory) if dict_type else 0
        if type_type and word_at(type_type + ob_type, memory) == type_type:
            return layout, type_type
    raise HeapError(f"pid {pid}: {path} has no interpreter yet; it may be starting or ending: try again.")


def _by_symbols(
    pid: int, path: str, maps: Sequence[MemoryMapping], memory: Memory, found: Mapping[str, int]
) -> tuple[Layout, int]:
    """Return the same of a Python without debug offsets."""
    _refuse_debug_build(pid, path, found)
    bias = program.bias(pid, path, maps)
    if not all(0 < bias + address < USER_SPACE_END for address in found.values()):
        raise HeapError(program.not_as_mapped(pid, path))
    type_type = bias + found[_TYPE]
    size = _heap_type_bytes(pid, path, type_type, memory)
    version = None
    if _VERSION in found:
        number = word_at(bias + found[_VERSION], memory)
        version = (number >> 24 & 0xFF, number >> 16 & 0xFF)
    elif size == LAYOUTS[3, 10].heap_type_bytes:
        version = (3, 10)
    layout = _layout(pid, path, version)
    if layout.version >= _WITH_OFFSETS:
        raise HeapError(
            f"pid {pid}: {path} calls itself {layout.name}, but has no debug offsets, as CPython has since 3.13: "
            f"it may be starting (try again), or is a patched or special build. Supported are {SUPPORTED}."
        )
    return layout, type_type


def _interpreter(
    pid: int, path: str, maps: Sequence[MemoryMapping], memory: Memory, layout: Layout, type_type: int
) -> Interpreter:
    size = _heap_type_bytes(pid, path, type_type, memory)
    if layout.heap_type_bytes != size:
        raise HeapError(
            f"pid {pid}: {path} calls itself {layout.name}, but its types have {size} bytes "
            f"and not {layout.heap_type_bytes}: a patched or special build. Supported are {SUPPORTED}."
        )
    programs = {mapping.path for mapping in maps if mapping.inode and "x" in mapping.permissions}
    modules = tuple(
        mapping
        for mapping in maps
        if mapping.path in programs and mapping.permissions.startswith("rw") and "p" in mapping.permissions
    )
    low = [mapping for mapping in maps if mapping.start < 1 << 32]
    return Interpreter(
        path,
        layout,
        type_type,
        word_at(type_type + TP_BASE, memory),
        modules,
        (low[0].start, max(mapping.end for mapping in low)) if low else (0, 0),
    )


def _heap_type_bytes(pid: int, path: str, type_type: int, memory: Memory) -> int:
    """Return ``type.__basicsize__``; raises HeapError where nothing is."""
    size = word_at(type_type + TP_BASICSIZE, memory)
    if not size:
        raise HeapError(
            f"pid {pid}: there is nothing of {path} in its memory; it may be starting or ending: try again."
        )
    return size


def _layout(pid: int, path: str, version: tuple[int, ...] | None) -> Layout:
    layout = LAYOUTS.get((version[0], version[1])) if version else None
    if layout is None:
        named = re.search(r"python(\d\.\d+)", path)
        text = f"{version[0]}.{version[1]}" if version else named[1] if named else "before 3.10"
        raise HeapError(f"pid {pid} runs Python {text} ({path}); supported are {SUPPORTED}.")
    return layout


def _symbols_if_readable(pid: int, path: str) -> Mapping[str, int]:
    """Return the symbols of a program; none where the file was replaced or cannot be opened: memory suffices."""
    try:
        return program.symbols(pid, path, _SYMBOLS)
    except HeapError:
        return {}


def _refuse_debug_build(pid: int, path: str, found: Mapping[str, int]) -> None:
    if _OF_DEBUG_BUILD in found:
        raise HeapError(f"pid {pid} runs a debug build of CPython ({path}); supported are {SUPPORTED}.")
