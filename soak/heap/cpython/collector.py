"""The cyclic collector of a process, from outside: which one a version has, and since 3.15 what it has done."""

from __future__ import annotations

from typing import Final

import numpy as np

from soak.heap.cpython.debug_offsets import DebugOffsets, interpreters, word_at
from soak.heap.cpython.memory import Memory, Words
from soak.heap.model import CollectorStatistics

_STATISTICS_WORDS: Final = 140
"""Words of ``struct gc_stats`` in 3.15 (Include/internal/pycore_interp_structs.h)."""
_KEPT: Final = (11, 3, 3)
"""Collections that are kept of each generation, the youngest first; behind them is a word with an index."""
_COLLECTION_WORDS: Final = 8
_COLLECTIONS, _COLLECTED, _UNCOLLECTABLE = 2, 3, 4
"""Words of a collection: totals of its generation until then."""
_MOST: Final = 1 << 48
"""Bound of a plausible total."""
_INCREMENTAL: Final = ((3, 14, 0), (3, 14, 4))
"""First and last version with the incremental collector."""


def is_incremental(version: tuple[int, int, int]) -> bool:
    """Return whether a version has the incremental collector, which frees cycles later."""
    return _INCREMENTAL[0] <= version <= _INCREMENTAL[1]


def read_collector(offsets: DebugOffsets, memory: Memory) -> CollectorStatistics | None:
    """Return the totals of the main interpreter's collector, as ``gc.get_stats()`` has them; None before 3.15.

    Raises HeapError when the process is gone.
    """
    if offsets.offsets.get("gc.generation_stats_size") != 8 * _STATISTICS_WORDS:
        return None
    states = interpreters(offsets, memory)
    if not states:
        return None
    collector = states[-1] + offsets["interpreter_state.gc"]
    address = word_at(collector + offsets["gc.generation_stats"], memory)
    words = memory.read_each([address], 8 * _STATISTICS_WORDS).view(np.uint64)[0]
    newest: list[Words] = []
    begin = 0
    for kept in _KEPT:
        rows = words[begin : begin + kept * _COLLECTION_WORDS].reshape(kept, _COLLECTION_WORDS)
        newest.append(rows[int(rows[:, _COLLECTIONS].argmax())])
        begin += kept * _COLLECTION_WORDS + 1
    totals = np.array(newest)[:, [_COLLECTIONS, _COLLECTED, _UNCOLLECTABLE]]
    if (totals >= _MOST).any():
        return None
    return CollectorStatistics(
        full_collections=int(totals[-1, 0]),
        collected=int(totals[:, 1].sum()),
        uncollectable=int(totals[:, 2].sum()),
    )
