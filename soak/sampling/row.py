"""One row of samples, and how those of an arm's processes add up."""

from __future__ import annotations

from collections.abc import Sequence

ADDED = frozenset({
    "rss_bytes", "uss_bytes", "pss_bytes", "cpu_s", "threads", "fds", "live_blocks", "pymalloc_arena_bytes",
    "pymalloc_free_bytes", "malloc_in_use_bytes", "malloc_free_bytes", "tasks_alive", "tasks_finished",
    "sessions_alive", "sessions_open", "cache_entries", "history_entries",
})  # fmt: skip
"""Columns that are amounts: those of an arm's processes add up."""

Row = dict[str, object]


def together(rows: Sequence[Row]) -> Row:
    """Return what the processes of an arm hold together, for the display; one of them is its own row.

    What is no amount is that of the first, but the delay of the event loop, which is the longest.
    """
    first, *others = rows
    if not others:
        return first
    joined = dict(first)
    for name in (*ADDED, "loop_lag_ms"):
        read = [value for row in rows if isinstance(value := row.get(name), int | float)]
        joined[name] = (sum(read) if name in ADDED else max(read)) if read else None
    return joined
