"""The last resort where no cgroup can be had: watch resident memory and kill."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from soak.limit.base import Counters, Usage
from soak.process.procfs import processes_of, read_smaps, rss_bytes

CHECK_EVERY_S = 0.05
EXACT_SHARE = 0.01
"""Share of the time that may go into exact readings, but for those before a kill: they cost 15 ms per GiB."""


def resident_bytes(pid: int) -> int | None:
    """Return the resident memory of a kept process and all that it started, None once it is gone.

    A page that several of them share, as forked workers do, counts once in each.
    """
    return _sum(pid, rss_bytes)


def proportional_bytes(pid: int) -> int | None:
    """Return the same with a page shared by n processes counted as 1/n in each.

    Of a process that we may not read so it is the resident memory, an upper bound.
    """

    def of_one(each: int) -> int | None:
        smaps = read_smaps(each)
        return rss_bytes(each) if smaps is None else smaps.pss_bytes

    return _sum(pid, of_one)


def _sum(pid: int, bytes_of: Callable[[int], int | None]) -> int | None:
    readings = [bytes_of(each) for each in (pid, *processes_of(pid))]
    known = [reading for reading in readings if reading is not None]
    return sum(known) if known else None


class SharedOnce:
    """Resident memory of a process and all that it started, what they share counted once.

    Exact readings are rare. In between it is the resident memory less what the last of them found to be counted twice.
    """

    def __init__(
        self,
        resident: Callable[[int], int | None] = resident_bytes,
        exact: Callable[[int], int | None] = proportional_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resident = resident
        self._exact = exact
        self._clock = clock
        self._twice = 0
        """Bytes of the resident memory that were counted more than once."""
        self._exact_at_s = clock()
        """When the next exact reading is due."""

    def read(self, pid: int, *, exactly: bool = False) -> int | None:
        """Return the bytes; None once the process is gone."""
        resident = self._resident(pid)
        if resident is None:
            return None
        began_s = self._clock()
        if exactly or began_s >= self._exact_at_s:
            exact = self._exact(pid)
            ended_s = self._clock()
            self._exact_at_s = ended_s + (ended_s - began_s) / EXACT_SHARE
            self._twice = 0 if exact is None else max(0, resident - exact)
        return max(0, resident - self._twice)


def kill_group(pid: int) -> None:
    """Kill the process group that ``pid`` leads; one that has ended is left alone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class WatchdogLife:
    """Reads the resident memory of a process and all that it started at 20 Hz, and kills its group above the limit.

    Pages that they share count once. What has detached from it ends with it, by its keeper.
    """

    procs: Path | None = None

    def __init__(
        self,
        limit_bytes: int,
        memory: SharedOnce | None = None,
        kill: Callable[[int], None] = kill_group,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._memory = memory or SharedOnce()
        self._kill = kill
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid: int | None = None
        self._peak_bytes = 0
        self._kills = 0

    def watch(self, pid: int) -> None:
        """Begin to watch ``pid``, the leader of its process group."""
        self._pid = pid
        self._thread = threading.Thread(target=self._run, args=(pid,), name=f"watchdog-{pid}", daemon=True)
        self._thread.start()

    def usage(self) -> Usage:
        """Return the resident memory of the process and all that it started.

        It has no file cache: pages of files that are mapped count as memory in use, as before a kill.
        """
        charged = None if self._pid is None else self._memory.read(self._pid)
        return Usage(charged, file_bytes=None if charged is None else 0)

    def check(self, pid: int) -> bool:
        """Read the memory, exactly near the limit, and kill above it; return whether the process lives on."""
        usage = self._memory.read(pid)
        if usage is not None and usage > self._limit_bytes:
            usage = self._memory.read(pid, exactly=True)
        if usage is None:
            return False
        self._peak_bytes = max(self._peak_bytes, usage)
        if usage <= self._limit_bytes:
            return True
        try:
            self._kill(pid)
        except PermissionError:
            return True  # it has another user by now; that it went beyond the limit is seen by its peak
        self._kills += 1
        return False

    def counters(self) -> Counters:
        """Return the peak seen and the kills made."""
        return Counters(peak_bytes=self._peak_bytes or None, watchdog_kills=self._kills)

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, pid: int) -> None:
        while not self._stop.wait(CHECK_EVERY_S) and self.check(pid):
            pass


class WatchdogMechanism:
    """Makes a watchdog per life."""

    name = "watchdog"

    def life(self, name: str, limit_bytes: int) -> WatchdogLife:  # noqa: ARG002 - a watchdog needs no name
        """Make a watchdog that waits for its process."""
        return WatchdogLife(limit_bytes)

    def close(self) -> None:
        """Nothing to put back."""
