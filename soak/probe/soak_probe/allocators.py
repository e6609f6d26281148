"""What two allocators hold: CPython's own (pymalloc), and the one behind malloc (glibc, jemalloc or tcmalloc)."""

from __future__ import annotations

import ctypes
import re
import sys
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ARENAS = re.compile(rb"^\d+ arenas \* \d+ bytes/arena += +([\d,]+)$", re.MULTILINE)
_FREE_BLOCKS = re.compile(rb"^# bytes in available blocks += +([\d,]+)$", re.MULTILINE)
_FREE_POOLS = re.compile(rb"^\d+ unused pools \* \d+ bytes += +([\d,]+)$", re.MULTILINE)
_ADDRESS_SPACE_BYTES = 1 << 47
"""Address space of a process; a figure beyond it is a counter that has passed below 0."""
_ALL_ARENAS = 4096
"""jemalloc's MALLCTL_ARENAS_ALL."""


MALLOC_FIGURES = ("malloc_in_use_bytes", "malloc_free_bytes", "malloc_arena_bytes", "malloc_top_bytes")
"""Names of the figures of malloc, those of their columns."""
FIGURES = (
    "live_blocks",
    "pymalloc_arena_bytes",
    "pymalloc_free_bytes",
    "pymalloc_unused_bytes",
    *MALLOC_FIGURES,
)
"""Names of the figures of both, those of their columns."""


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


class _SymbolInfo(ctypes.Structure):
    """``Dl_info``, see dladdr(3)."""

    _fields_ = (
        ("file", ctypes.c_char_p),
        ("base", ctypes.c_void_p),
        ("symbol", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
    )


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    """Return the C function, or None where the library has none of that name."""
    function = getattr(library, name, None)
    if function is not None:
        function.restype = result
        function.argtypes = arguments
    return function


_POINTER = ctypes.c_void_p
_SIZE = ctypes.c_size_t
_MALLCTL = (ctypes.c_char_p, _POINTER, _POINTER, _POINTER, _SIZE)

# Short calls keep the interpreter lock: to give it up is to wait for it again behind a busy target.
_quick = ctypes.PyDLL(None)
_open_memstream = _function(
    _quick, "open_memstream", _POINTER, ctypes.POINTER(_POINTER), ctypes.POINTER(_SIZE)
)
_fclose = _function(_quick, "fclose", ctypes.c_int, _POINTER)
_free = _function(_quick, "free", None, _POINTER)
_mallctl = _function(_quick, "mallctl", ctypes.c_int, *_MALLCTL)
_tcmalloc_property = _function(
    _quick, "MallocExtension_GetNumericProperty", ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(_SIZE)
)
_debug_malloc_stats = _function(ctypes.pythonapi, "_PyObject_DebugMallocStats", ctypes.c_int, _POINTER)

# These walk the heap, or wait for locks of the C library: the target runs on meanwhile.
_slow = ctypes.CDLL(None)
_mallinfo2 = _function(_slow, "mallinfo2", _Mallinfo2)
_malloc_trim = _function(_slow, "malloc_trim", ctypes.c_int, _SIZE)
_slow_mallctl = _function(_slow, "mallctl", ctypes.c_int, *_MALLCTL)
_release_free_memory = _function(_slow, "MallocExtension_ReleaseFreeMemory", None)
_dladdr = _function(_slow, "dladdr", ctypes.c_int, _POINTER, ctypes.POINTER(_SymbolInfo))


class ImplausibleError(ValueError):
    """The allocator's figures cannot be true; the message states them."""


def figures() -> tuple[dict[str, int | None], dict[str, str]]:
    """Return those of FIGURES that can be had, and why one was read that cannot be true, by what was asked.

    Python's allocator has a word read of each of its pools, twice, and holds the interpreter meanwhile. Between the two
    malloc is asked, which gives it up: a thread that waits does not wait for both.
    """
    arena_bytes, free_bytes, unused_bytes = pymalloc() or (None, None, None)
    problems = {}
    try:
        of_malloc = malloc()
    except ImplausibleError as error:
        of_malloc, problems = {}, {"malloc": str(error)}
    return {
        # without pymalloc it is 0, or counts the blocks of this thread only
        "live_blocks": (sys.getallocatedblocks() or None) if arena_bytes else None,
        "pymalloc_arena_bytes": arena_bytes,
        "pymalloc_free_bytes": free_bytes,
        "pymalloc_unused_bytes": unused_bytes,
        **of_malloc,
    }, problems


def pymalloc() -> tuple[int, int, int] | None:
    """Return the bytes in pymalloc's arenas and, of those, free and in unused pools.

    All are 0 where pymalloc is switched off; None where it cannot be asked, as where mimalloc stands in for it.
    """
    if None in (_open_memstream, _debug_malloc_stats):
        return None
    text = ctypes.c_void_p()
    size = ctypes.c_size_t()
    stream = _open_memstream(ctypes.byref(text), ctypes.byref(size))
    if not stream:
        return None
    is_on = _debug_malloc_stats(stream)
    _fclose(stream)
    try:
        return parse_pymalloc(ctypes.string_at(text.value or 0, size.value)) if is_on else (0, 0, 0)
    finally:
        _free(text)


def parse_pymalloc(text: bytes) -> tuple[int, int, int] | None:
    """Return the bytes in arenas, free, and in unused pools, from what ``sys._debugmallocstats`` prints."""
    found = [pattern.search(text) for pattern in (_ARENAS, _FREE_BLOCKS, _FREE_POOLS)]
    numbers = [int(match[1].replace(b",", b"")) for match in found if match]
    if len(numbers) != len(found):
        return None
    arenas, free_blocks, free_pools = numbers
    return arenas, free_blocks + free_pools, free_pools


def _object_of(name: str) -> int | None:
    """Return where the loaded object that defines a C function begins; None where none does."""
    function = getattr(_slow, name, None)
    info = _SymbolInfo()
    if (
        function is None
        or _dladdr is None
        or not _dladdr(ctypes.cast(function, _POINTER), ctypes.byref(info))
    ):
        return None
    base: int | None = info.base
    return base


def find_allocator(object_of: Callable[[str], int | None] = _object_of) -> str:
    """Return the name of the allocator behind malloc; empty for one that cannot be asked.

    ``object_of`` returns the loaded object that defines a function. Beside a preloaded allocator that of the C library
    is idle, yet can be asked and answers 0: the one that counts is defined by the same object as malloc and its like.
    One of these alone would not do: python3 of Debian, which is not position independent and takes the address of
    malloc, seems to define malloc itself.
    """
    behind_malloc = {object_of(name) for name in ("malloc", "calloc", "realloc", "free")} - {None}
    return next((name for name, (own, _) in _ALLOCATORS.items() if object_of(own) in behind_malloc), "")


def malloc() -> dict[str, int]:
    """Return the figures of ALLOCATOR by the names of their columns; none where it is unknown or does not count.

    Raises ImplausibleError for figures that cannot be true.
    """
    if ALLOCATOR not in _ALLOCATORS:
        return {}
    figures = _ALLOCATORS[ALLOCATOR][1]()
    in_use, free = figures.get("malloc_in_use_bytes", 1), figures.get("malloc_free_bytes", 0)
    if not (0 < in_use < _ADDRESS_SPACE_BYTES and 0 <= free < _ADDRESS_SPACE_BYTES):
        raise ImplausibleError(f"{ALLOCATOR} answers {in_use:,} bytes in use and {free:,} free")
    return figures


def _glibc() -> dict[str, int]:
    if _mallinfo2 is None:
        return {}
    info = _mallinfo2()
    if info.uordblks + info.fordblks > info.arena or info.keepcost > info.fordblks:
        raise ImplausibleError(
            f"glibc answers {info.uordblks:,} bytes in use and {info.fordblks:,} free, {info.keepcost:,} of them at "
            f"the top, in arenas of {info.arena:,}"
        )
    return {
        "malloc_in_use_bytes": info.uordblks + info.hblkhd,
        "malloc_free_bytes": info.fordblks,
        "malloc_arena_bytes": info.arena,
        "malloc_top_bytes": info.keepcost,
    }


def _jemalloc() -> dict[str, int]:
    """Ask as mallctl(3) of jemalloc describes: the figures are those of the last refresh of ``epoch``.

    ``stats.allocated`` includes what threads keep in their caches, and ``stats.resident`` metadata that was never
    touched: neither is in the figures. All free pages here, those of ``pdirty``, were in use before.
    """
    epoch = ctypes.c_uint64(1)
    if _slow_mallctl(b"epoch", None, None, ctypes.byref(epoch), ctypes.sizeof(epoch)):
        return {}
    of_all = b"stats.arenas.%d." % _ALL_ARENAS
    allocated, cached, active, dirty_pages, page_bytes = map(
        _stat_of_jemalloc,
        (b"stats.allocated", of_all + b"tcache_bytes", b"stats.active", of_all + b"pdirty", b"arenas.page"),
    )
    if allocated is None or cached is None or active is None or dirty_pages is None or page_bytes is None:
        return {}
    taken, in_use = active + dirty_pages * page_bytes, allocated - cached
    return {
        "malloc_in_use_bytes": in_use,
        "malloc_free_bytes": taken - in_use,
        "malloc_arena_bytes": taken,
        "malloc_top_bytes": 0,
    }


def _stat_of_jemalloc(name: bytes) -> int | None:
    value, size = ctypes.c_size_t(), ctypes.c_size_t(ctypes.sizeof(ctypes.c_size_t))
    failed = _mallctl(name, ctypes.byref(value), ctypes.byref(size), None, 0)  # built without statistics
    return None if failed else value.value


def _tcmalloc() -> dict[str, int]:
    """Ask for the properties of gperftools' malloc_extension.h."""
    in_use, heap, unmapped, page_heap = map(
        _property_of_tcmalloc,
        (
            b"generic.current_allocated_bytes",
            b"generic.heap_size",
            b"tcmalloc.pageheap_unmapped_bytes",
            b"tcmalloc.pageheap_free_bytes",
        ),
    )
    if in_use is None or heap is None or unmapped is None or page_heap is None:
        return {}
    taken = heap - unmapped
    return {
        "malloc_in_use_bytes": in_use,
        "malloc_free_bytes": taken - in_use,
        "malloc_arena_bytes": taken,
        "malloc_top_bytes": page_heap,
    }


def _property_of_tcmalloc(name: bytes) -> int | None:
    value = ctypes.c_size_t()
    return value.value if _tcmalloc_property(name, ctypes.byref(value)) else None


_ALLOCATORS = {
    "jemalloc": ("mallctl", _jemalloc),
    "tcmalloc": ("MallocExtension_GetNumericProperty", _tcmalloc),
    "glibc": ("gnu_get_libc_version", _glibc),
}
"""The allocators that can be asked: a function that only the object of each defines, and how to ask."""
ALLOCATOR = find_allocator()
"""The allocator behind malloc of this process; empty for one that cannot be asked."""


def trim() -> bool | None:
    """Have ALLOCATOR give free memory back to the system; return whether it did, None where it cannot be asked."""
    if ALLOCATOR == "jemalloc":
        return not _slow_mallctl(b"arena.%d.purge" % _ALL_ARENAS, None, None, None, 0)
    if ALLOCATOR == "tcmalloc" and _release_free_memory is not None:
        _release_free_memory()
        return True
    if ALLOCATOR == "glibc" and _malloc_trim is not None:
        return bool(_malloc_trim(0))
    return None
