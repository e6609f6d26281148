"""Cuts the memory that may hold objects into chunks that are read into one fixed buffer, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from soak.heap.cpython.layout import FIELDS_BYTES
from soak.heap.cpython.memory import Memory, MemoryMapping, Words
from soak.heap.cpython.pymalloc_pools import POOL_BYTES, PoolSum, outside_pools

CHUNK_BYTES = 2 << 20
"""Size of a chunk, bytes."""
_HOLE_BYTES = 1 << 16
"""Size of a stretch from which on it is left out, where nothing is, rather than filled with zeros, bytes."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some memory as it was read; the arrays are only valid until the next chunk."""

    address: int
    """Address of the first word; a multiple of 16."""
    words: Words
    """Words from the address on; FIELDS_BYTES more than are searched, zeros where nothing is."""
    searched: int
    """Number of words that are searched, an even one: objects begin at multiples of 16 bytes."""


class ChunkReader:
    """Reads mappings chunk by chunk, resident pages only."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._words = np.zeros((CHUNK_BYTES + FIELDS_BYTES) // 8, np.uint64)
        self.read_bytes = 0
        self.pools = PoolSum()
        """The pools of small blocks that were left out."""

    def chunks(self, mappings: Iterable[MemoryMapping], *, small_blocks: bool = True) -> Iterator[Chunk]:
        """Yield all there is, or all but the pools of small blocks; what vanishes meanwhile is left out.

        Raises HeapError when the process is gone.
        """
        for mapping in mappings:
            stretches = self._memory.resident(mapping.start, mapping.end)
            if not small_blocks:
                stretches = self._outside_pools(stretches)
            yield from self._joined(stretches)

    def _outside_pools(self, stretches: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        for start, end in stretches:
            yield from outside_pools(self._memory, start, end, self.pools)

    def _joined(self, stretches: Iterable[tuple[int, int]]) -> Iterator[Chunk]:
        """Yield the stretches, by rising address, in chunks that cut no pool."""
        first = filled = limit = 0
        for start, end in stretches:
            begin = start
            while begin < end:
                if begin >= min(filled + _HOLE_BYTES, limit):
                    if filled:
                        yield self._chunk(first, filled)
                    first = filled = begin
                    limit = begin - begin % POOL_BYTES + CHUNK_BYTES
                stop = min(end, limit)
                self._fill(begin - first, filled - first, begin, min(stop + FIELDS_BYTES, end))
                self.read_bytes += stop - begin
                begin = filled = stop
        if filled:
            yield self._chunk(first, filled)

    def _fill(self, place: int, filled: int, start: int, end: int) -> None:
        """Read into a place of the buffer; what is not there, and what is before it, is zeros."""
        octets = self._words.view(np.uint8)
        octets[filled:place] = 0
        wanted = octets[place : place + end - start]
        wanted[self._memory.read_into(start, wanted) & ~15 :] = 0
        octets[place + end - start :][:FIELDS_BYTES] = 0

    def _chunk(self, first: int, end: int) -> Chunk:
        return Chunk(first, self._words[: (end - first + FIELDS_BYTES) // 8], (end - first) // 8)
