"""Where pymalloc keeps small blocks: no type object lies there, so the search for types leaves it out.

A pool is 16 KiB at a multiple of that, whose header holds the size of its blocks twice
(Include/internal/pycore_obmalloc.h: ``struct pool_header``; Objects/obmalloc.c in 3.10 and 3.11).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from soak.heap.cpython.memory import Memory

POOL_BYTES: Final = 1 << 14
_AT_ONCE: Final = 1 << 16
_INDICES: Final = 32
"""Offset of ``arenaindex``, ``szidx``, ``nextoffset`` and ``maxnextoffset``, 32 bits each."""
_SIZES: Final = 32
"""Number of sizes of blocks: 16, 32, ... 512 bytes; a type object is larger."""


def outside_pools(memory: Memory, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a stretch that are no pools; raises HeapError when the process is gone."""
    begins = start
    first_pool = -(-start // POOL_BYTES) * POOL_BYTES
    for first in range(first_pool, end - POOL_BYTES + 1, _AT_ONCE * POOL_BYTES):
        last = min(first + _AT_ONCE * POOL_BYTES, end - POOL_BYTES + 1)
        places = np.arange(first, last, POOL_BYTES, dtype=np.uint64)
        heads = memory.read_each(places + np.uint64(_INDICES), 16).view(np.uint32).reshape(-1, 4)
        index, after, most = heads[:, 1], heads[:, 2], heads[:, 3]
        pools = (index < _SIZES) & (most == POOL_BYTES - 16 * (index + 1)) & (after <= POOL_BYTES)
        for place in places[pools].tolist():
            if begins < place:
                yield begins, place
            begins = place + POOL_BYTES
    if begins < end:
        yield begins, end
