"""One process as /proc shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from soak.limit.membership import threads_limit
from soak.process.libraries import foreign_allocators
from soak.process.procfs import count_fds, cpu_s, fds_limit, read_smaps, read_status, rss_bytes
from soak.recording.csv_writer import Row


def read_outside(pid: int, *, smaps: bool) -> tuple[Row, dict[str, str | None]]:
    """Return the columns of a process that are read from /proc, and what is wrong with each reading, None for nothing.

    ``smaps`` reads what costs milliseconds per gigabyte, too.
    """
    row: Row = {"rss_bytes": rss_bytes(pid), "fds": count_fds(pid), "cpu_s": cpu_s(pid)}
    expected = ["fds", "cpu_s", "anon_bytes"]
    sizes = read_smaps(pid) if smaps else None
    if status := read_status(pid):
        row["threads"] = status.threads
        row["shmem_bytes"], row["file_bytes"] = status.shmem_bytes, status.file_bytes
        anon = status.anon_bytes if sizes is None else sizes.anon_bytes
        row["anon_bytes"] = None if anon is None else anon + status.swap_bytes
    if smaps:
        if sizes:
            row["uss_bytes"], row["pss_bytes"] = sizes.uss_bytes, sizes.pss_bytes
        row["fds_limit"], row["threads_limit"] = fds_limit(pid), threads_limit(pid)
        row["foreign_allocators"] = foreign_allocators(pid)
        expected.append("uss_bytes")
    return row, {name: "not readable" if row.get(name) is None else None for name in expected}


SLOW_SHARE: Final = 0.01
"""Most processor time that an arm's slow readings take, as a share of a core: ten arms leave it to their targets."""


class SlowReadings:
    """When what ``read_outside`` reads with ``smaps`` is due: at its own rhythm, or less often where that costs more.

    ``cpu_s`` is the processor time of this thread, seconds; ``report`` gets a sentence when it becomes less often.
    """

    def __init__(
        self, every_s: float, report: Callable[[str], None], cpu_s: Callable[[], float] = time.thread_time
    ) -> None:
        self._every_s = every_s
        self._report = report
        self._cpu_s = cpu_s
        self._next_s = 0.0
        self._longest_s = every_s
        """The longest time between two readings so far, seconds; half as much again is reported."""

    def due(self, t_s: float) -> bool:
        """Whether they are to be read at ``t_s``."""
        return t_s >= self._next_s

    @contextmanager
    def reading(self, t_s: float, early_s: float) -> Iterator[None]:
        """Measure their reading at ``t_s`` in the block; the next is due in time for a tick up to ``early_s`` early."""
        began_s = self._cpu_s()
        yield
        took_s = self._cpu_s() - began_s
        wait_s = max(self._every_s, took_s / SLOW_SHARE)
        self._next_s = t_s + wait_s - early_s
        if wait_s > 1.5 * self._longest_s:
            self._longest_s = wait_s
            self._report(
                f"USS, PSS and limits each {wait_s:.0f} s, not each {self._every_s:g} s: "
                f"they take {took_s:.2f} s of processor time"
            )
