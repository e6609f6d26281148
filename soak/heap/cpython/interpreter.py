"""Finds CPython in a process: which file holds it, its version, and where its own types are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from soak.heap.cpython import program
from soak.heap.cpython.layout import LAYOUTS, TP_BASICSIZE, Layout
from soak.heap.cpython.memory import USER_SPACE_END, Memory, MemoryMapping
from soak.heap.errors import HeapError

TYPE_SYMBOLS: Final = (
    "PyType_Type",
    "PyBaseObject_Type",
    "PySet_Type",
    "PyFrozenSet_Type",
    "PyODict_Type",
    "PyByteArray_Type",
)
_VERSION: Final = "Py_Version"
"""Symbol of PY_VERSION_HEX, exported since 3.11."""
_OTHER_BUILDS: Final = {
    "_Py_NegativeRefcount": "a debug build",
    "_Py_MergeZeroLocalRefcount": "a free-threaded build",
}
"""Symbols that only builds have which are not supported, and what these are called."""
_SUPPORTED: Final = "CPython 3.10 to 3.13, release builds with the GIL"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The CPython of a process."""

    path: str
    """Path of the file that holds it, in the process's mount namespace."""
    layout: Layout
    types: Mapping[str, int]
    """Addresses of TYPE_SYMBOLS."""
    modules: tuple[MemoryMapping, ...]
    """Writable mappings of the executable and of libraries: they hold the static types."""
    low: tuple[int, int]
    """Begin and end of addresses so small that they could pass for a reference count; (0, 0) for none."""


def find_interpreter(pid: int, maps: Sequence[MemoryMapping], memory: Memory) -> Interpreter:
    """Return the CPython of a process; raises HeapError when it has none, or one that is not supported."""
    for path in program.candidates(pid, maps):
        found = program.symbols(pid, path, (*TYPE_SYMBOLS, _VERSION, *_OTHER_BUILDS))
        if "PyType_Type" in found:
            return _interpreter(pid, path, maps, memory, found)
    name = PurePath(program.executable(pid) or "?").name
    raise HeapError(
        f"pid {pid} ({name}) shows no CPython: neither the executable nor a libpython has the symbol PyType_Type. "
        f"Supported are {_SUPPORTED}, with dynamic symbols."
    )


def _interpreter(
    pid: int, path: str, maps: Sequence[MemoryMapping], memory: Memory, found: Mapping[str, int]
) -> Interpreter:
    for symbol, build in _OTHER_BUILDS.items():
        if symbol in found:
            raise HeapError(f"pid {pid} runs {build} of CPython ({path}); supported are {_SUPPORTED}.")
    missing = [name for name in TYPE_SYMBOLS if name not in found]
    if missing:
        raise HeapError(
            f"pid {pid}: {path} lacks the symbols {', '.join(missing)}; run it with an unstripped Python."
        )
    bias = program.bias(pid, path, maps)
    if not all(0 < bias + address < USER_SPACE_END for address in found.values()):
        raise HeapError(program.not_as_mapped(pid, path))
    types = {name: bias + found[name] for name in TYPE_SYMBOLS}
    size = int.from_bytes(memory.read_each([types["PyType_Type"] + TP_BASICSIZE], 8)[0], "little")
    if not size:
        raise HeapError(
            f"pid {pid}: there is nothing of {path} in its memory; it may be starting or ending: try again."
        )
    version = None
    if _VERSION in found:
        number = int.from_bytes(memory.read_each([bias + found[_VERSION]], 8)[0], "little")
        version = (number >> 24 & 0xFF, number >> 16 & 0xFF)
    elif size == LAYOUTS[3, 10].heap_type_bytes:
        version = (3, 10)
    layout = LAYOUTS.get(version) if version else None
    if layout is None:
        named = re.search(r"python(\d\.\d+)", path)
        text = f"{version[0]}.{version[1]}" if version else named[1] if named else "before 3.10"
        raise HeapError(f"pid {pid} runs Python {text} ({path}); supported are {_SUPPORTED}.")
    if layout.heap_type_bytes != size:
        raise HeapError(
            f"pid {pid}: {path} calls itself {layout.version[0]}.{layout.version[1]}, but its types have {size} bytes "
            f"and not {layout.heap_type_bytes}: a patched or special build. Supported are {_SUPPORTED}."
        )
    programs = {mapping.path for mapping in maps if mapping.inode and "x" in mapping.permissions}
    modules = tuple(
        mapping
        for mapping in maps
        if mapping.path in programs and mapping.permissions.startswith("rw") and "p" in mapping.permissions
    )
    low = [mapping for mapping in maps if mapping.start < 1 << 32]
    return Interpreter(
        path, layout, types, modules, (low[0].start, max(mapping.end for mapping in low)) if low else (0, 0)
    )
