"""What the two allocators hold: CPython's own (pymalloc) and the C library's (malloc)."""

from __future__ import annotations

import ctypes
import re
from typing import Any

_ARENAS = re.compile(rb"^\d+ arenas \* \d+ bytes/arena += +([\d,]+)$", re.MULTILINE)
_FREE_BLOCKS = re.compile(rb"^# bytes in available blocks += +([\d,]+)$", re.MULTILINE)
_FREE_POOLS = re.compile(rb"^\d+ unused pools \* \d+ bytes += +([\d,]+)$", re.MULTILINE)


class _Mallinfo2(ctypes.Structure):
    """``struct mallinfo2`` of glibc 2.33 and later, see mallinfo(3)."""

    _names = (
        "arena",
        "ordblks",
        "smblks",
        "hblks",
        "hblkhd",
        "usmblks",
        "fsmblks",
        "uordblks",
        "fordblks",
        "keepcost",
    )
    _fields_ = tuple((name, ctypes.c_size_t) for name in _names)


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    """Return the C function, or None where the library has none of that name."""
    function = getattr(library, name, None)
    if function is not None:
        function.restype = result
        function.argtypes = arguments
    return function


# Short calls keep the interpreter lock: to give it up is to wait for it again behind a busy target.
_quick = ctypes.PyDLL(None)
_open_memstream = _function(
    _quick,
    "open_memstream",
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(ctypes.c_size_t),
)
_fclose = _function(_quick, "fclose", ctypes.c_int, ctypes.c_void_p)
_free = _function(_quick, "free", None, ctypes.c_void_p)
_debug_malloc_stats = _function(ctypes.pythonapi, "_PyObject_DebugMallocStats", ctypes.c_int, ctypes.c_void_p)

# These walk the heap: the target runs on meanwhile.
_slow = ctypes.CDLL(None)
_mallinfo2 = _function(_slow, "mallinfo2", _Mallinfo2)
_malloc_trim = _function(_slow, "malloc_trim", ctypes.c_int, ctypes.c_size_t)


def pymalloc() -> tuple[int, int] | None:
    """Return the bytes in pymalloc's arenas and, of those, free; None where it cannot be asked or is switched off."""
    if None in (_open_memstream, _debug_malloc_stats):
        return None
    text = ctypes.c_void_p()
    size = ctypes.c_size_t()
    stream = _open_memstream(ctypes.byref(text), ctypes.byref(size))
    if not stream:
        return None
    _debug_malloc_stats(stream)
    _fclose(stream)
    try:
        return parse_pymalloc(ctypes.string_at(text.value or 0, size.value))
    finally:
        _free(text)


def parse_pymalloc(text: bytes) -> tuple[int, int] | None:
    """Return the bytes in arenas, and in free blocks and unused pools, from what ``sys._debugmallocstats`` prints."""
    found = [pattern.search(text) for pattern in (_ARENAS, _FREE_BLOCKS, _FREE_POOLS)]
    numbers = [int(match[1].replace(b",", b"")) for match in found if match]
    if len(numbers) != len(found):
        return None
    arenas, free_blocks, free_pools = numbers
    return arenas, free_blocks + free_pools


def malloc() -> tuple[int, int] | None:
    """Return malloc's bytes in use (uordblks + hblkhd) and free but kept (fordblks); None without mallinfo2."""
    if _mallinfo2 is None:
        return None
    info = _mallinfo2()
    return info.uordblks + info.hblkhd, info.fordblks


def trim() -> bool | None:
    """Give free memory of malloc back to the system; return whether any was, None without malloc_trim."""
    return None if _malloc_trim is None else bool(_malloc_trim(0))
