"""Where pymalloc keeps small blocks: no type object lies there, and an object there begins where its block does.

A pool is 16 KiB at a multiple of that, whose header holds the size of its blocks twice
(Include/internal/pycore_obmalloc.h: ``struct pool_header``; Objects/obmalloc.c in 3.10 and 3.11).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from soak.heap.cpython.memory import Memory, Words

POOL_BYTES: Final = 1 << 14
HEADER_BYTES: Final = 48
NO_POOL: Final = 255
NO_BLOCK: Final = 254
"""In a pool's header, or where no block was ever handed out."""
MOST_ROOM: Final = 255
_AT_ONCE: Final = 1 << 16
_SIZES: Final = 32
"""Number of sizes of blocks: 16, 32, ... 512 bytes; a type object is larger."""
_POOL_PAIRS: Final = POOL_BYTES // 16
_HEADER_PAIRS: Final = HEADER_BYTES // 16

Places = npt.NDArray[np.uint16]


@dataclass(slots=True)
class PoolSum:
    """The pools that were passed by."""

    free_bytes: int = 0
    """Bytes in their free blocks, and in pools that are free; of both, pymalloc counts also what was never touched."""

    def add(self, heads: npt.NDArray[np.uint32], index: npt.NDArray[np.uint32]) -> None:
        """Add pools by their heads; ``index`` is that of their size, _SIZES for what is none."""
        known = index < _SIZES
        block_bytes = 16 * (index[known].astype(np.int64) + 1)
        live = heads[known, 0].astype(np.int64)
        blocks = (POOL_BYTES - HEADER_BYTES) // block_bytes
        free = np.where(live == 0, POOL_BYTES, np.maximum(blocks - live, 0) * block_bytes)
        self.free_bytes += int(free.sum())


def outside_pools(
    memory: Memory, start: int, end: int, passed: PoolSum | None = None
) -> Iterator[tuple[int, int]]:
    """Yield the parts of a stretch that are no pools, which are added to ``passed``.

    Raises HeapError when the process is gone.
    """
    begins = start
    first_pool = -(-start // POOL_BYTES) * POOL_BYTES
    for first in range(first_pool, end - POOL_BYTES + 1, _AT_ONCE * POOL_BYTES):
        last = min(first + _AT_ONCE * POOL_BYTES, end - POOL_BYTES + 1)
        places = np.arange(first, last, POOL_BYTES, dtype=np.uint64)
        heads = memory.read_each(places, HEADER_BYTES).view(np.uint32).reshape(len(places), -1)
        pools, _ = _pools(heads)
        if passed is not None:
            passed.add(heads, pools)
        for place in places[pools < _SIZES].tolist():
            if begins < place:
                yield begins, place
            begins = place + POOL_BYTES
    if begins < end:
        yield begins, end


def block_places(words: Words, address: int) -> Places:
    """Return how far into its block each pair of words is, and 256 times how far it is to the end, both in pairs.

    The former is 0 to 31, or NO_BLOCK, or NO_POOL, where the end is as far as can be. Where ``address``, that of the
    first word, is in the midst of a pool, the rest of this counts as none.
    """
    before = -address % POOL_BYTES // 16
    pairs = len(words) // 2
    places = np.arange(before, pairs - _HEADER_PAIRS + 1, _POOL_PAIRS)
    heads = words[: 2 * pairs].view(np.uint32).reshape(-1, 4)[places[:, None] + np.arange(_HEADER_PAIRS)]
    sizes, used = _pools(heads.reshape(len(places), 4 * _HEADER_PAIRS))
    inside = _PLACES.take(sizes, axis=0)
    for pool in np.flatnonzero((sizes < _SIZES) & (used < POOL_BYTES)).tolist():
        inside[pool, used[pool] // 16 :] = NO_BLOCK
    found = np.full(pairs, _NO_POOL, np.uint16)
    found[before : before + inside.size] = inside.reshape(-1)[: max(0, pairs - before)]
    return found


def _pools(heads: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return the size index of each pool, _SIZES for what is none, and the bytes of it that may hold live blocks.

    A head is ``ref.count``, three addresses, ``arenaindex``, ``szidx``, ``nextoffset`` and ``maxnextoffset``.
    """
    index, after, most = heads[:, 9], heads[:, 10], heads[:, 11]
    pools = (index < _SIZES) & (most == POOL_BYTES - 16 * (index + 1)) & (after <= POOL_BYTES)
    return np.where(pools, index, np.uint32(_SIZES)), np.where(heads[:, 0] == 0, 0, after)


def _places(size: int) -> Places:
    """Return the places in a full pool of blocks of ``size`` pairs."""
    places = np.full(_POOL_PAIRS, NO_BLOCK, np.uint16)
    blocks = (_POOL_PAIRS - _HEADER_PAIRS) // size
    block = np.arange(size) + (np.arange(size, 0, -1) << 8)
    places[_HEADER_PAIRS : _HEADER_PAIRS + blocks * size] = np.tile(block, blocks)
    return places


_NO_POOL: Final = MOST_ROOM << 8 | NO_POOL
_PLACES: Final = np.stack(
    [*(_places(size + 1) for size in range(_SIZES)), np.full(_POOL_PAIRS, _NO_POOL, np.uint16)]
)
