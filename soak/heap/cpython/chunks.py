"""Cuts the memory that may hold objects into chunks that are read into one fixed buffer, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from soak.heap.cpython.layout import FIELDS_BYTES
from soak.heap.cpython.memory import Memory, MemoryMapping, Octets, Words
from soak.heap.cpython.pymalloc_pools import POOL_BYTES, PoolSum, outside_pools

CHUNK_BYTES = 1 << 20
"""Size of a chunk, bytes: the arrays made from it stay in the processor's cache."""
_READ_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some memory as it was read; the arrays are only valid until the next chunk."""

    address: int
    """Address of the first word; a multiple of 16."""
    words: Words
    """Words from the address on; FIELDS_BYTES more than are searched, zeros where nothing is."""
    pairs: int
    """Number of pairs of words that are searched: objects begin at multiples of 16 bytes."""

    @property
    def octets(self) -> Octets:
        """The same, byte by byte."""
        return self.words.view(np.uint8)


class ChunkReader:
    """Reads mappings chunk by chunk, resident pages only."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._words = np.zeros((_READ_BYTES + FIELDS_BYTES) // 8, np.uint64)
        self.read_bytes = 0
        self.pools = PoolSum()
        """The pools of small blocks that were left out."""

    def chunks(self, mappings: Iterable[MemoryMapping], *, small_blocks: bool = True) -> Iterator[Chunk]:
        """Yield all there is, or all but the pools of small blocks; what vanishes meanwhile is left out.

        Raises HeapError when the process is gone.
        """
        for mapping in mappings:
            for start, end in self._memory.resident(mapping.start, mapping.end):
                if small_blocks:
                    yield from self._stretch(start, end)
                else:
                    for begin, stop in outside_pools(self._memory, start, end, self.pools):
                        yield from self._stretch(begin, stop)

    def _stretch(self, start: int, end: int) -> Iterator[Chunk]:
        octets = self._words.view(np.uint8)
        for first, last in _parts(start, end, _READ_BYTES):
            wanted = min(last + FIELDS_BYTES, end) - first
            got = self._memory.read_into(first, octets[:wanted]) & ~15
            octets[got : got + FIELDS_BYTES] = 0
            searched = min(last - first, got)
            self.read_bytes += searched
            for begin, stop in _parts(first, first + searched, CHUNK_BYTES):
                words = self._words[(begin - first) // 8 : (stop - first + FIELDS_BYTES) // 8]
                yield Chunk(begin, words, (stop - begin) // 16)


def _parts(start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the parts of a stretch, ``size`` at most, cut where no pool is cut."""
    for cut in range(start - start % POOL_BYTES, end, size):
        yield max(start, cut), min(end, cut + size)
