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
_AT_ONCE: Final = 1 << 16
_SIZES: Final = 32
"""Number of sizes of blocks: 16, 32, ... 512 bytes; a type object is larger."""
_POOL_PAIRS: Final = POOL_BYTES // 16
_HEADER_PAIRS: Final = HEADER_BYTES // 16


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of pools in some memory, all in pairs of words."""

    begins: npt.NDArray[np.intp]
    pairs: npt.NDArray[np.uint16]
    """Size of each."""
    outside: tuple[tuple[int, int], ...]
    """Begin and exclusive end of what is in no pool."""


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


def blocks_of(words: Words, address: int) -> Blocks:
    """Return the blocks of pools among words; ``address`` is that of the first.

    What was never handed out is left out. Where ``address`` is in the midst of a pool, the rest of this counts as none.
    """
    total = len(words) // 2
    places = np.arange(-address % POOL_BYTES // 16, total - _HEADER_PAIRS + 1, _POOL_PAIRS)
    heads = words.take(2 * places[:, None] + np.arange(2 * _HEADER_PAIRS)).view(np.uint32)
    index, used = _pools(heads)
    pools = (index < _SIZES).nonzero()[0]
    places = places.take(pools)
    outside = _between(places.tolist(), total)
    sizes = index.take(pools).astype(np.intp) + 1
    firsts = places + _HEADER_PAIRS
    ends = np.minimum(places + used.take(pools) // 16, total)
    numbers = np.minimum((ends - firsts + sizes - 1) // sizes, (_POOL_PAIRS - _HEADER_PAIRS) // sizes)
    some = (numbers > 0).nonzero()[0]
    firsts, sizes, numbers = firsts.take(some), sizes.take(some), numbers.take(some)
    begins = np.repeat(sizes, numbers)
    pairs = begins.astype(np.uint16)
    if begins.size:  # steps from block to block, and from pool to pool
        begins[0] = firsts[0]
        lasts = firsts + (numbers - 1) * sizes
        begins[numbers.cumsum()[:-1]] = firsts[1:] - lasts[:-1]
    return Blocks(begins.cumsum(out=begins), pairs, outside)


def _between(places: list[int], total: int) -> tuple[tuple[int, int], ...]:
    """Return begin and end of what is not in the pools at these places."""
    outside = []
    began = 0
    for place in places:
        if began < place:
            outside.append((began, place))
        began = place + _POOL_PAIRS
    if began < total:
        outside.append((began, total))
    return tuple(outside)


def _pools(heads: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return the size index of each pool, _SIZES for what is none, and the bytes of it that may hold live blocks.

    A head is ``ref.count``, three addresses, ``arenaindex``, ``szidx``, ``nextoffset`` and ``maxnextoffset``.
    """
    index, after, most = heads[:, 9], heads[:, 10], heads[:, 11]
    pools = (index < _SIZES) & (most == POOL_BYTES - 16 * (index + 1)) & (after <= POOL_BYTES)
    return np.where(pools, index, np.uint32(_SIZES)), np.where(heads[:, 0] == 0, 0, after)
