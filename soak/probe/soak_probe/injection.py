"""A known leak: memory that is kept on request, for the copy of an arm that serves as the control of a run."""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

MOST_BYTES = 1 << 40
"""Highest total that may be asked for, bytes."""
OBJECT_BYTES = 208
"""Size of each object that is kept, as ``sys.getsizeof``: a block of pymalloc of that very size."""
PLACE_BYTES = ctypes.sizeof(ctypes.c_void_p)
"""Bytes of an entry of a list."""
BLOCK_BYTES = 1000
"""Bytes of each malloc."""
MAPPING_BYTES = 64 << 20
"""Bytes of a mapping; only its touched pages are memory."""

_c = ctypes.PyDLL(None)
_malloc = _c.malloc
_malloc.restype, _malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
_usable_size = getattr(_c, "malloc_usable_size", None)
if _usable_size is not None:
    _usable_size.restype, _usable_size.argtypes = ctypes.c_size_t, (ctypes.c_void_p,)


class Objects:
    """Bytes objects in one list, whose own growth counts."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []

    @property
    def held(self) -> int:
        """Bytes held."""
        return len(self._kept) * OBJECT_BYTES + (sys.getsizeof(self._kept) if self._kept else 0)

    def grow(self, by: int) -> None:
        """Hold so many bytes more, in whole objects, each with its place in the list."""
        length, total = OBJECT_BYTES - sys.getsizeof(b""), self.held + by
        while missing := max(0, total - self.held) // (OBJECT_BYTES + PLACE_BYTES):
            self._kept.extend(bytes(length) for _ in range(missing))


class Blocks:
    """Blocks of malloc, touched and never freed."""

    def __init__(self) -> None:
        self.held = 0

    def grow(self, by: int) -> None:
        """Hold so many bytes more, in whole blocks; raises MemoryError when malloc gives none."""
        for _ in range(by // BLOCK_BYTES):
            block = _malloc(BLOCK_BYTES)
            if not block:
                raise MemoryError("malloc gave no block")
            ctypes.memset(block, 1, BLOCK_BYTES)
            self.held += BLOCK_BYTES if _usable_size is None else _usable_size(block)


class Pages:
    """Private anonymous pages past every allocator."""

    def __init__(self) -> None:
        self.held = 0
        self._mappings: list[mmap.mmap] = []

    def grow(self, by: int) -> None:
        """Touch so many bytes more, in whole pages; raises OSError when no mapping is to be had."""
        for _ in range(by // mmap.PAGESIZE):
            at = self.held % MAPPING_BYTES
            if at == 0:
                self._mappings.append(_new_mapping())
            self._mappings[-1][at] = 1
            self.held += mmap.PAGESIZE


def _new_mapping() -> mmap.mmap:
    mapping = mmap.mmap(-1, MAPPING_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        mapping.madvise(mmap.MADV_NOHUGEPAGE)  # a touched page is to be one page of memory
    except (AttributeError, OSError):
        pass  # a kernel without huge pages
    return mapping


class Injection:
    """Keeps memory of each kind up to a total, for as long as the process lives."""

    def __init__(self) -> None:
        self._kinds: dict[str, Objects | Blocks | Pages] = {
            "python": Objects(),
            "native": Blocks(),
            "mmap": Pages(),
        }

    def inject(self, request: dict[str, Any]) -> dict[str, Any]:
        """Hold ``total`` bytes of ``kind``, as nearly as whole pieces allow, and return the bytes held.

        The total is cumulative, so the same request again does nothing, and a smaller one frees nothing. Raises
        ValueError for an unknown kind and a total that is no number of bytes.
        """
        kind, total = request.get("kind"), request.get("total")
        if kind not in self._kinds:
            raise ValueError(f"kind {kind!r} is not one of {', '.join(self._kinds)}")
        if isinstance(total, bool) or not isinstance(total, int) or not 0 <= total <= MOST_BYTES:
            raise ValueError(f"total {total!r} is not a number of bytes up to {MOST_BYTES}")
        kept = self._kinds[kind]
        kept.grow(max(0, total - kept.held))
        return {"held": kept.held}
